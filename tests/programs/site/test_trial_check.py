"""``relion-dispatch check`` asks the scheduler whether it would take the site's jobs.

The scheduler is a stand-in with two partitions; tests/system/test_trials.py has a real Slurm.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dispatcher.site.check import problems

from ...fixture_types import WriteSite
from .trial_site import GPU, SBATCH, configure, found, refuse_also

pytestmark = pytest.mark.usefixtures("images", "programs")


def test_a_site_whose_jobs_the_scheduler_takes_is_in_order(
    site: WriteSite, scheduler: Path
) -> None:
    configure(site)

    assert problems() == []

    asked = (scheduler / "asked").read_text().splitlines()
    assert all("--test-only" in line for line in asked)
    assert len(asked) < 40, "jobs that are alike are tried once"
    assert not (scheduler / "submitted").exists()


def test_a_partition_that_the_scheduler_has_not_is_named_once(
    site: WriteSite, scheduler: Path
) -> None:
    path = configure(
        site, partitions={"gpuu": GPU}, job_parameters={"submit": {"partition": "gpuu"}}
    )

    assert found() == [
        f'{path}: key "partitions.gpuu": the scheduler "slurm" has no partition "gpuu"; did you '
        'mean "gpu"? Its partitions are gpu, cpu, hidden.'
    ]
    assert not (scheduler / "asked").exists()


@pytest.mark.usefixtures("scheduler")
def test_the_partition_of_a_type_and_of_the_watcher_are_looked_at(site: WriteSite) -> None:
    path = configure(
        site,
        {"watcher": {"partition": "short"}},
        job_parameters={"submit": {"partition": "gpu"}, "extract": {"partition": "cpus"}},
    )

    of_type, of_watcher = found()

    assert of_type.startswith(f'{path}: key "job_parameters.extract.partition": the scheduler')
    assert of_watcher.startswith(f'{path}: key "schedulers.slurm.watcher.partition": the scheduler')


@pytest.mark.usefixtures("scheduler")
def test_a_shape_that_no_node_has_is_named_with_the_directive_and_the_nodes(
    site: WriteSite,
) -> None:
    path = configure(site, partitions={"gpu": {**GPU, "gpus": 8}})

    (problem,) = found()

    assert problem == (
        f'{path}: key "partitions.gpu": the scheduler "slurm" gives no job a whole node of this '
        'shape: it says "sbatch: error: no node has so many GPUs", because of `--gres=gpu:8`. The '
        "nodes there: nodes: 2, cores: 64; nodes: 1, cores: 32. Correct the numbers of the "
        "partition."
    )


@pytest.mark.usefixtures("scheduler")
def test_each_wrong_value_is_named_with_its_key(site: WriteSite) -> None:
    """A scheduler says one thing at a time."""
    gpu = {"time": "three days", "scheduler_options": ["--nice", "--qos=no"]}
    path = configure(
        site, {"watcher": None}, job_parameters={"submit": {"partition": "gpu"}, "gpu": gpu}
    )

    of_time, of_option = found()

    assert of_time.endswith(
        ' on partition gpu: the scheduler "slurm" does not take such a job: it says "sbatch: '
        'error: Invalid --time specification", because of `--time="three days"`. Correct '
        f'{path}: key "job_parameters.gpu.time".'
    )
    assert '"motioncorr2", "gctf"' in of_time
    assert "because of `--qos=no`. Correct" in of_option
    assert of_option.endswith('key "job_parameters.gpu.scheduler_options".')


@pytest.mark.usefixtures("scheduler")
def test_a_directive_that_no_key_is_printed_in_is_named_all_the_same(site: WriteSite) -> None:
    polish = {"nthread_slurm": 90}
    configure(site, job_parameters={"submit": {"partition": "gpu"}, "polish": polish})

    (problem,) = found()

    assert problem.startswith('job type "polish" on partition gpu: the scheduler "slurm" does not')
    assert "because of `--cpus-per-task=90`. Correct what such directives are made" in problem


@pytest.mark.usefixtures("scheduler")
def test_the_job_after_the_job_is_tried_as_well(site: WriteSite) -> None:
    configure(site, {"watcher": {"partition": "cpu", "scheduler_options": ["--qos=gpu"]}})

    (problem,) = found()

    assert "does not take the job after a job of job type" in problem
    assert "because of `--qos=gpu`. Correct" in problem
    assert problem.endswith('key "schedulers.slurm.watcher.scheduler_options".')


@pytest.mark.usefixtures("scheduler")
def test_without_partitions_of_their_own_jobs_are_tried_on_all_that_are_described(
    site: WriteSite,
) -> None:
    configure(site, partitions={"gpu": GPU, "cpu": {"cores": 64, "gpus": 5}}, job_parameters={})

    assert [each.split(":")[1] for each in found()] == [' key "partitions.cpu"']


def test_a_scheduler_that_does_not_answer_is_one_problem(site: WriteSite, scheduler: Path) -> None:
    configure(site)
    (scheduler / "down").touch()

    (problem,) = found()

    assert problem.startswith('The scheduler "slurm" could not be asked whether it takes the jobs')
    assert "Unable to contact slurm controller" in problem


@pytest.mark.parametrize("begins", ["sinfo: error: ", "", "Warning: old. sinfo: "])
def test_a_scheduler_that_tells_no_partitions_is_one_problem(
    begins: str, site: WriteSite, scheduler: Path
) -> None:
    configure(site)
    says = f"{begins}Unable to contact slurm controller"
    (scheduler / "sinfo").write_text(f"#!/bin/sh\necho '{says}' >&2; exit 1\n")

    (problem,) = found()

    named = says if says.startswith("sinfo: ") else f"sinfo: {says}"
    assert f'whether it takes the jobs ("{named}"): run' in problem


def test_a_partition_whose_nodes_are_down_is_one_problem(site: WriteSite, scheduler: Path) -> None:
    configure(site)
    text = (scheduler / "sbatch").read_text()
    (scheduler / "sbatch").write_text(text.replace("cores=", "refuse 'no node is up'\ncores=", 1))

    (problem,) = found()

    assert problem.startswith('The scheduler "slurm" takes no job on partition gpu now, however')
    assert '"sbatch: error: no node is up". The nodes there: nodes: 2, cores: 64;' in problem


def test_a_submit_command_of_which_nothing_is_known_is_not_called(
    site: WriteSite, scheduler: Path
) -> None:
    """It may know no trials, and submit."""
    for name in ("wrapper", "squeue"):
        os.link(scheduler / "sbatch", scheduler / name)
    configure(site, {"submit_command": ["wrapper"]})

    assert found() == []
    assert not (scheduler / "asked").exists()


@pytest.mark.parametrize(
    "command",
    [
        ["sbatch", "--parsable", "/opt/site/wrapper.sh"],
        ["sbatch", "wrapper.sh", "--nice"],
        ["sbatch", "--parsable", "sinfo"],
        ["elsewhere/sbatch", "--parsable"],
    ],
)
def test_a_script_of_the_sites_is_not_tried_and_nothing_is_submitted(
    command: list[str], site: WriteSite, scheduler: Path
) -> None:
    """What follows the script is the script's, and another program of the name may submit."""
    other = scheduler / "elsewhere" / "sbatch"
    other.parent.mkdir()
    other.write_text(SBATCH)
    other.chmod(0o755)
    words = [word.replace("elsewhere", str(other.parent)) for word in command]
    configure(site, {"submit_command": words, "watcher": None})

    assert found() == []
    assert not (scheduler / "submitted").exists()
    assert not (scheduler / "asked").exists()
    assert not (other.parent / "asked").exists()


