"""A site to export, and an empty one to import it into."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from dispatcher.cli import main

__all__ = ["Sites", "row"]

SITE = {
    "scheduler": "slurm",
    "apptainer": {"program": "/nowhere/apptainer"},
    "partitions": {"gpu": {"cores": 64, "gpus": 4, "gpu_memory": "32G"}},
    "job_parameters": {"gpu": {"partition": "gpu"}, "submit": {"time": "12:00:00"}},
}


class Sites(NamedTuple):
    """The site `here`, its four images in the folder `store`, and an empty site `there`."""

    here: Path
    store: Path
    there: Path
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def run(self, *arguments: str | Path) -> tuple[int, str]:
        """Status and output of ``relion-dispatch``, on both streams."""
        self.capsys.readouterr()
        status = main([str(each) for each in arguments])
        captured = self.capsys.readouterr()
        return status, captured.out + captured.err

    def export(self) -> Path:
        """Export the present site; returns the file."""
        file = self.store.with_name("site.tar")
        assert self.run("site", "export", file)[0] == 0
        return file

    def go_there(self) -> Path:
        """From now on the empty site is the present one; returns its folder."""
        self.monkeypatch.setenv("RELION_DISPATCH_SITE", str(self.there))
        return self.there

    def list_build(self, **build: Any) -> None:
        """List this build as the only image."""
        catalogue = {"relion": {"default": "5.1.0", "versions": {"5.1.0": [build]}}}
        (self.here / "images.json").write_text(json.dumps(catalogue))


def row(text: str, what: str) -> str:
    """The row of the table that is about `what`."""
    (found,) = [line for line in text.splitlines() if f"  {what}  " in f"{line}  "]
    return found
