"""A node that shows fewer GPUs than planned: fewer ranks on devices that exist, or a sentence.

The GPUs are simulated: stand-ins answer for nvidia-smi, for MPS and for Apptainer.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .gpu_job import MPS, SMI, Ran, Run

pytestmark = pytest.mark.usefixtures("images")

FEWER = "with 3 instead of 5 ranks, on 1 instead of 2 GPUs: its node"
AUTOPICK = "relion-3.1.4/AutoPick_job009"


def assert_refused(ran: Ran, says: str) -> None:
    assert ran.status == 1
    assert ran.recorded == []
    assert says in ran.err
    assert (ran.job / "RELION_JOB_EXIT_FAILURE").exists()


OWN_RANKS = (
    '{% extends "gpu.sh.j2" %}\n{% block command %}\n'
    "    run {{ job.site.apptainer.program }} exec {{ job.image }} mpirun -n {{ job.nproc }} "
    "{{ command.words | lines }} || exit 1\n{% endblock %}\n"
)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"CARDS": "1"}, "shows only 1 of the job's GPUs, and the job needs at least 2"),
        ({"MIB": "1000"}, "and the job's template, which starts 5 ranks, needs at least"),
        ({"MODE": "Exclusive_Process"}, "the job's template, which starts 5 ranks, needs 2 there"),
        ({"CARDS": "4"}, ""),
    ],
)
def test_ranks_that_a_template_starts_itself_cannot_be_fewer(
    given: dict[str, str], says: str, run: Run, site: Any
) -> None:
    site("job_template/gpu_own.sh.j2", OWN_RANKS)
    shipped = Path(__file__).parents[4] / "config" / "dispatch_config.json"
    types = json.loads(shipped.read_text())
    types["gpu"]["template"] = "gpu_own"
    site("dispatch_config.json", types)

    ran = run(SMI, settings={"mps": False}, **given)

    if says:
        assert_refused(ran, says)
    else:
        assert (ran.status, ran.ranks, ran.devices) == (0, 5, "0:1"), ran.err
    assert "instead of" not in ran.out


@pytest.mark.parametrize("mps", [True, False])
@pytest.mark.parametrize("given", [{"CARDS": "1"}, {"CUDA_VISIBLE_DEVICES": "1"}])
def test_ranks_run_on_the_gpus_that_are_there(mps: bool, given: dict[str, str], run: Run) -> None:
    ran = run(SMI + MPS, settings={"mps": mps}, **given)

    assert (ran.status, ran.ranks, ran.devices) == (0, 3, "0"), ran.err
    assert FEWER in ran.out


def test_the_plan_holds_on_as_many_or_more(run: Run) -> None:
    ran = run(SMI + MPS, CARDS="4")

    assert (ran.status, ran.ranks, ran.devices) == (0, 5, "0:1")
    assert "shows no more" not in ran.out
    assert ran.mps[0] == "start GPU-aaaa-0,GPU-bbbb-1"


def test_the_list_of_the_scheduler_counts_if_no_tool_tells(run: Run) -> None:
    ran = run(MPS, CUDA_VISIBLE_DEVICES="1")

    assert (ran.status, ran.ranks, ran.devices) == (0, 3, "0")
    assert FEWER in ran.out


@pytest.mark.parametrize("given", [{"CARDS": "0"}, {"CUDA_VISIBLE_DEVICES": "6,7"}])
def test_a_job_without_a_gpu_does_not_start(given: dict[str, str], run: Run) -> None:
    ran = run(SMI + MPS, **given)

    assert_refused(ran, "shows none of the job's GPUs: submit the job again")
    assert ran.mps == []


def test_half_sets_that_were_to_have_a_gpu_each_do_not_share_one(run: Run) -> None:
    """What each would have to leave free for the other is not in the command."""
    one_each = {"gpu": {"partition": "gpu", "ngpu": 2, "nproc": 3}}

    ran = run(SMI, settings={"job_parameters": one_each}, CARDS="1")

    assert_refused(ran, "shows only 1 of the job's GPUs, and the job needs at least 2: submit")


@pytest.mark.parametrize(
    ("cards", "ranks", "devices"), [("2", 4, "0:1:0:1"), ("1", 2, "0:0"), ("4", 4, "0:1:0:1")]
)
def test_a_program_that_needs_a_device_for_each_rank_gets_them(
    cards: str, ranks: int, devices: str, run: Run
) -> None:
    four = {"autopick": {"partition": "gpu", "ngpu": 2, "nproc": 4}}

    ran = run(SMI, job=AUTOPICK, settings={"job_parameters": four}, CARDS=cards)

    assert (ran.status, ran.ranks, ran.devices) == (0, ranks, devices), ran.err


def test_a_gpu_in_exclusive_mode_gets_one_rank_of_such_a_program(run: Run) -> None:
    four = {"autopick": {"partition": "gpu", "ngpu": 2, "nproc": 4}}

    ran = run(SMI, job=AUTOPICK, settings={"job_parameters": four}, MODE="Exclusive_Process")

    assert (ran.status, ran.ranks, ran.devices) == (0, 2, "0:1"), ran.err
    assert "2 instead of 4 ranks: a GPU in exclusive mode accepts only one process" in ran.out


def test_a_single_process_spreads_its_threads_over_those_that_are_there(run: Run) -> None:
    two = {"gpu": {"partition": "gpu", "ngpu": 2}}
    job = "relion-5.0.1/InitialModel_job009"

    assert run(SMI, job=job, settings={"job_parameters": two}, CARDS="1").devices == "0"


@pytest.mark.parametrize("cards", [1, 2, 3])
def test_devices_that_a_job_type_names_must_be_there(cards: int, run: Run, site: Any) -> None:
    shipped = Path(__file__).parents[4] / "config" / "dispatch_config.json"
    types = json.loads(shipped.read_text())
    types["gpu"].setdefault("relion_add_parameter", {})["gpu"] = "1:2"
    site("dispatch_config.json", types)

    ran = run(SMI + MPS, CARDS=f"{cards}")

    if cards < 3:
        assert_refused(ran, f"shows only {cards} of the job's GPUs, and the job needs at least 3")
    else:
        assert (ran.status, ran.ranks, ran.devices) == (0, 5, "1:2")


@pytest.mark.parametrize(
    ("given", "ranks", "devices"),
    [
        ({"ROCR_VISIBLE_DEVICES": "3"}, 3, "0"),
        ({"HIP_VISIBLE_DEVICES": "3"}, 3, "0"),
        ({"ROCR_VISIBLE_DEVICES": "2,3", "HIP_VISIBLE_DEVICES": "1"}, 3, "0"),
        ({"ROCR_VISIBLE_DEVICES": "2,3"}, 5, "0:1"),
        ({}, 5, "0:1"),
    ],
)
def test_amds_gpus_are_counted_by_the_lists_of_the_scheduler(
    given: dict[str, str], ranks: int, devices: str, run: Run, amd: dict[str, Any]
) -> None:
    ran = run([], settings=amd, **given)

    assert (ran.status, ran.ranks, ran.devices) == (0, ranks, devices), ran.err


def test_an_amd_job_that_was_given_no_gpu_does_not_start(run: Run, amd: dict[str, Any]) -> None:
    ran = run([], settings=amd, ROCR_VISIBLE_DEVICES="")

    assert_refused(ran, "its scheduler gave it no GPU (ROCR_VISIBLE_DEVICES names none)")
