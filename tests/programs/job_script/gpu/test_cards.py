"""Cards on the node: smaller ones than planned, slices, and those that take one process."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest

from dispatcher.config.configuration import load_configuration
from dispatcher.job_script.variables import NO_TOKEN, job_script
from dispatcher.planning.make_plan import plan_script

from ....fixture_types import CorpusJob
from .gpu_job import MPS, SMI, Run

pytestmark = pytest.mark.usefixtures("images")


@pytest.mark.parametrize("variables", [{"MIG": "Enabled"}, {"CUDA_VISIBLE_DEVICES": "MIG-1"}])
def test_a_divided_gpu_gets_no_mps(variables: dict[str, str], run: Run) -> None:
    ran = run(SMI + MPS, **variables)

    assert ran.mps == []
    assert "divided (MIG)" in ran.err
    assert ran.container == (
        {"CUDA_VISIBLE_DEVICES": "MIG-1"} if "MIG" not in variables else {}
    ) | {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}  # passed through as it is


def test_a_gpu_in_exclusive_mode_that_is_held_gets_no_mps_and_one_rank(run: Run) -> None:
    ran = run(SMI + MPS, MODE="Exclusive_Process", HOLDER="4711, python")

    assert ran.mps == []
    assert "process 4711, python uses a GPU" in ran.err
    assert ran.ranks == 3
    assert "exclusive mode" in ran.out


def test_a_dead_jobs_daemon_does_not_hold_a_gpu_in_exclusive_mode(run: Run) -> None:
    dead = Path(tempfile.mkdtemp(prefix="relion-mps.", dir="/tmp"))
    namespace = Path("/proc/self/ns/pid").readlink()
    (dead / "owners").write_text(f"{os.getpid()} 1 {namespace}\n")  # of another start time
    try:
        ran = run(SMI + MPS, MODE="Exclusive_Process", HOLDER="4711, server", HELD_BY=str(dead))

        assert not dead.exists()
    finally:
        shutil.rmtree(dead, ignore_errors=True)
    assert ran.mps[0].startswith("start")
    assert ran.ranks == 5


def test_a_gpu_in_exclusive_mode_that_is_free_gets_mps(run: Run) -> None:
    ran = run(SMI + MPS, MODE="Exclusive_Process")

    assert ran.mps[0].startswith("start")
    assert ran.ranks == 5


def test_a_smaller_card_than_planned_gets_fewer_ranks_and_run_out_says_so(run: Run) -> None:
    ran = run(SMI + MPS, MIB="6000")

    assert ran.ranks == 3
    assert "3 instead of 5 ranks: the job's smallest GPU has 6000 MiB, and 5 ranks need " in ran.out


def test_a_larger_card_than_planned_gets_no_more_ranks(run: Run) -> None:
    ran = run(SMI + MPS, MIB="140000")

    assert ran.ranks == 5
    assert "instead of 5" not in ran.out


def test_a_card_that_takes_no_rank_is_refused_before_relion_starts(run: Run) -> None:
    ran = run(SMI + MPS, fit={"least_bytes_per_rank": 3_000_000_000}, MIB="2000")

    assert ran.status == 1
    assert ran.recorded == []
    assert "The refinement does not fit: the job's smallest GPU has 2000 MiB" in ran.err
    assert "needs at least 2950 MiB" in ran.err
    assert "--pad 1" in ran.err
    assert (ran.job / "RELION_JOB_EXIT_FAILURE").exists()
    assert ran.mps[-1] == "quit"


def test_a_rank_may_make_do_with_less_than_recommended(run: Run) -> None:
    ran = run(SMI + MPS, fit={"least_bytes_per_rank": 1_000_000_000}, MIB="2000")

    assert (ran.status, ran.ranks) == (0, 3)
    assert "less GPU memory than recommended: the job's smallest GPU has 2000 MiB" in ran.out


def test_no_rank_fewer_and_yet_less_memory_than_recommended_is_said(run: Run) -> None:
    fit = {"bytes_per_rank": 4_000_000_000, "least_bytes_per_rank": 1_000_000_000}
    ran = run(SMI + MPS, fit={**fit, "ranks_per_gpu": 2, "least": 2}, MIB="6000")

    assert (ran.status, ran.ranks) == (0, 5)
    assert "less GPU memory than recommended" in ran.out


def test_a_card_that_the_job_does_not_use_does_not_count(run: Run) -> None:
    """A workstation's display card, after the two that RELION is given."""
    ran = run(SMI + MPS, DISPLAY_CARD="yes")

    assert ran.ranks == 5
    assert ran.mps[0] == "start GPU-aaaa-0,GPU-bbbb-1"
    assert "exclusive mode" not in ran.out + ran.err


