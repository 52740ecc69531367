"""Jobs that the real hook dispatched, for the tests of ``relion-dispatch reproduce``."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dispatcher import cli

OPTIMISER = "data_optimiser_general\n\n_rlnOutputRootName x/run\n_rlnRandomSeed {}\n"


class Ran:
    """A job that was dispatched, and its stand-in results."""

    def __init__(self, project: Path, name: str, tmp_path: Path) -> None:
        self.project, self.name, self.tmp_path = project, name, tmp_path
        self.folder = project / name

    @property
    def record(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / "dispatch.json").read_text()))

    def change_record(self, **changes: Any) -> None:
        (self.folder / "dispatch.json").write_text(json.dumps(self.record | changes))

    def reproduce(self, *options: str | Path) -> subprocess.CompletedProcess[str]:
        """``relion-dispatch reproduce JOB`` in the project's folder."""
        return subprocess.run(
            [sys.executable, "-m", "dispatcher", "reproduce", self.name, *options],
            cwd=self.project,
            env={**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[1])},
            capture_output=True,
            text=True,
        )

    def script(self, *options: str | Path) -> Path:
        path = self.tmp_path / "again.sh"
        path.unlink(missing_ok=True)
        done = self.reproduce("--write", path, *options)
        assert done.returncode == 0, done.stderr
        assert os.access(path, os.X_OK)
        return path

    def refusal(self, *options: str | Path) -> str:
        done = self.reproduce(*options)
        assert done.returncode == 1
        assert done.stdout == ""
        assert done.stderr.startswith("relion-dispatch: ")
        assert "Traceback" not in done.stderr
        return done.stderr


Dispatched = Callable[..., Ran]
Started = Callable[..., list[list[str]]]


def stopped(script: Path) -> str:
    """What the script says when it stops before it starts a container."""
    path = {"PATH": f"{script.parent}/programs:/usr/bin:/bin", "STARTED": "/dev/full"}
    done = subprocess.run(["bash", script], env=path, capture_output=True, text=True)
    assert done.returncode != 0
    return done.stderr


def mounts(argv: list[str]) -> list[tuple[str, str, str]]:
    """Source, destination and "ro" (or "") of each folder that a container sees."""
    texts = [word.removeprefix("--mount=") for word in argv if word.startswith("--mount=")]
    found = []
    for kind, source, destination, *ro in csv.reader(texts, strict=True):
        assert kind == "type=bind"
        folder, seen_at = source.removeprefix("source="), destination.removeprefix("destination=")
        found.append((folder, seen_at, "".join(ro)))
    return found


def options(argv: list[str], *names: str) -> list[str]:
    return [argv[argv.index(name) + 1] for name in names]
