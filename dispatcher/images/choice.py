"""The image catalogue (``images.json``), and which image serves a job."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from ..config.json_files import load, nearest, read_json
from ..errors import ConfigError, ImageError

__all__ = [
    "Build",
    "Catalogue",
    "Choice",
    "Image",
    "Needs",
    "checked_catalogue",
    "choose",
    "load_catalogue",
    "version_of",
]

# No line breaks or zero bytes, nor halves of characters, which no path can have.
_PRINTABLE = re.compile("[^\x00-\x1f\x7f\ud800-\udfff]+")


@dataclass(frozen=True, kw_only=True)
class Build:
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

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    variant: str
    path: str
    gpu: Literal["nvidia", "amd"] | None = None
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


@dataclass(frozen=True, kw_only=True)
class Image:
    """All versions of one image; `default` is what new projects get."""

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    default: str
    versions: dict[str, list[Build]]


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """All images by name, and the file they were read from."""

    images: dict[str, Image]
    path: Path


class Needs(NamedTuple):
    """What a job asks of its image.

    Attributes:
        gpu: the kind of GPU it uses ("nvidia", "amd"), None for none.
        partition: where it runs.
        programs: RELION's programs that it calls, by name.
        signed_by: the site's policy: fingerprints, one of which must have signed the file; empty
            where the site asks for none.
    """

    gpu: str | None = None
    partition: str | None = None
    programs: tuple[str, ...] = ()
    signed_by: tuple[str, ...] = ()


class Choice(NamedTuple):
    """The image chosen for a job, with the reason; `path` is absolute.

    `sha256`, `sif_id` and `size` (bytes) are the file's own, once :mod:`dispatcher.images.integrity` has
    looked at it.
    """

    name: str
    version: str
    build: Build
    path: Path
    reason: str
    weights: Path | None = None
    sha256: str | None = None
    sif_id: str | None = None
    size: int | None = None

    @property
    def variant(self) -> str:
        """The build's variant."""
        return self.build.variant


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


def version_of(catalogue: Catalogue, name: str, pinned: Mapping[str, str]) -> str | None:
    """The version that a job gets: the project's pin, else the default; None for no such image."""
    image = catalogue.images.get(name)
    return pinned.get(name, image.default) if image else None


def choose(
    catalogue: Catalogue, name: str, pinned: Mapping[str, str], needs: Needs, pin_file: Path
) -> Choice:
    """The build that serves a job: version from the project's pin or the default, then the first
    variant that has what the job needs.

    Raises:
        ImageError: no such image or version, or no variant serves the job.
    """
    image, version = catalogue.images.get(name), version_of(catalogue, name, pinned)
    if image is None or version is None:
        raise ImageError(
            f'The image "{name}" is not in the catalogue {catalogue.path}'
            f"{nearest(name, list(catalogue.images))}: ask your admin to add it."
        )
    if version not in image.versions:
        raise ImageError(
            f"This project is pinned to {name} {version} ({pin_file}), which is not in the "
            f"catalogue {catalogue.path} (it has {', '.join(image.versions)}): ask your admin to "
            f"put that version back, or move the project with `relion-dispatch pin {name} VERSION`."
        )
    builds = image.versions[version]
    serving = [build for build in builds if _computes(build, needs)]
    if not serving:
        what = {None: "without GPU", "nvidia": "for GPUs", "amd": "for AMD's GPUs"}[needs.gpu]
        raise ImageError(
            f"{name} {version} has no variant {what}"
            f"{f' on partition {needs.partition}' if needs.partition else ''} in {catalogue.path}: "
            f"its variants are {', '.join(build.variant for build in builds) or 'none'}."
        )
    complete = [build for build in serving if not _lacking(build, needs)]
    if not complete:
        raise ImageError(_which_offer(name, image, version, serving[0], needs))
    signed = [build for build in complete if _is_signed(build, needs)]
    if not signed:
        raise ImageError(
            f"{name} {version} ({complete[0].variant}) in {catalogue.path} is not signed by a key "
            'that the site asks for ("apptainer.signed_by" in site.json): ask your admin to have '
            "it signed, and added to the catalogue again."
        )
    # A build for GPUs serves other jobs too, but one without is preferred for them.
    build = min(signed, key=lambda build: bool(build.gpu) != bool(needs.gpu))
    why = f"pinned in {pin_file.name}" if name in pinned else "the site's default"
    folder = catalogue.path.parent
    return Choice(
        name,
        version,
        build,
        folder / build.path,
        f"Image {name} {version} ({build.variant}): {why}.",
        weights=folder / build.weights if build.weights else None,
    )


def _computes(build: Build, needs: Needs) -> bool:
    kind = needs.gpu is None or build.gpu == needs.gpu
    return kind and (not build.partitions or needs.partition in build.partitions)


def _lacking(build: Build, needs: Needs) -> list[str]:
    """The programs that the job calls and the build is known not to have."""
    return [name for name in needs.programs if build.programs and name not in build.programs]


def _is_signed(build: Build, needs: Needs) -> bool:
    # Without a digest, nothing says that the signed file is the one that is there.
    known = build.sha256 and set(build.signed_by) & set(needs.signed_by)
    return not needs.signed_by or bool(known)


def _which_offer(name: str, image: Image, version: str, build: Build, needs: Needs) -> str:
    missing = _lacking(build, needs)
    offering = [
        other
        for other, builds in image.versions.items()
        if any(_computes(each, needs) and not _lacking(each, needs) for each in builds)
    ]
    way_out = (
        f"{', '.join(offering)} {'has' if len(offering) == 1 else 'have'} it: move the project "
        f"with `relion-dispatch pin {name} {offering[-1]}`, or choose another kind of job."
        if offering
        else "no version in the catalogue has it: ask your admin for one."
    )
    return (
        f"This job calls {' and '.join(missing)}, which the image {name} {version} "
        f"({build.variant}) does not offer; {way_out}"
    )
