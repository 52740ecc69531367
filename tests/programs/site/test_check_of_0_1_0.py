"""`check` names what of a site of version 0.1.0 should change."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dispatcher.site.check import problems

WriteSite = Callable[..., Path]


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs that are there, and do nothing."""
    (tmp_path / "bin").mkdir()
    for name, body in {"apptainer": "echo apptainer version 1.4.5", "sbatch": ":"}.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")


def own_scheduler(**keys: Any) -> dict[str, Any]:
    own = {"submit_command": ["/usr/bin/sbatch", "--parsable"], **keys}
    return {"scheduler": "own", "schedulers": {"own": own}}


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ({}, True),
        ({"inherits": "slurm"}, False),
        ({"directives": "slurm"}, False),
        ({"submit_command": ["other"]}, False),
    ],
)
def test_a_scheduler_with_the_commands_of_a_shipped_one_should_inherit(
    keys: dict[str, Any], named: bool, site: WriteSite
) -> None:
    site("site.json", own_scheduler(**keys))
    site("job_template/schedulers/own.sh.j2", "dispatch_scheduler_job=5\n")

    found = [problem for problem in problems() if 'set "inherits": "slurm"' in problem]

    assert len(found) == named


def test_of_several_that_call_their_command_alike_the_site_chooses(site: WriteSite) -> None:
    site("site.json", own_scheduler(submit_command=["qsub", "-terse"]))
    site("job_template/schedulers/own.sh.j2", "dispatch_scheduler_job=5\n")

    (found,) = (problem for problem in problems() if "it submits as" in problem)

    assert 'set "inherits": "gridengine" or "pbs"' in found
    assert "whichever your cluster has" in found


def test_functions_that_are_gone_are_named(site: WriteSite) -> None:
    site("site.json", own_scheduler(inherits="slurm"))
    path = site(
        "job_template/schedulers/slurm_functions.sh.j2",
        "dismiss_watcher() {\n    relion_was_told && record_is_ours || return 0\n}\n",
    )

    assert any(f"{path} calls record_is_ours" in problem for problem in problems())


def test_a_part_that_is_gone_is_named(site: WriteSite) -> None:
    site(
        "job_template/postprocess.sh.j2",
        '{% extends "sp.sh.j2" %}\n{% block prologue %}\n'
        '{% include "parts/mps.sh.j2" %}\n{% endblock %}\n',
    )

    assert any("Write look_after_gpus in place" in problem for problem in problems())


def test_a_job_parameter_that_ours_hides_is_named(site: WriteSite) -> None:
    site("site.json", {"job_parameters": {"postprocess": {"token": "mine", "nproc_slurm": 3}}})

    found = [problem for problem in problems() if "give the parameter another name" in problem]

    assert len(found) == 1
    assert 'job type "postprocess", key "job_parameters.token"' in found[0]