def test_exclusive_mode_counts_with_an_unknown_box_as_well(run: Run) -> None:
    ran = run(SMI, particles="$DATA/particles.star", MODE="Exclusive_Process")

    assert ran.ranks == 3, (ran.out, ran.err, ran.recorded)
    assert "run without MPS" in ran.err


def test_two_ranks_do_not_start_on_one_gpu_in_exclusive_mode(run: Run) -> None:
    fit = {"ranks_per_gpu": 2, "least": 2, "least_bytes_per_rank": 10**9}
    ran = run(SMI, fit, {"ngpu": 1, "nproc": 3}, MODE="Exclusive_Process")

    assert ran.status == 1
    assert ran.recorded == []
    assert "RELION needs 2 there" in ran.err


@pytest.mark.parametrize("given", ["", "NoDevFiles"])
def test_a_job_that_was_given_no_gpu_does_not_start(given: str, run: Run) -> None:
    ran = run(SMI + MPS, CUDA_VISIBLE_DEVICES=given)

    assert ran.status == 1
    assert ran.recorded == ran.mps == []
    assert "its scheduler gave it no GPU" in ran.err


def test_several_slices_of_a_gpu_are_refused(run: Run) -> None:
    """A CUDA process can use one of them only."""
    ran = run(SMI + MPS, CUDA_VISIBLE_DEVICES="MIG-1111,MIG-6666")

    assert ran.status == 1
    assert ran.recorded == []
    assert "a process can use only one" in ran.err


def test_a_silent_nvidia_smi_is_named(run: Run) -> None:
    ran = run(["gpu/silent/nvidia-smi", *MPS])

    assert (ran.status, ran.ranks) == (0, 5)
    assert "did not report the job's GPUs" in ran.err


@pytest.mark.parametrize(
    ("gpus", "planned", "mib", "ranks"),
    [
        (3, 4, "12000", 7),  # 3 on each would be 9 followers
        (3, 2, "4000", 3),  # 1 on each would be 3
        (1, 4, "12000", 3),
        (1, 2, "4000", 3),  # 2 at the least
    ],
)
def test_split_half_sets_keep_an_odd_number_of_ranks(
    gpus: int, planned: int, mib: str, ranks: int, run: Run
) -> None:
    least = 2 if gpus == 1 else 1
    fit = {"ranks_per_gpu": planned, "least": least, "least_bytes_per_rank": 1_000_000_000}
    plan = {"ngpu": gpus, "nproc": gpus * planned + 1}

    assert run(SMI + MPS, fit, plan, MIB=mib, CARDS=f"{gpus}").ranks == ranks


def test_slices_of_a_gpu_count_with_the_memory_of_their_names(run: Run) -> None:
    ran = run(SMI + MPS, MIG="Enabled")

    assert "3 instead of 5 ranks: the job's smallest GPU has 4765 MiB" in ran.out


def test_a_chosen_slice_counts_alone(run: Run) -> None:
    ran = run(SMI + MPS, CUDA_VISIBLE_DEVICES="MIG-11111111-2222-5333-8444-555555555555")

    assert (ran.ranks, ran.devices) == (3, "0")  # two followers in 20 GB


@pytest.mark.parametrize("nodes", [1, 2])
def test_the_record_keeps_the_planned_number_of_ranks(
    nodes: int, corpus_job: CorpusJob, site: Any
) -> None:
    site("site.json", {"scheduler": "slurm", "job_parameters": {"class3d": {"nodes": nodes}}})
    plan = plan_script(corpus_job("relion-5.0.1/Class3D_job010"), load_configuration())

    prefix = plan.as_json()["commands"][0]["prefix"]

    assert all(prefix)
    assert "dispatch_" not in json.dumps(prefix)
    assert (f"--ntasks={plan.nproc}" if nodes > 1 else f"{plan.nproc}") in prefix
    text = job_script(plan, NO_TOKEN)
    assert f'"${{dispatch_ranks:-{plan.nproc}}}"' in text
    assert ('"${dispatch_task[@]}" ' in text) == (nodes > 1)


def test_a_smaller_card_is_seen_without_a_keeper(run: Run) -> None:
    ran = run(SMI, settings={"mps": False}, MIB="6000", ON_RUN="pgrep -P $PPID -f keep_gpus")

    assert (ran.status, ran.ranks) == (1, 3)


def test_exclusive_mode_is_heeded_if_the_site_has_no_mps(run: Run) -> None:
    ran = run(SMI, settings={"mps": False}, MODE="Exclusive_Process")

    assert (ran.status, ran.ranks) == (0, 3)
    assert "a GPU in exclusive mode accepts only one process" in ran.out
