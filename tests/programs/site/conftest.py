"""A site to check; one to export, and an empty one to import it into."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from ...sif_file import write_sif
from .checked_site import install_apptainer
from .exported_site import SITE, Sites
from .trial_site import SBATCH, SINFO


@pytest.fixture
def sites(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Sites:
    sites = Sites(
        tmp_path / "site", tmp_path / "store", tmp_path / "elsewhere", monkeypatch, capsys
    )
    sites.store.mkdir()
    sites.there.mkdir()
    versions: dict[str, list[dict[str, Any]]] = {}
    for version in ("5.1.0", "3.1.3"):
        for variant, gpu in (("cuda", "nvidia"), ("cpu", None)):
            path = sites.store / f"relion-{version}-{variant}.sif"
            write_sif(path, content=path.name.encode())
            raw, mtime = path.read_bytes(), path.stat().st_mtime_ns
            entry = {"variant": variant, "path": str(path), "gpu": gpu, "mtime": mtime}
            entry |= {"sha256": hashlib.sha256(raw).hexdigest(), "size": len(raw)}
            versions.setdefault(version, []).append(entry)
    text = json.dumps({"relion": {"default": "5.1.0", "versions": versions}}, indent=1)
    comments = '{"__comment__": "ours", "__comment__": "for all",'
    (sites.here / "images.json").write_text(comments + text[1:])
    (sites.here / "site.json").write_text(json.dumps(SITE))
    return sites


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which Apptainer is installed (a stand-in that starts nothing)."""
    (tmp_path / "bin").mkdir()
    install_apptainer(tmp_path, "apptainer version 1.4.5")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")


@pytest.fixture
def scheduler(programs: None, tmp_path: Path) -> Path:
    """A folder on PATH with the stand-ins, and the file `asked`."""
    for name, text in (("sbatch", SBATCH), ("sinfo", SINFO)):
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    return tmp_path / "bin"
