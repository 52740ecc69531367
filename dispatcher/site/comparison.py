"""What is equal between an exported site and the site here, and what is not."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from .. import __version__
from ..config.catalogue import load_catalogue
from ..config.places import code_digest, config_path
from ..errors import ConfigError, ImageError
from ..images.choice import ChosenImage
from .exported_images import choices, digest_now, weight_digests
from .file import ExportedImage, ExportedText, SiteFile
from .texts import shipped_texts, site_texts

__all__ = ["Row", "compare", "same_but_for_places"]

State = Literal["equal", "differs", "missing"]

_OF_THE_PLACE = ("path", "mtime", "weights")  # of a build: they may differ for the same file


class Row(NamedTuple):
    """One thing of the exported site; `note` says what is to be known of it."""

    what: str
    state: State
    note: str = ""


def compare(exported: SiteFile, apptainer: str | None) -> list[Row]:
    """Every thing of the exported site against the site here; `apptainer` is the version here.

    Raises:
        InputError: a text of the site here cannot be read.
    """
    return [
        *_software(exported, apptainer),
        *_texts("shipped", exported.shipped, shipped_texts()),
        *_texts("site's", exported.site, site_texts()),
        *_images(exported.images),
    ]


def _software(exported: SiteFile, apptainer: str | None) -> Iterator[Row]:
    if exported.dispatcher != __version__:
        yield Row("relion-dispatch", "differs", f"{__version__} here, {exported.dispatcher} there")
    elif exported.code != code_digest():
        yield Row("relion-dispatch", "differs", f"{__version__} here and there, but other code")
    else:
        yield Row("relion-dispatch", "equal", __version__)
    here, there = apptainer or "none", exported.apptainer or "none"
    if here == there:
        yield Row("Apptainer", "equal", here)
    else:
        state: State = "differs" if apptainer else "missing"
        yield Row("Apptainer", state, f"{here} here, {there} there")


def _texts(
    whose: str, there: Sequence[ExportedText], here: Sequence[ExportedText]
) -> Iterator[Row]:
    found = {text.path: text for text in here}
    for text in there:
        what = f"{whose} {text.path}"
        own = found.pop(text.path, None)
        if own is None:
            yield Row(what, "missing")
        elif own.sha256 == text.sha256:
            yield Row(what, "equal")
        elif text.path == "images.json" and same_but_for_places(text.raw, own.raw):
            yield Row(what, "equal", "but for the places and times of files")
        else:
            yield Row(what, "differs")
    for path in found:
        yield Row(f"{whose} {path}", "differs", "not in the export")


def same_but_for_places(there: bytes, here: bytes) -> bool:
    """Whether two catalogues list the same files, wherever these lie; comments aside."""
    try:
        return bool(_without_places(there) == _without_places(here))
    except ValueError:  # no JSON
        return False


def _without_places(raw: bytes) -> Any:
    """The catalogue without comments, and without what may differ for the same file."""

    def kept(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        is_build = any(key == "variant" for key, _ in pairs)
        dropped = _OF_THE_PLACE if is_build else ()
        return {key: value for key, value in pairs if key not in ("__comment__", *dropped)}

    return json.loads(raw, object_pairs_hook=kept)


def _images(images: Sequence[ExportedImage]) -> Iterator[Row]:
    try:
        catalogue = load_catalogue(config_path("images.json"))
    except ConfigError as error:
        yield from (Row(f"image {image}", "missing", str(error)) for image in images)
        return
    here = {(each.name, each.version, each.variant): each for each in choices(catalogue)}
    for image in images:
        choice = here.get((image.name, image.version, image.variant))
        if choice is None:
            yield Row(f"image {image}", "missing", "not in images.json")
            continue
        yield _image(image, choice, catalogue.path)
        if image.weights:
            yield _weights(image, choice)


def _image(image: ExportedImage, choice: ChosenImage, catalogue: Path) -> Row:
    what = f"image {image}"
    try:
        digest = digest_now(choice, catalogue).sha256
    except ImageError as error:
        return Row(what, "missing", str(error))
    if image.sha256 is None:
        return Row(what, "differs", f"the export has no digest of it: {image.problem}")
    if digest != image.sha256:
        return Row(what, "differs", f"sha256 {digest} here, {image.sha256} there")
    return Row(what, "equal", f"{choice.path}")


def _weights(image: ExportedImage, choice: ChosenImage) -> Row:
    what = f"weights of {image}"
    if choice.weights is None or not choice.weights.is_dir():
        return Row(what, "missing", f"{choice.weights or 'not in images.json'}")
    try:
        here = weight_digests(choice.weights)
    except ImageError as error:
        return Row(what, "missing", str(error))
    changed = sorted(name for name, _ in here.items() ^ image.weight_files.items())
    if changed:
        return Row(what, "differs", f"{choice.weights}: {', '.join(dict.fromkeys(changed))}")
    return Row(what, "equal", str(choice.weights))
