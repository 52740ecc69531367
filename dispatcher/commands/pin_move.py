"""Moving a project's pin to another version, and what its user should know of that."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from ..config.catalogue import Catalogue
from ..config.site import load_site
from ..errors import ConfigError
from ..images.known_projects import remember
from ..images.pins import PIN_FILE, Pin, move
from ..jobs.history import History, jobs_with

__all__ = ["move_pin"]


def move_pin(project: Path, name: str, version: str, catalogue: Catalogue, history: History) -> str:
    """Pin the project to that version; sentences on what changed, and on the jobs so far.

    Raises:
        NotInCatalogue: the catalogue does not have that version.
        ConfigError: the pin file is not what it should be.
        WriteError: the project's folder cannot be written.
    """
    catalogue.find(name, version)
    before = move(project, name, version)
    with suppress(ConfigError):  # of site.json: it has no say in pins
        remember(project, load_site())
    said = _what_changed(name, version, before, project / PIN_FILE)
    if before is not None:
        jobs = ", ".join(jobs_with(history.runs, name, before.version))
        old = f"{name} {before.version}"
        said.append(f"Ran with {old}: {jobs}." if jobs else f"No job here has run with {old}.")
    return "\n".join(said)


def _what_changed(name: str, version: str, before: Pin | None, file: Path) -> list[str]:
    if before is None:
        return [f"{name} is now pinned to {version} ({file})."]
    if before.version != version:
        return [f"{name} is now pinned to {version}; it was pinned to {before.version} ({file})."]
    if not before.sha256:
        return [f"{name} was already pinned to {version} ({file})."]
    return [
        f"{name} stays at {version} ({file}). relion-dispatch has removed the digests of the "
        "files used so far; the next job records the digests of the files that it finds:",
        *(f"  {variant} had {digest}" for variant, digest in before.sha256.items()),
    ]
