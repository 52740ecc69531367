"""Are the catalogue's image files what they were when they were added?"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from ..config.catalogue import Listed
from ..config.site import Site
from ..errors import DispatchError, ImageError
from . import apptainer
from .edit_catalogue import edit, entry
from .integrity import sha256_of
from .sif import read_header

__all__ = ["Verified", "at_a_glance", "verify"]


class Verified(NamedTuple):
    """What is wrong with a file, None if nothing is; and what else is to be said of it."""

    image: Listed
    problem: str | None = None
    note: str | None = None

    def __str__(self) -> str:
        note = f" ({self.note})" if self.note else ""
        return f"{self.image}: {self.problem or f'in order{note}'}"


def at_a_glance(image: Listed) -> str:
    """The file's state by its size, time and header, without reading the whole of it.

    "present", "missing", "damaged" (cut short, not readable or no SIF), "changed", "touched"
    (only its time differs), or "not recorded" if there is nothing to compare it with.
    """
    try:
        header = read_header(image.path)
    except ImageError:
        return "damaged" if os.path.lexists(image.path) else "missing"
    build = image.build
    if build.sha256 is None or build.sif_id is None:
        return "not recorded"
    if not build.matches(header):
        return "changed"
    return "present" if build.is_unchanged(header) else "touched"


def verify(
    images: Iterable[Listed], site: Site, progress: Callable[[Listed, int], None] | None = None
) -> Iterator[Verified]:
    """Read each file whole, and check its signature if one is recorded.

    What was not recorded yet, and a time that has changed, is recorded now. `progress` is told how
    many bytes of a file have been read so far.
    """
    for image in images:
        try:
            yield _compare(image, site, progress)
        except ImageError as error:
            yield Verified(image, str(error))


def _compare(image: Listed, site: Site, progress: Callable[[Listed, int], None] | None) -> Verified:
    build = image.build
    header = read_header(image.path)
    so_far = 0

    def more(count: int) -> None:
        nonlocal so_far
        so_far += count
        if progress:
            progress(image, so_far)

    digest = sha256_of(image.path, more)
    if build.sha256 and digest != build.sha256:
        return Verified(
            image,
            f"the sha256 of {image.path} is {digest}, and the catalogue has {build.sha256}: put "
            "back the file that was added, or add this file as another variant or version.",
        )
    if build.signed_by:
        signers = apptainer.signers(site.apptainer.program, image.path)
        if missing := sorted(set(build.signed_by) - set(signers)):
            return Verified(
                image,
                f"{image.path} is recorded as signed by {', '.join(missing)}, but Apptainer does "
                "not confirm this: import that key (`apptainer key import`), or have the image "
                "signed again.",
            )
    state = {"sha256": digest, "size": header.size, "mtime": header.mtime, "sif_id": header.sif_id}
    as_recorded = all(getattr(build, key) == value for key, value in state.items())
    note = None if as_recorded else _record(image, state)
    if not replace(build, sha256=digest).is_signed(site.apptainer.signed_by):
        return Verified(
            image,
            f"its file is in order{f' ({note})' if note else ''}, but jobs are refused this "
            'image: no key in site.json ("apptainer.signed_by") is recorded to have signed it. '
            "Have the file signed, and add the file again.",
        )
    return Verified(image, note=note)


def _record(image: Listed, state: dict[str, Any]) -> str:
    """Write what was found of a file into its entry; what came of it, in words."""
    build = image.build
    what = "its size and time" if build.sha256 else f"its sha256, {state['sha256']}"
    try:
        with edit() as content:
            found = entry(content, image.name, image.version, build.variant)
            # While large files are read, another admin may have replaced the entry.
            if not found or (found["path"], found.get("sha256")) != (build.path, build.sha256):
                return "its entry in the catalogue was changed meanwhile"
            found.update(state)
    except DispatchError as error:
        return f"{what} could not be recorded: {error}"
    return f"recorded {what}"
