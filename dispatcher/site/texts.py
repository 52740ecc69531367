"""Which texts make a site and its dispatcher: configuration, templates, image definitions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..config.places import shipped_folder, site_folder
from .file import ExportedText

__all__ = ["left_out", "shipped_texts", "site_texts"]

_SITE = (
    "site.json",
    "dispatch_config.json",
    "images.json",
    "endings.json",
    "schedulers",
    "job_template",
    "containers",
)
_SHIPPED = ("config", "job_template", "containers", "deploy/relion_client.sh")


def site_texts() -> list[ExportedText]:
    """The site's own files.

    Raises:
        InputError: one of them cannot be read, or is no text where it should be.
    """
    return list(_texts(site_folder(), _SITE))


def shipped_texts() -> list[ExportedText]:
    """The files that come with the dispatcher.

    Raises:
        InputError: one of them cannot be read.
    """
    return list(_texts(shipped_folder(), _SHIPPED))


def left_out() -> list[str]:
    """What else is in the site's folder: its entries with files that are none of a site's texts,
    and links to nothing where texts are looked for."""
    folder = site_folder()
    taken = {path for name in _SITE for path in _files(folder / name)}
    others = (path.relative_to(folder) for path in _files(folder) if path not in taken)
    dangling = (
        f"{path.relative_to(folder)} (a link to {path.readlink()}, which is not there)"
        for name in _SITE
        for path in (folder / name).rglob("*")
        if path.is_symlink() and not path.exists()
    )
    return sorted({*(path.parts[0] for path in others), *dangling})


def _texts(folder: Path, names: tuple[str, ...]) -> Iterator[ExportedText]:
    for name in names:
        for path in _files(folder / name):
            yield ExportedText.of(str(path.relative_to(folder)), path)


def _files(path: Path) -> list[Path]:
    """The files at or below `path`: no images, no locks, nothing hidden."""
    found = sorted(path.rglob("*")) if path.is_dir() else [path]
    return [
        each
        for each in found
        if each.is_file()
        and each.suffix not in (".sif", ".lock", ".pyc")
        and not any(part.startswith(".") for part in each.relative_to(path.parent).parts)
    ]
