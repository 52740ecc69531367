"""The image catalogue, ``images.json``: which container files are which version of an image?"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from ..errors import ConfigError, NotInCatalogue
from .gpu_vendors import GpuName
from .json_files import load, nearest, read_json, strict
from .places import changed_in, shipped_folder

__all__ = ["Catalogue", "Image", "ImageFile", "Listed", "checked_catalogue", "load_catalogue"]

# No line breaks, zero bytes or halves of characters: no path can have them.
_PRINTABLE = re.compile("[^\x00-\x1f\x7f\ud800-\udfff]+")


class _Header(Protocol):
    """What a look at a file tells, see :class:`dispatcher.images.sif.SifHeader`."""

    @property
    def sif_id(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def mtime(self) -> int: ...


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
        programs: RELION's programs in it, and mpirun; empty if that is not known.
        own_weights: the folders of networks' weights in the image itself.
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
    own_weights: tuple[str, ...] = ()
    signed_by: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.sha256 is not None and not re.fullmatch("[0-9a-f]{64}", self.sha256):
            raise ValueError(f"a sha256 must have 64 digits (0-9 and a-f); found {self.sha256!r}")
        for key in ("variant", "path", "weights"):
            value = getattr(self, key)
            if value is not None and not _PRINTABLE.fullmatch(value):
                raise ValueError(f"{key} is empty or contains control characters ({value!r})")

    def matches(self, header: _Header) -> bool:
        """Whether size and SIF id are those that were recorded."""
        return (header.sif_id, header.size) == (self.sif_id, self.size)

    def is_unchanged(self, header: _Header) -> bool:
        """Whether the file counts as the one whose digest was recorded, without hashing it."""
        return bool(self.sha256) and self.matches(header) and header.mtime == self.mtime

    def is_signed(self, by: Collection[str]) -> bool:
        """Whether a site that asks for a signature by one of these keys takes the file.

        `by` are fingerprints; a site that names none takes any file. A signature counts for a
        recorded digest alone: without one, nothing says that the signed file is the one there now.
        """
        return not by or bool(self.sha256 and set(self.signed_by) & set(by))


@strict
class Image:
    """All versions of one image.

    Attributes:
        default: the version that new projects get.
        versions: by their names, the container files of each.
    """

    default: str
    versions: dict[str, list[ImageFile]]


class Listed(NamedTuple):
    """A file of the catalogue and its place there; the paths of file and weights are absolute."""

    name: str
    version: str
    build: ImageFile
    path: Path
    weights: Path | None
    is_default: bool

    def __str__(self) -> str:
        return f"{self.name} {self.version} ({self.build.variant})"


@strict
class Catalogue:
    """All images by name, and the file they were read from."""

    images: dict[str, Image]
    path: Path

    @property
    def place(self) -> str:
        """The file as it is named to people: the shipped one is empty, and is never filled."""
        shipped = self.path == shipped_folder() / "config" / "images.json"
        return changed_in("images.json") if shipped else str(self.path)

    def builds(self) -> Iterator[Listed]:
        """Every file of every version of every image, in the catalogue's order."""
        folder = self.path.parent
        for name, image in self.images.items():
            for version, builds in image.versions.items():
                for build in builds:
                    weights = folder / build.weights if build.weights else None
                    is_default = version == image.default
                    yield Listed(name, version, build, folder / build.path, weights, is_default)

    def find(
        self, name: str, version: str | None = None, variant: str | None = None, *, then: str = ""
    ) -> list[Listed]:
        """The files of an image, of one of its versions, or of one variant of that version.

        `then` ends the error's sentence: what the caller's user has to do next.

        Raises:
            NotInCatalogue: there is no such image, version or variant; naming the nearest.
        """
        if name not in self.images:
            raise self._missing(f'The image "{name}"', name, "", self.images, then)
        versions = self.images[name].versions
        if version is not None and version not in versions:
            raise self._missing(f"{name} {version}", version, f"{name} ", versions, then)
        found = [
            each
            for each in self.builds()
            if each.name == name
            and version in (None, each.version)
            and variant in (None, each.build.variant)
        ]
        if variant and version and not found:
            known = [build.variant for build in versions[version]]
            what, kin = f"{name} {version} ({variant})", f"{name} {version} as "
            raise self._missing(what, variant, kin, known, then)
        return found

    def _missing(
        self, what: str, word: str, kin: str, known: Iterable[str], then: str
    ) -> NotInCatalogue:
        """The error; `kin` comes before the `known` words, one of which may be the word meant."""
        known = list(known)
        has = f"it has {kin}{', '.join(known)}" if known else "there is none yet"
        near = nearest(word, known) or "."
        then = then or (
            "Name an image that is in the catalogue, or add this one (`relion-dispatch "
            "images add`)."
        )
        return NotInCatalogue(f"{what} is not in the catalogue {self.place} ({has}){near} {then}")


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
                f"{path}: {odd[0]!r} is not a name or version: it is empty or contains control "
                "characters."
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
                    "its own variant."
                )
    return catalogue
