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

__all__ = ["WINDOW", "ChosenImage", "Needs", "choose", "version_of"]

WINDOW = "relion"  # the program that opens RELION's window; only images with "-gui" have it


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
    """The image chosen for a job, with the reason, and its clause `why`; `path` is absolute.

    `sha256`, `sif_id` and `size` (bytes) are the file's own, once `images.integrity` has
    looked at it. `of_this_job`: the version was chosen for this job alone, and pins nothing.
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
    of_this_job: bool = False
    why: str = ""

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
    catalogue: Catalogue,
    name: str,
    pinned: Mapping[str, str],
    needs: Needs,
    pin_file: Path | None,
) -> ChosenImage:
    """The build that serves a job: version from the project's pin or the default, then the first
    variant that has what the job needs. Without a `pin_file` RELION's window has the version.

    Raises:
        NotInCatalogue: there is no such image or version.
        ImageError: no variant serves the job.
    """
    version = version_of(catalogue, name, pinned)
    then = "Ask your admin to add it (`relion-dispatch images add`)."
    if pin_file is None:
        then = "Choose another version in RELION's window."
    elif name in pinned:
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
            f"{f' on partition {needs.partition}' if needs.partition else ''} in "
            f"{catalogue.place}: its variants are "
            f"{', '.join(each.build.variant for each in builds) or 'none'}. Add such a variant, or "
            "ask your admin to add one (`relion-dispatch images add`)."
        )
    complete = [each for each in serving if not _lacking(each.build, needs)]
    if not complete:
        versions = _versions_that_offer(serving[0], catalogue.find(name), needs)
        if needs.programs == (WINDOW,):
            raise ImageError(_no_window(serving[0], versions, pin_file if name in pinned else None))
        raise ImageError(_which_offer(serving[0], versions, needs))
    signed = [each for each in complete if each.build.is_signed(needs.signed_by)]
    if not signed:
        raise ImageError(
            f"{complete[0]} in {catalogue.place} is not signed by a key that the site asks for "
            '("apptainer.signed_by" in site.json): ask your admin to have the image signed, and to '
            "add the signed image to the catalogue again."
        )
    # A build for GPUs serves other jobs too, but one without is preferred for them.
    found = min(signed, key=lambda each: bool(each.build.gpu) != bool(needs.gpu))
    why = f"pinned in {pin_file.name}" if pin_file and name in pinned else "the site's default"
    if pin_file is None:
        why = "RELION's window, for this job alone"
    chosen = ChosenImage.of(found, f"Image {found}: {why}.")
    return chosen._replace(of_this_job=pin_file is None, why=why)


def _computes(build: ImageFile, needs: Needs) -> bool:
    kind = needs.gpu is None or build.gpu == needs.gpu
    return kind and (not build.partitions or needs.partition in build.partitions)


def _lacking(build: ImageFile, needs: Needs) -> list[str]:
    """The programs that the job calls and the build is known not to have."""
    return [name for name in needs.programs if build.programs and name not in build.programs]


def _versions_that_offer(lacking: Listed, others: list[Listed], needs: Needs) -> list[str]:
    """The versions that are known to have what `lacking` has not.

    A file whose programs nobody has recorded may be tried where it is asked for, but is no advice.
    """
    offering = [
        each.version
        for each in others
        if each.build.programs
        and _computes(each.build, needs)
        and each.build.is_signed(needs.signed_by)
        and not _lacking(each.build, needs)
    ]
    return list(dict.fromkeys(offering))


def _which_offer(lacking: Listed, versions: list[str], needs: Needs) -> str:
    """The sentence for a version without a program."""
    missing = _lacking(lacking.build, needs)
    it = "it" if len(missing) == 1 else "them"
    way_out = (
        f"{', '.join(versions)} {'offers' if len(versions) == 1 else 'offer'} {it}: move the "
        f"project to another version with `relion-dispatch pin {lacking.name} {_newest(versions)}"
        "`, or choose another kind of job."
        if versions
        else f"no version in the catalogue is known to offer {it}: ask your admin for a version "
        "that does."
    )
    return (
        f"This job calls {' and '.join(missing)}, which the image {lacking} does not offer; "
        f"{way_out}"
    )


def _no_window(lacking: Listed, versions: list[str], pin_file: Path | None) -> str:
    """The sentence for a version without RELION's window: the project keeps its version."""
    name, version, variant = lacking.name, lacking.version, lacking.build.variant
    why = f"this project is pinned to {name} {version} ({pin_file})"
    if pin_file is None:
        why = f"{name} {version} is the site's default"
    other = (
        f" {', '.join(versions)} {'has' if len(versions) == 1 else 'have'} the window: if the "
        "project may move to another version of RELION, type "
        f"`relion-dispatch pin {name} {_newest(versions)}`."
    )
    return (
        f"RELION's window is not in the image {lacking}, and {why}: ask your admin for that "
        f"version with the window (`relion-dispatch images build {name} {version} --variant "
        f"{variant}-gui`).{other if versions else ''}"
    )


def _newest(versions: list[str]) -> str:
    return max(versions, key=_numbers, default="")


def _numbers(version: str) -> list[int]:
    return [whole_number(number) or 0 for number in re.findall("[0-9]+", version)]
