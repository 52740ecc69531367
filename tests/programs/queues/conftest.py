"""A cluster of each kind, and a job that goes there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ...fixture_types import CorpusJob, WriteSite
from .cluster import Cluster, running_in_pipeline


@pytest.fixture(params=["pbs", "lsf"])
def cluster(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Cluster]:
    """A stand-in for a scheduler, whose commands are found."""
    cluster = Cluster(str(request.param), tmp_path / "cluster")
    monkeypatch.setenv("PATH", cluster.path)
    monkeypatch.setenv("HOME", str(cluster.home))
    yield cluster
    cluster.stop()


@pytest.fixture
def described(cluster: Cluster, site: WriteSite) -> Callable[..., None]:
    """Write a site.json whose jobs go there: ``described(time="1:00:00", retry=8)``."""

    def write(time: str | None = None, mem: str | None = None, **keys: Any) -> None:
        watcher = {"again_after": 1} if cluster.dialect == "pbs" else {}
        described = {"timeout": 5, "retry": 3, "watcher": watcher, **keys}
        site(
            "site.json",
            {
                "scheduler": cluster.dialect,
                "schedulers": {cluster.dialect: described},
                "job_parameters": {"submit": {"time": time, "mem": mem}, "sp": {"time": time}},
            },
        )

    return write


@pytest.fixture
def script(described: Callable[..., None], corpus_job: CorpusJob, images: Path) -> Path:
    """The submission of a job of one command, which RELION's pipeline says to run."""
    described()
    script = corpus_job("relion-5.0.1/PostProcess_job016")
    running_in_pipeline(script)
    return script
