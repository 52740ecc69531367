"""A site and a RELION project in temporary folders, filled with scripts that real RELION wrote."""

from __future__ import annotations

import json
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from dispatcher.config.gpu_vendors import VENDORS
from dispatcher.config.site import Partition
from dispatcher.planning import make_plan

from .corpus import copy_job, fill_project
from .fixture_types import CorpusJob, LoginNode, WriteSite
from .sif_file import write_sif
from .ssh_server import SshServer

# A machine that is busy is no fault of what is tested.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

# nohup, or a shell that runs the tests in its background, has them ignore these signals, and
# programs inherit what is ignored. A program that starts has no handler of ours.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, lambda *_: None)


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache for all tests: what it holds is keyed by content."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def own_folders(tmp_path: Path, shared_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the cache or the site of whoever runs it, or counts its GPUs.

    In the test's own process nothing is known of this machine: plans must not depend on it.
    """
    monkeypatch.setenv("XDG_CACHE_HOME", str(shared_cache))
    monkeypatch.setenv("XDG_STATE_HOME", str(shared_cache / "state"))
    monkeypatch.setenv("RELION_DISPATCH_RUNTIME", str(tmp_path / "runtime"))
    monkeypatch.setenv("RELION_DISPATCH_SITE", str(tmp_path / "site"))
    (tmp_path / "site").mkdir()
    without_driver = VENDORS["nvidia"]._replace(cards=tmp_path / "no driver")
    monkeypatch.setitem(VENDORS, "nvidia", without_driver)
    monkeypatch.setattr(make_plan, "this_machine", lambda vendor: Partition())


@pytest.fixture
def site(tmp_path: Path) -> WriteSite:
    """Write one of the site's files: ``site("site.json", {...})``; returns its path."""

    def write(name: str, content: dict[str, Any] | str) -> Path:
        path = tmp_path / "site" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return write


@pytest.fixture
def images(site: WriteSite, tmp_path: Path) -> Path:
    """A catalogue with a GPU and a CPU build of relion 5.1.0 and 3.1.3 (not to be started)."""
    versions = {}
    for version in ("5.1.0", "3.1.3"):
        versions[version] = [
            {"variant": "cuda", "path": f"relion-{version}-cuda.sif", "gpu": "nvidia"},
            {"variant": "cpu", "path": f"relion-{version}-cpu.sif"},
        ]
        for build in versions[version]:
            write_sif(tmp_path / "site" / build["path"])
    return site("images.json", {"relion": {"default": "5.1.0", "versions": versions}})


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project folder with the input files that the corpus names (box size 256)."""
    folder = tmp_path / "project"
    fill_project(folder)
    return folder


@pytest.fixture
def corpus_job(project: Path) -> CorpusJob:
    """Copy a corpus job into the project: ``corpus_job("relion-5.0.1/Refine3D_job011")``."""
    return lambda name: copy_job(name, project)


@pytest.fixture
def login_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoginNode]:
    """Start an sshd that plays a login node: ``login_node("/bin/tcsh", SBATCH_QOS="high")``."""
    started: list[SshServer] = []

    def start(shell: str = "", **variables: str) -> SshServer:
        started.append(SshServer(tmp_path / f"login{len(started) + 1}", shell, **variables))
        return started[-1]

    # Paths of sockets are short.
    with tempfile.TemporaryDirectory(prefix="rd-") as runtime:
        monkeypatch.setenv("RELION_DISPATCH_RUNTIME", runtime)
        yield start
        for server in started:
            server.stop()
