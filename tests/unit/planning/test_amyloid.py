"""Amyloids (RELION 5.1): the search on CPUs, the tracing on GPUs, and both in one job.

The lines of search and tracing are those that RELION 5.1.0 wrote, with shorter paths. Its window
refuses a job with both halves; other clients, and commands written by hand, do not.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dispatcher.planning.plan import Plan

from ...fixture_types import WriteSite
from .planned import plan

pytestmark = pytest.mark.usefixtures("images")

FIND = "`which relion_find_amyloid_mpi` --odir AutoPick/job002/ --pickname autopick"
TRACE = "--trace_filament_length 500 --trace_filament_width 100 --threshold 0.5"
Amyloid = Callable[..., Plan]


@pytest.fixture
def amyloid(site: WriteSite, project: Path) -> Amyloid:
    """Plan the job of that command: ``amyloid("… --skip_fom", gpus=4)``."""

    def planned(options: str, **partition: Any) -> Plan:
        shape = {"cores": 64, "gpus": 4} | partition
        site(
            "site.json",
            {
                "scheduler": "slurm",
                "partitions": {"here": shape},
                "job_parameters": {"submit": {"partition": "here"}},
            },
        )
        script = project / "AutoPick/job002/run_submit.script"
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_text(
            f"AutoPick/job002/run.out\nAutoPick/job002/run.err\n{FIND} {options} --i mics.star  "
            "--pipeline_control AutoPick/job002/\n"
        )
        return plan(script)

    return planned


def test_the_search_runs_on_cpus(amyloid: Amyloid) -> None:
    planned = amyloid("--j 18 --skip_tracing ")

    assert (planned.job_type, planned.ngpu) == ("autopick_amyloid", 0)
    assert planned.commands[0].command.value("j") == "12"
    assert "--gpu" not in planned.commands[0].command.argv


@pytest.mark.parametrize(("gpus", "devices"), [(4, "0:1:2:3"), (2, "0:1")])
@pytest.mark.parametrize(
    ("options", "job_type"),
    [
        (f'--skip_fom  {TRACE} --gpu "0:1:2:3"', "autopick_amyloid_trace"),
        (f'--skip_fom  {TRACE} --gpu ""', "autopick_amyloid_trace"),
        (f'--j 6 {TRACE} --gpu "0"', "autopick_amyloid_both"),
        (f"--j 6 {TRACE}", "autopick_amyloid_both"),
    ],
)
def test_tracing_has_one_rank_on_each_gpu(
    options: str, job_type: str, gpus: int, devices: str, amyloid: Amyloid
) -> None:
    planned = amyloid(options, gpus=gpus)

    assert (planned.job_type, planned.nproc, planned.ngpu) == (job_type, gpus, gpus)
    assert planned.commands[0].command.value("gpu") == devices


def test_both_halves_in_one_job_keep_the_threads_of_the_search(amyloid: Amyloid) -> None:
    planned = amyloid(f'--j 6 {TRACE} --gpu "0"')

    assert (planned.nproc, planned.nthread) == (4, 12)


def test_a_single_gpu_is_traced_on_by_one_process(amyloid: Amyloid) -> None:
    planned = amyloid(f'--skip_fom  {TRACE} --gpu "0"', gpus=1)

    assert (planned.nproc, planned.ngpu) == (1, 1)
    assert planned.commands[0].command.program == "relion_find_amyloid"
    assert planned.commands[0].command.value("gpu") == "0"


def test_without_gpus_tracing_runs_on_the_cpu(amyloid: Amyloid) -> None:
    planned = amyloid(f'--skip_fom  {TRACE} --gpu "0"', gpus=0)

    assert planned.ngpu == 0
    assert "--gpu" not in planned.commands[0].command.argv  # RELION then gives -d cpu
