"""A site to export, and an empty one to import it into."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dispatcher.cli import main

from ..sif_file import write_sif

SITE = {
    "scheduler": "slurm",
    "apptainer": {"program": "/nowhere/apptainer"},
    "partitions": {"gpu": {"cores": 64, "gpus": 4, "gpu_memory": "32G"}},
    "job_parameters": {"gpu": {"partition": "gpu"}, "submit": {"time": "12:00:00"}},
}


@pytest.fixture(name="store")
def a_store(tmp_path: Path, site: Callable[..., Path]) -> Path:
    """A site with four images in a folder of their own; returns that folder."""
    folder = tmp_path / "store"
    folder.mkdir()
    versions: dict[str, list[dict[str, Any]]] = {}
    for version in ("5.1.0", "3.1.3"):
        for variant, gpu in (("cuda", "nvidia"), ("cpu", None)):
            path = folder / f"relion-{version}-{variant}.sif"
            write_sif(path, content=path.name.encode())
            raw, mtime = path.read_bytes(), path.stat().st_mtime_ns
            entry = {"variant": variant, "path": str(path), "gpu": gpu, "mtime": mtime}
            entry |= {"sha256": hashlib.sha256(raw).hexdigest(), "size": len(raw)}
            versions.setdefault(version, []).append(entry)
    text = json.dumps({"relion": {"default": "5.1.0", "versions": versions}}, indent=1)
    site("images.json", '{"__comment__": "ours", "__comment__": "for all",' + text[1:])
    site("site.json", SITE)
    return folder


@pytest.fixture(name="export")
def exporting(tmp_path: Path) -> Callable[[], Path]:
    """Export the site: ``export()`` returns the file."""

    def write() -> Path:
        file = tmp_path / "site.tar"
        assert main(["site", "export", str(file)]) == 0
        return file

    return write


@pytest.fixture(name="elsewhere")
def going_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Path]:
    """Go to another, empty site: ``elsewhere()`` returns its folder."""

    def go() -> Path:
        folder = tmp_path / "elsewhere"
        folder.mkdir()
        monkeypatch.setenv("RELION_DISPATCH_SITE", str(folder))
        return folder

    return go


Text = Callable[[], str]


@pytest.fixture(name="printed")
def what_is_printed(capsys: pytest.CaptureFixture[str]) -> Text:
    """What was printed since the last call, on both streams."""

    def read() -> str:
        captured = capsys.readouterr()
        return captured.out + captured.err

    return read


def row(text: str, what: str) -> str:
    """The row of the table that is about `what`."""
    (found,) = [line for line in text.splitlines() if f"  {what}  " in f"{line}  "]
    return found
