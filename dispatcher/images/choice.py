"""Which image of the catalogue serves a job?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from ..config.catalogue import Catalogue, ImageFile, Listed
from ..config.gpu_vendors import VENDORS
from ..errors import ImageError
from ..units import whole_number

__all__ = ["ChosenImage", "Needs", "choose", "version_of"]


class Needs(NamedTuple):
    """What a job asks of its image.

    Attributes:
        gpu: the maker of the GPUs it uses, by its name in the table; None for none.
        partition: where it runs.
        programs: RELION's programs that it calls, by name.
        signed_by: the site's policy: fingerprints, one of which must have signed the file; empty
            if the site asks for no signature.
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

    @classmethod
    def of(cls, listed: Listed, reason: str = "") -> ChosenImage:
        """A file of the catalogue as the chosen one."""
        name, version, build, path, weights, _ = listed
        return cls(name, version, build, path, reason, weights)


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
        NotInCatalogue: there is no such image or version.
        ImageError: no variant serves the job.
    """
    version = version_of(catalogue, name, pinned)
    then = "Ask your admin to add it."
    if name in pinned:
        then = (
            f"This project is pinned to {name} {version or pinned[name]} ({pin_file}): ask your "
            "admin to put that version back, or move the project to another version with "
            f"`relion-dispatch pin {name} VERSION`."
        )
    builds = catalogue.find(name, version, then=then)
    serving = [each for each in builds if _computes(each.build, needs)]
    if not serving:
        what = f"for {VENDORS[needs.gpu].title} GPUs" if needs.gpu else "without GPU"
        raise ImageError(
            f"{name} {version} has no variant {what}"
            f"{f' on partition {needs.partition}' if needs.partition else ''} in {catalogue.path}: "
            f"its variants are {', '.join(each.build.variant for each in builds) or 'none'}. Add "
            "such a variant, or ask your admin to add one (`relion-dispatch images add`)."
        )
    complete = [each for each in serving if not _lacking(each.build, needs)]
    if not complete:
        raise ImageError(_which_offer(serving[0], catalogue.find(name), needs))
    signed = [each for each in complete if each.build.is_signed(needs.signed_by)]
    if not signed:
        raise ImageError(
            f"{complete[0]} in {catalogue.path} is not signed by a key that the site asks for "
            '("apptainer.signed_by" in site.json): ask your admin to have the image signed, and to '
            "add the signed image to the catalogue again."
        )
    # A build for GPUs serves other jobs too, but one without is preferred for them.
    found = min(signed, key=lambda each: bool(each.build.gpu) != bool(needs.gpu))
    why = f"pinned in {pin_file.name}" if name in pinned else "the site's default"
    return ChosenImage.of(found, f"Image {found}: {why}.")


def _computes(build: ImageFile, needs: Needs) -> bool:
    kind = needs.gpu is None or build.gpu == needs.gpu
    return kind and (not build.partitions or needs.partition in build.partitions)


def _lacking(build: ImageFile, needs: Needs) -> list[str]:
    """The programs that the job calls and the build is known not to have."""
    return [name for name in needs.programs if build.programs and name not in build.programs]


def _which_offer(lacking: Listed, others: list[Listed], needs: Needs) -> str:
    """The sentence for a version without a program: which versions are known to have it.

    A file whose programs nobody has recorded may be tried where it is asked for, but is no advice.
    """
    missing = _lacking(lacking.build, needs)
    it = "it" if len(missing) == 1 else "them"
    offering = [
        each.version
        for each in others
        if each.build.programs
        and _computes(each.build, needs)
        and each.build.is_signed(needs.signed_by)
        and not _lacking(each.build, needs)
    ]
    versions = list(dict.fromkeys(offering))
    newest = max(versions, key=_numbers, default="")
    way_out = (
        f"{', '.join(versions)} {'offers' if len(versions) == 1 else 'offer'} {it}: move the "
        f"project to another version with `relion-dispatch pin {lacking.name} {newest}`, or choose "
        "another kind of job."
        if versions
        else f"no version in the catalogue is known to offer {it}: ask your admin for a version "
        "that does."
    )
    return (
        f"This job calls {' and '.join(missing)}, which the image {lacking} does not offer; "
        f"{way_out}"
    )


def _numbers(version: str) -> list[int]:
    return [whole_number(number) or 0 for number in re.findall("[0-9]+", version)]
