"""The image catalogue, ``images.json``: which container file each version of an image is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from .gpu_vendors import GpuName
from .json_files import load, read_json, strict

__all__ = ["Catalogue", "Image", "ImageFile", "checked_catalogue", "load_catalogue"]


# No line breaks or zero bytes, nor halves of characters, which no path can have.
_PRINTABLE = re.compile("[^\x00-\x1f\x7f\ud800-\udfff]+")


@strict
class ImageFile:
    """One container file of an image version.

    What an admin decides:

    Attributes:
        variant: what tells it from the version's other builds ("cuda", "cpu").
        path: the SIF; relative paths start at the catalogue's folder.
        gpu: the kind of GPU it was built for; None serves jobs without a GPU.
        partitions: the only partitions it serves; empty for all.
        weights: a folder with networks' weights, bound in at /opt/relion-weights; relative paths
            start at the catalogue's folder.

    What ``relion-dispatch images add`` reads out of the file, and dispatching compares with it:

    Attributes:
        sha256: the file's digest.
        size, mtime: bytes, and nanoseconds since 1970, when that digest was computed.
        sif_id: the id in the SIF's header, 32 hexadecimal digits.
        architecture: of the processor ("amd64").
        mpi: the MPI in it ("Open MPI 4.1.4").
        programs: RELION's programs in it, and mpirun; empty where that is not known.
        signed_by: the fingerprints of the keys that signed it.
    """

    variant: str
    path: str
    gpu: GpuName | None = None
    partitions: tuple[str, ...] = ()
    weights: str | None = None
    sha256: str | None = None
    size: int | None = None
    mtime: int | None = None
    sif_id: str | None = None
    architecture: str | None = None
    mpi: str | None = None
    programs: tuple[str, ...] = ()
    signed_by: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.sha256 is not None and not re.fullmatch("[0-9a-f]{64}", self.sha256):
            raise ValueError(f"a sha256 has 64 digits out of 0-9 and a-f, not {self.sha256!r}")
        for key in ("variant", "path", "weights"):
            value = getattr(self, key)
            if value is not None and not _PRINTABLE.fullmatch(value):
                raise ValueError(f"{key} is empty or has control characters in it ({value!r})")


@strict
class Image:
    """All versions of one image; `default` is what new projects get."""

    default: str
    versions: dict[str, list[ImageFile]]


@strict
class Catalogue:
    """All images by name, and the file they were read from."""

    images: dict[str, Image]
    path: Path


def load_catalogue(path: Path) -> Catalogue:
    """Load and check ``images.json``.

    Raises:
        ConfigError: naming file, image, key and what was expected.
    """
    return checked_catalogue(read_json(path), path)


def checked_catalogue(content: dict[str, Any], path: Path) -> Catalogue:
    """Check what `path` has or is to have in it, without its comments.

    Raises:
        ConfigError: naming file, image, key and what was expected.
    """
    catalogue = load(
        Catalogue,
        {"images": content, "path": str(path)},
        str(path),
        lambda steps: f'key "{".".join(steps[1:])}"',
    )
    for name, image in catalogue.images.items():
        if odd := [each for each in (name, *image.versions) if not _PRINTABLE.fullmatch(each)]:
            raise ConfigError(
                f"{path}: {odd[0]!r} is no name or version: it is empty or has control characters "
                "in it."
            )
        if image.default not in image.versions:
            raise ConfigError(
                f'{path}: image "{name}": the default version "{image.default}" is not among its '
                f"versions ({', '.join(image.versions) or 'none'})"
            )
        for version, builds in image.versions.items():
            variants = [build.variant for build in builds]
            if twice := [variant for variant in variants if variants.count(variant) > 1]:
                raise ConfigError(
                    f'{path}: {name} {version} has the variant "{twice[0]}" twice: give each file '
                    "a variant of its own."
                )
    return catalogue
