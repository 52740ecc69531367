"""Putting an image file into the catalogue, with what it says about itself."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, NamedTuple

from ..config.catalogue import Listed, checked_catalogue
from ..config.gpu_vendors import VENDORS, GpuChoice
from ..config.json_edit import without_comments
from ..errors import ConfigError, ImageError
from .edit_catalogue import check_editable, edit, entry, put
from .inspect import ImageReport, agrees

__all__ = ["Added", "NewImage", "add", "check_name", "check_word"]


class NewImage(NamedTuple):
    """What the admin says of an image; None to take it from the image or from its entry.

    `default` makes it the default version, `replace` lets it take another file's place.
    """

    name: str = "relion"
    version: str | None = None
    variant: str | None = None
    gpu: GpuChoice | None = None
    partitions: tuple[str, ...] = ()
    weights: Path | None = None
    default: bool = False
    replace: bool = False


class Added(NamedTuple):
    """What was recorded, and the file that the catalogue had for that variant before, if any."""

    listed: Listed
    before: Path | None


def add(path: Path, facts: ImageReport, wanted: NewImage) -> Added:
    """Record the file in the site's catalogue, whose first image of a name becomes the default.

    Raises:
        ImageError: name, version or kind of GPU contradict the image, or another file is there.
        ConfigError: the catalogue does not load, or a folder with weights is missing.
        WriteError: the catalogue cannot be written.
    """
    catalogue = check_editable()
    check_name(wanted.name, facts.relion)
    version = wanted.version or facts.labels.get("relion.version") or _plain(facts.relion)
    check_word("version", version)
    if wanted.variant is not None:
        check_word("variant", wanted.variant)
    if not agrees(version, facts.relion):
        raise ImageError(
            f"{path} cannot be added as version {version}: RELION in it is {facts.relion}; give "
            "that version, or name another file."
        )
    if wanted.gpu and wanted.gpu != (facts.gpu or "none"):
        raise ImageError(
            f"{path} cannot be added with --gpu {wanted.gpu}: RELION in it was built for "
            f"{facts.gpu or 'the CPU'}; leave the option out."
        )
    if wanted.weights and not wanted.weights.is_dir():
        raise ConfigError(
            f"{wanted.weights} is not a folder: give --weights the folder that has the weights."
        )
    place = _relative(path, catalogue.parent)
    with edit() as content:
        versions = content.get(wanted.name, {}).get("versions", {})
        variant = wanted.variant or _its_variant(versions.get(version, []), place, facts)
        present = entry(content, wanted.name, version, variant)
        if present and not wanted.replace and not _is_same(present, place, facts):
            raise ImageError(
                f"{wanted.name} {version} ({variant}) is in the catalogue {catalogue} with another "
                f"file, {present['path']} (sha256 {present.get('sha256') or 'not recorded'}): give "
                "the new file its own --variant, or add it with --replace. Projects that have used "
                "the other file are then told about it."
            )
        before = catalogue.parent / present["path"] if present else None
        build = _entry(present or {}, variant, place, facts, wanted, catalogue.parent)
        put(content, wanted.name, version, build, wanted.default)
        recorded = checked_catalogue(without_comments(content), catalogue)
    (listed,) = recorded.find(wanted.name, version, variant)
    return Added(listed, before)


def check_name(name: str, version: str) -> None:
    """See that an image of RELION `version` may have that name.

    Raises:
        ImageError: the name is of another program or RELION version, or no name at all.
    """
    check_word("name", name)
    said = re.match(r"relion(?:[-_]?v?(\d[\d.]*))?(?![a-z])", name, re.IGNORECASE)
    if not said:
        raise ImageError(
            f'The image cannot be called "{name}", because it contains RELION: call it "relion", '
            'which the shipped job types ask for, or "relion-…".'
        )
    if said[1] and not agrees(said[1].strip("."), version):
        raise ImageError(
            f'The image cannot be called "{name}", because RELION in it is {version}: call it '
            '"relion", and give the version in the catalogue only.'
        )


def check_word(what: str, word: str) -> None:
    """See that a name, version or variant can be part of a file's name and be typed.

    Raises:
        ImageError: it cannot.
    """
    if not re.fullmatch(r"[A-Za-z0-9][\w.+-]*", word, re.ASCII):
        raise ImageError(
            f'"{word}" is not a valid {what} for an image: use letters, digits, ".", "+", "-" and '
            '"_", and begin with a letter or digit.'
        )


def _entry(
    present: dict[str, Any],
    variant: str,
    place: str,
    facts: ImageReport,
    wanted: NewImage,
    folder: Path,
) -> dict[str, Any]:
    """The new entry: what the admin decided before stays, unless said otherwise now."""
    weights = wanted.weights and _relative(wanted.weights, folder)
    found: dict[str, Any] = {
        "variant": variant,
        "path": place,
        "gpu": facts.gpu,
        "partitions": list(wanted.partitions) or present.get("partitions"),
        "weights": weights or present.get("weights"),
        "sha256": facts.sha256,
        "size": facts.header.size,
        "mtime": facts.header.mtime,
        "sif_id": facts.header.sif_id,
        "architecture": facts.header.architecture,
        "mpi": facts.mpi,
        "programs": list(facts.programs),
        "own_weights": list(facts.weights),
        "signed_by": list(facts.signed_by),
    }
    return {key: value for key, value in found.items() if value not in (None, [])}


def _its_variant(builds: list[dict[str, Any]], place: str, facts: ImageReport) -> str:
    """The variant under which the file is listed already, else one by what it is for."""
    for build in builds:
        if build.get("sha256") == facts.sha256 or build.get("path") == place:
            return str(build["variant"])
    kind = VENDORS[facts.gpu].variant if facts.gpu else "cpu"
    return kind + ("-gui" if facts.labels.get("relion.gui") == "yes" else "")


def _is_same(present: dict[str, Any], place: str, facts: ImageReport) -> bool:
    recorded = present.get("sha256")
    return recorded == facts.sha256 if recorded else present.get("path") == place


def _relative(path: Path, folder: Path) -> str:
    """Relative to the catalogue's folder if it is inside, so that a site can be moved."""
    file, start = (Path(os.path.normpath(each.absolute())) for each in (path, folder))
    return str(file.relative_to(start) if file.is_relative_to(start) else file)


def _plain(version: str) -> str:
    found = re.match(r"v?(\d+(?:\.\d+)*)", version)
    return found[1] if found else version
