"""``relion-dispatch site init``: which cluster is asked, and what if nobody answers."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from dispatcher.host.programs import Finished
from dispatcher.scheduler import survey
from dispatcher.scheduler.no_way import NoWayError

from ....fixture_types import WriteSite
from .conftest import TEXTS, Init


def content(tmp_path: Path) -> dict[str, Any]:
    return dict(json.loads((tmp_path / "site" / "site.json").read_text()))


def test_the_cluster_is_asked_to_which_the_submit_command_leads(
    print_as: Callable[[Mapping[str, str]], None], init: Init, site: WriteSite, tmp_path: Path
) -> None:
    there = {f"{words} --clusters=gpuland": text for words, text in TEXTS["slurm"].items()}
    here = dict.fromkeys(TEXTS["slurm"], "PartitionName=here\n")
    print_as({**here, **there})
    far = {"inherits": "slurm", "submit_command": ["sbatch", "--parsable", "--clusters=gpuland"]}
    site("site.json", {"schedulers": {"far": far}})

    assert init("--scheduler", "far", "--update")[0] == 0

    assert "batch" in content(tmp_path)["partitions"]


@pytest.mark.parametrize(
    "failure",
    [
        Finished(1, "", "slurm_load_partitions: Unable to contact slurm controller\n"),
        subprocess.TimeoutExpired("scontrol", 60),
        PermissionError(13, "Permission denied", "scontrol"),
        NoWayError("gate does not answer", "try again"),
    ],
)
@pytest.mark.parametrize("arguments", [[], ["--scheduler", "slurm"]])
def test_without_an_answer_of_the_scheduler_that_is_here_nothing_is_written(
    failure: Finished | Exception,
    arguments: list[str],
    init: Init,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    def call(_: object, argv: list[str], __: Path) -> Finished:
        if argv[0] != "scontrol":
            raise FileNotFoundError(2, "No such file", argv[0])
        if isinstance(failure, Exception):
            raise failure
        return failure

    monkeypatch.setattr(survey, "call", call)

    status, said = init(*arguments)

    assert status == 1 and "slurm: `scontrol --all --oneliner show partition`: " in said
    assert "--scheduler local" in said
    if isinstance(failure, Finished):
        assert "Unable to contact slurm controller. Try again" in said
    assert not (tmp_path / "site" / "site.json").exists()

    assert init("--scheduler", "local")[0] == 0
    assert content(tmp_path)["scheduler"] == "local"


def test_a_machine_without_programs_of_schedulers_is_a_site_of_its_own(
    print_as: Callable[[Mapping[str, str]], None], init: Init, tmp_path: Path
) -> None:
    print_as({})

    assert init()[0] == 0
    assert content(tmp_path)["scheduler"] == "local"


def test_a_command_that_another_scheduler_has_as_well_is_no_sign_of_a_scheduler(
    init: Init, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Grid Engine's qstat."""

    def call(_: object, argv: list[str], __: Path) -> Finished:
        if argv[0] in ("qconf", "qhost", "qstat"):
            return Finished(1, "", "error: unable to read qmaster name")
        raise FileNotFoundError(2, "No such file", argv[0])

    monkeypatch.setattr(survey, "call", call)

    status, said = init()

    assert status == 1 and "gridengine: `qconf -sq *`: error: unable" in said
    assert "pbs" not in said


def test_an_answer_without_queues_and_nodes_is_none(
    print_as: Callable[[Mapping[str, str]], None], init: Init
) -> None:
    print_as(dict.fromkeys(TEXTS["pbs"], "{}"))

    status, said = init()

    assert status == 1 and "pbs: its commands name no queues and no nodes. Try again" in said
