"""Record what made a job's result beside its plan: versions, configuration, inputs, by digest."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from .. import __version__
from ..config.places import (
    code_digest,
    config_path,
    files_in,
    scheduler_folders,
    shipped_folder,
    template_folders,
)
from ..errors import ImageError
from ..host.kept_data import keep, kept
from ..host.programs import which
from ..host.shared_files import opened_input
from ..images.apptainer import version
from ..planning.plan import Plan

__all__ = ["provenance"]

LARGEST_HASHED = 4 << 20  # bytes; larger inputs are known by their size and time


def provenance(plan: Plan, apptainer: str) -> dict[str, Any]:
    """``versions``, ``configuration`` and ``inputs`` of the plan's record.

    The configuration has an entry for each file, its path and sha256, and one for all templates
    together. Inputs are the words of the commands that name files: path, size (bytes), mtime
    (nanoseconds since 1970), and sha256 for files up to 4 MiB, None for larger ones. `apptainer` is
    the program.
    """
    return {
        "versions": {
            "relion-dispatch": __version__,
            "code": code_digest(),
            "apptainer": _apptainer_version(apptainer),
        },
        "configuration": dict(_configuration()),
        "inputs": list(_inputs(plan)),
    }


def _configuration() -> Iterator[tuple[str, dict[str, str]]]:
    for name in ("site.json", "dispatch_config.json", "images.json"):
        path = config_path(name)
        yield name, {"path": str(path), "sha256": _digest(path.read_bytes())}
    shipped = shipped_folder() / "config" / "site.json"
    yield "site.json as shipped", {"path": str(shipped), "sha256": _digest(shipped.read_bytes())}
    folders = scheduler_folders()
    files = [path for folder in folders for path in files_in(folder, ".json")]
    texts = [f"{path.name} {_digest(path.read_bytes())}\n" for path in files]
    yield "schedulers", {"path": str(folders[-1]), "sha256": _digest("".join(texts).encode())}
    templates: dict[str, Path] = {}
    for folder in reversed(template_folders()):
        found = files_in(folder, ".sh.j2", ".sh", below=True)
        templates.update((str(path.relative_to(folder)), path) for path in found)
    texts = [f"{name} {_digest(path.read_bytes())}\n" for name, path in sorted(templates.items())]
    folder = template_folders()[0]
    yield "job_template", {"path": str(folder), "sha256": _digest("".join(texts).encode())}


def _inputs(plan: Plan) -> Iterator[dict[str, Any]]:
    words = [word for planned in plan.commands for word in planned.command.argv[1:]]
    # RELION names some inputs with a column or a weight behind (``a.star:rlnX``): not these.
    for word in dict.fromkeys(words):
        if not word:
            continue
        try:
            with opened_input(plan.project / word) as stream:
                found = os.fstat(stream.fileno())
                small = found.st_size <= LARGEST_HASHED
                digest = _digest(stream.read(LARGEST_HASHED)) if small else None
        except (OSError, ValueError):
            continue  # not ours to judge: RELION says it when it cannot read its input
        yield {"path": word, "size": found.st_size, "mtime": found.st_mtime_ns, "sha256": digest}


def _apptainer_version(program: str) -> str | None:
    """The version of the Apptainer on this machine; None if nobody can tell it."""
    path, name = which(program), ""
    if not path:
        return None
    with suppress(OSError):  # not to be seen from here: ask the program itself
        found = Path(path).stat()
        state = json.dumps([path, found.st_ino, found.st_size, found.st_mtime_ns])
        name = f"apptainer-{_digest(state.encode())}"
        if answered := kept("digests", name):
            return answered.decode(errors="replace")
    try:
        answer = version(path, timeout=10)
    except ImageError:  # the job does not depend on it
        return None
    if name:
        keep("digests", name, answer.encode())
    return answer


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
