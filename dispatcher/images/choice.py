"""The image catalogue (``images.json``), and which image serves a job."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from ..config.catalogue import Catalogue, Image, ImageFile
from ..config.gpu_vendors import VENDORS
from ..config.json_files import nearest
from ..errors import ImageError

__all__ = ["ChosenImage", "Needs", "choose", "version_of"]


class Needs(NamedTuple):
    """What a job asks of its image.

    Attributes:
        gpu: the maker of the GPUs it uses, by its name in the table; None for none.
        partition: where it runs.
        programs: RELION's programs that it calls, by name.
        signed_by: the site's policy: fingerprints, one of which must have signed the file; empty
            where the site asks for none.
    """

    gpu: str | None = None
    partition: str | None = None
    programs: tuple[str, ...] = ()
    signed_by: tuple[str, ...] = ()


class ChosenImage(NamedTuple):
    """The image chosen for a job, with the reason; `path` is absolute.

    `sha256`, `sif_id` and `size` (bytes) are the file's own, once `images.integrity` has
    looked at it.
    """

    name: str
    version: str
    build: ImageFile
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


def version_of(catalogue: Catalogue, name: str, pinned: Mapping[str, str]) -> str | None:
    """The version that a job gets: the project's pin, else the default; None for no such image."""
    image = catalogue.images.get(name)
    return pinned.get(name, image.default) if image else None


def choose(
    catalogue: Catalogue, name: str, pinned: Mapping[str, str], needs: Needs, pin_file: Path
) -> ChosenImage:
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
        what = f"for {VENDORS[needs.gpu].title} GPUs" if needs.gpu else "without GPU"
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
    return ChosenImage(
        name,
        version,
        build,
        folder / build.path,
        f"Image {name} {version} ({build.variant}): {why}.",
        weights=folder / build.weights if build.weights else None,
    )


def _computes(build: ImageFile, needs: Needs) -> bool:
    kind = needs.gpu is None or build.gpu == needs.gpu
    return kind and (not build.partitions or needs.partition in build.partitions)


def _lacking(build: ImageFile, needs: Needs) -> list[str]:
    """The programs that the job calls and the build is known not to have."""
    return [name for name in needs.programs if build.programs and name not in build.programs]


def _is_signed(build: ImageFile, needs: Needs) -> bool:
    # Without a digest, nothing says that the signed file is the one that is there.
    known = build.sha256 and set(build.signed_by) & set(needs.signed_by)
    return not needs.signed_by or bool(known)


def _which_offer(name: str, image: Image, version: str, build: ImageFile, needs: Needs) -> str:
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
