"""The image catalogue (``images.json``), and which image serves a job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from .config_files import load, nearest, read_json
from .errors import ConfigError, ImageError

__all__ = ["Build", "Catalogue", "Choice", "Image", "choose", "load_catalogue"]


@dataclass(frozen=True, kw_only=True)
class Build:
    """One container file of an image version.

    Attributes:
        variant: what tells it from the version's other builds ("cuda", "cpu").
        path: the SIF; relative paths start at the catalogue's folder.
        sha256: the file's digest, where it is known.
        gpu: the kind of GPU it was built for; None serves jobs without a GPU.
        partitions: the only partitions it serves; empty for all.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    variant: str
    path: str
    sha256: str | None = None
    gpu: Literal["nvidia", "amd"] | None = None
    partitions: tuple[str, ...] = ()


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


class Choice(NamedTuple):
    """The image chosen for a job, with the reason; `path` is absolute."""

    name: str
    version: str
    variant: str
    path: Path
    sha256: str | None
    reason: str


def load_catalogue(path: Path) -> Catalogue:
    """Load and check ``images.json``.

    Raises:
        ConfigError: naming file, image, key and what was expected.
    """
    catalogue = load(
        Catalogue,
        {"images": read_json(path), "path": str(path)},
        str(path),
        lambda steps: f'key "{".".join(steps[1:])}"',
    )
    for name, image in catalogue.images.items():
        if image.default not in image.versions:
            raise ConfigError(
                f'{path}: image "{name}": the default version "{image.default}" is not among its '
                f"versions ({', '.join(image.versions) or 'none'})"
            )
    return catalogue


def choose(
    catalogue: Catalogue,
    name: str,
    pinned: Mapping[str, str],
    uses_gpu: bool,
    partition: str | None,
    pin_file: Path,
) -> Choice:
    """The build that serves a job: version from the project's pin or the default, then the first
    variant for its kind of computing and its partition.

    Raises:
        ImageError: no such image or version, or no variant serves the job.
    """
    image = catalogue.images.get(name)
    if image is None:
        raise ImageError(
            f'The image "{name}" is not in the catalogue {catalogue.path}'
            f"{nearest(name, list(catalogue.images))}: ask your admin to add it."
        )
    version = pinned.get(name, image.default)
    if version not in image.versions:
        raise ImageError(
            f"This project is pinned to {name} {version} ({pin_file}), which is not in the "
            f"catalogue {catalogue.path} (it has {', '.join(image.versions)}): put that version "
            f"back, or change the version in that file."
        )
    serving = [
        build
        for build in image.versions[version]
        if (build.gpu or not uses_gpu) and (not build.partitions or partition in build.partitions)
    ]
    # A build for GPUs serves other jobs too, but one without is preferred for them.
    for build in sorted(serving, key=lambda build: bool(build.gpu) != uses_gpu):
        why = f"pinned in {pin_file.name}" if name in pinned else "the site's default"
        return Choice(
            name,
            version,
            build.variant,
            catalogue.path.parent / build.path,
            build.sha256,
            f"Image {name} {version} ({build.variant}): {why}.",
        )
    raise ImageError(
        f"{name} {version} has no variant {'for GPUs' if uses_gpu else 'without GPU'}"
        f"{f' on partition {partition}' if partition else ''} in {catalogue.path}: its variants "
        f"are {', '.join(build.variant for build in image.versions[version]) or 'none'}."
    )
