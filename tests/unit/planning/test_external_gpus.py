"""GPUs of External jobs: what the command, the queue and the site say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dispatcher.job_script.variables import NO_TOKEN, job_script
from dispatcher.planning.plan import Plan

from ...fixture_types import WriteSite
from .planned import plan

PARTITIONS = {
    "gpu": {"cores": 64, "gpus": 4, "gpu_memory": "48G"},
    "cpu": {"cores": 128, "gpus": 0},
}
External = Callable[..., Plan]


@pytest.fixture
def external(site: WriteSite, project: Path) -> External:
    """Plan an External job: ``external("--gpu 0,1", queue="gpu", ngpu=…)``."""

    def planned(options: str, queue: str = "gpu", **parameters: Any) -> Plan:
        site(
            "site.json",
            {
                "scheduler": "slurm",
                "partitions": PARTITIONS,
                "job_parameters": {"external": parameters},
            },
        )
        script = project / "External/job023/run_submit.script"
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_text(
            "outfile: External/job023/run.out\nerrfile: External/job023/run.err\n"
            f"queue: {queue}\nranks: 1\nthreads: 4\n----- commands -----\n"
            f"/opt/ext/cryolo.py --o External/job023/ --in_mics m.star {options} --j 4\n"
            "----- end of commands -----\n"
        )
        return plan(script)

    return planned


@pytest.mark.parametrize(
    ("options", "number", "told"),
    [
        ("--gpu 0,1", 2, "--gpu 0,1"),
        ("--gpu 2,3", 2, "--gpu 0,1"),
        ("-g 0 1", 2, "-g 0 1"),
        ("--gpus 3", 3, "--gpus 3"),
        ("--devices 2", 2, "--devices 2"),
        ("--use_gpu 1", 1, "--use_gpu 1"),
        ("--gpu 0,1,2,3,4,5", 4, "--gpu 0,1,2,3"),  # a node has four
        ("--gpu all", 4, "--gpu all"),
    ],
)
def test_the_command_says_how_many_gpus_the_job_gets(
    options: str, number: int, told: str, external: External
) -> None:
    planned = external(options)

    script = job_script(planned, NO_TOKEN)
    assert planned.ngpu == number
    assert f"#SBATCH --gres=gpu:{number}\n" in script
    assert f" {told} --j 4" in script
    assert "look_after_gpus" in script
    assert not planned.mps
    assert not planned.warnings


def test_that_the_devices_were_renumbered_is_said(external: External) -> None:
    reasons = external("--gpu 2,3").reasons

    assert "2 GPUs: the command has --gpu 2,3." in reasons
    assert "--gpu 0,1 instead of --gpu 2,3: a job's GPUs count from 0." in reasons


def test_a_job_script_asks_the_tool_of_the_sites_cards(
    external: External, site: WriteSite, project: Path
) -> None:
    assert "dispatch_gpu_tool=nvidia-smi" in job_script(external("--gpu 0"), NO_TOKEN)

    site("site.json", {"scheduler": "slurm", "apptainer": {"gpu_option": "--rocm"}})
    planned = plan(project / "External/job023/run_submit.script")

    assert planned.ngpu == 1
    assert "nvidia-smi" not in job_script(planned, NO_TOKEN)


def test_null_in_the_configuration_is_what_the_command_says(external: External) -> None:
    assert external("--gpu 0,1", ngpu=None).ngpu == 2


def test_a_number_in_the_configuration_is_the_sites_choice(external: External) -> None:
    planned = external("--gpu 0,1", ngpu=1)

    assert planned.ngpu == 1
    assert planned.commands[0].command.value("gpu") == "0"


@pytest.mark.parametrize(
    "options", ["--foo bar", "--gpu -1", "--device cpu", "--use_gpu 0", "--g 5"]
)
def test_a_job_without_gpus_on_nodes_with_gpus_is_warned_of(
    options: str, external: External
) -> None:
    planned = external(options)

    (warning,) = planned.warnings
    assert planned.ngpu == 0
    assert "but partition gpu has GPUs, which the program will not see" in warning
    assert "--gres" not in job_script(planned, NO_TOKEN)


def test_gpus_asked_for_on_nodes_that_have_none_are_warned_of(external: External) -> None:
    planned = external("--gpu 0,1", queue="cpu")

    assert planned.ngpu == 0
    assert "(--gpu 0,1), but partition cpu has none" in planned.warnings[0]
    assert planned.commands[0].command.value("gpu") == "0,1"


def test_gpus_that_the_site_refuses_are_warned_of(external: External) -> None:
    assert 'set "ngpu" of the job type to null' in external("--gpu 0,1", ngpu=0).warnings[0]


@pytest.mark.parametrize("options", ["--foo bar", "--g 5", "--use_gpu 0"])
def test_a_job_for_cpus_on_nodes_for_cpus_needs_no_warning(
    options: str, external: External
) -> None:
    planned = external(options, queue="cpu")

    assert planned.warnings == ()
    assert f" {options} --j 4" in job_script(planned, NO_TOKEN)


def test_a_switch_that_is_off_is_no_reason_for_the_gpus_of_the_site(external: External) -> None:
    planned = external("--use_gpu 0", ngpu=1)

    assert planned.ngpu == 1
    assert not any("the command has" in each for each in planned.reasons)


def test_a_partition_that_is_not_described_gets_what_the_command_asks_for(
    external: External,
) -> None:
    planned = external("--gpu 0:1", queue="unknown")

    assert (planned.ngpu, planned.warnings) == (2, ())


def test_a_partition_without_the_gpus_that_are_asked_for_is_passed_over(
    external: External,
) -> None:
    planned = external("--gpu 0,1", queue="none", partitions=["cpu", "gpu"])

    assert (planned.job_parameters["partition"], planned.ngpu) == ("gpu", 2)
    assert planned.warnings == ()
    assert "Not on partition cpu: the job asks for GPUs, and the nodes there have none." in (
        planned.reasons
    )


@pytest.mark.parametrize("options", ["--foo bar", "--use_gpu 0"])
def test_a_partition_without_gpus_is_taken_if_none_are_asked_for(
    options: str, external: External
) -> None:
    planned = external(options, partitions=["cpu", "gpu"])

    assert (planned.job_parameters["partition"], planned.warnings) == ("cpu", ())


@pytest.mark.parametrize(
    ("options", "partition", "which"),
    [("--gpu 0", "cpu", "with GPUs"), ("--foo bar", "gpu", "without GPUs")],
)
def test_who_can_choose_another_partition_is_named(
    options: str, partition: str, which: str, external: External
) -> None:
    """RELION's window counts if the site has not chosen the partition."""
    (of_window,) = external(options, queue=partition).warnings
    (of_site,) = external(options, queue="gpu", partition=partition).warnings

    assert f"choose a queue {which}" in of_window
    assert f'ask your admin for a partition {which} for job type "external" (job_para' in of_site
    assert "queue" not in of_site


def test_on_this_machine_no_queue_is_to_be_chosen(
    site: WriteSite, external: External, project: Path
) -> None:
    external("--gpu 0")
    site("site.json", {"partitions": {"here": {"gpus": 0}},
                       "job_parameters": {"external": {"partition": "here"}}})  # fmt: skip

    (warning,) = plan(project / "External/job023/run_submit.script").warnings

    assert "choose a machine with GPUs" in warning