@pytest.mark.parametrize(
    "options",
    [
        ["--dependency=afterany:{job_id}", "--job-name", "end of {job_id}"],
        ["-d", "afterany:{job_id}"],
        ["-dafterany:{job_id}", "-A", "lab", "--job-name", "end of {name}"],
    ],
)
def test_a_watcher_is_tried_without_what_names_its_job(
    options: list[str], site: WriteSite, scheduler: Path
) -> None:
    configure(site, {"watcher": {"submit_command": ["sbatch", "--parsable", "--nice", *options]}})

    assert found() == []
    assert not (scheduler / "submitted").exists()
    asked = (scheduler / "asked").read_text()
    assert "--nice" in asked
    assert "{job_id}" not in asked
    assert asked.count("--test-only") == len(asked.splitlines())


def test_a_watcher_whose_job_cannot_be_left_out_is_not_tried(
    site: WriteSite, scheduler: Path
) -> None:
    """`{job_id}` may be the watcher's script, or its argument."""
    configure(site, {"watcher": {"submit_command": ["sbatch", "--nice", "a", "{job_id}"]}})

    assert found() == []
    assert "--nice" not in (scheduler / "asked").read_text()


@pytest.mark.parametrize(
    "demand",
    [
        '[ "$(value partition)" = cpu ] || [ -n "$(value gres)" ] || refuse "Ask for a GPU"',
        '[ -n "$(value time)" ] || refuse "Requested time limit is invalid"',
        '[ -n "$(value mem)" ] || refuse "You must give --mem"',
    ],
)
def test_what_a_site_demands_of_each_job_the_made_up_ones_have(
    demand: str, site: WriteSite, scheduler: Path
) -> None:
    refuse_also(scheduler, f'[ -z "$(value output)" ] || {{ {demand}; }}')  # but for watchers
    submit = {"partition": "cpu", "time": "1-0", "mem": "10G"}
    configure(site, job_parameters={"submit": submit, "gpu": {"partition": "gpu"}})

    assert found() == []
