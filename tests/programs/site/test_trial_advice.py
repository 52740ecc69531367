"""``relion-dispatch check`` says what to change where the scheduler refuses a trial submission.

The scheduler is a stand-in with two partitions; tests/system/test_trials.py has a real Slurm.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dispatcher.site.check import problems

from ...fixture_types import WriteSite
from .trial_site import GPU, configure, found, refuse_also

pytestmark = pytest.mark.usefixtures("images", "programs")


@pytest.mark.parametrize("option", ["--qos=gpu", "--qos=gpuX", "--account=gpu"])
def test_an_option_that_bears_the_partitions_name_is_not_taken_for_the_partition(
    option: str, site: WriteSite, scheduler: Path
) -> None:
    name, value = option.removeprefix("--").split("=")
    refuse_also(scheduler, f'[ "$(value {name})" != {value} ] || refuse "Invalid {name}"')
    submit = {"partition": "gpu", "scheduler_options": [option]}
    path = configure(site, job_parameters={"submit": submit})

    (problem,) = found()

    assert f'does not take such a job: it says "sbatch: error: Invalid {name}' in problem
    assert f"because of `{option}`. Correct {path}: key" in problem


def test_a_mistake_of_all_partitions_is_told_once_and_asked_for_seldom(
    site: WriteSite, scheduler: Path
) -> None:
    """The job after the job has the job's account: the key is the job's as well."""
    refuse_also(scheduler, '[ -z "$(value account)" ] || refuse "Invalid account"')
    (scheduler / "sinfo").write_text("#!/bin/sh\n")  # no partitions to be compared
    submit = {"scheduler_options": ["--nice", "--account=nobody"]}
    shapes = {f"p{at}": GPU for at in (1, 2, 3, 4)}
    path = configure(site, partitions=shapes, job_parameters={"submit": submit})

    (problem,) = found()

    assert " on partitions p1, p2, p3, p4: " in problem
    assert problem.endswith(f'Correct {path}: key "job_parameters.submit.scheduler_options".')
    asked = (scheduler / "asked").read_text().splitlines()
    assert len(asked) < 250, "twice as often as where nothing is wrong"


def test_what_a_scheduler_says_beside_its_yes_is_no_failure(
    site: WriteSite, scheduler: Path
) -> None:
    refuse_also(scheduler, 'echo "NOTE: /scratch is temporarily read-only" >&2')
    configure(site)

    assert found() == []


def test_a_failure_behind_a_long_greeting_is_seen(site: WriteSite, scheduler: Path) -> None:
    refuse_also(scheduler, "printf 'Welcome %.0s' {1..99} >&2; refuse 'Socket timed out'")
    configure(site)

    (problem,) = found()

    assert problem.startswith('The scheduler "slurm" could not be asked whether it takes the jobs')


@pytest.mark.usefixtures("scheduler")
@pytest.mark.parametrize(
    "template",
    [
        '{% if "-" in job.time %}\n#SBATCH --nice\n{% endif %}\n',
        "{% if job.nproc == 1 and job.nthread == 64 %}\n{{ nothing.of_this }}\n{% endif %}\n",
    ],
)
def test_a_template_that_no_trial_suits_is_no_problem(template: str, site: WriteSite) -> None:
    """A whole node may be what no real job asks for."""
    site("job_template/schedulers/slurm/further_directives.sh.j2", template)
    configure(site, job_parameters={"submit": {"partition": "gpu", "time": "1-0"}})

    assert found() == []


@pytest.mark.usefixtures("scheduler")
@pytest.mark.parametrize("hidden_by", ["SINFO_PARTITION", "SINFO_ALL"])
def test_partitions_that_a_user_does_not_see_are_known(
    hidden_by: str, site: WriteSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(hidden_by, "gpu")
    parameters = {"submit": {"partition": "gpu"}, "extract": {"partition": "cpu"}}
    configure(site, {"watcher": {"partition": "hiden"}}, job_parameters=parameters)

    (problem,) = found()

    assert problem.endswith('did you mean "hidden"? Its partitions are gpu, cpu, hidden.')


@pytest.mark.usefixtures("scheduler")
@pytest.mark.parametrize(("partition", "unknown"), [("gpu,cpu", None), ("gpu,cpux", "cpux")])
def test_a_job_may_go_to_one_of_several_partitions(
    partition: str, unknown: str | None, site: WriteSite
) -> None:
    submit = {"partition": partition}
    configure(site, partitions={"gpu,cpu": GPU}, job_parameters={"submit": submit})

    assert [f'no partition "{unknown}"' in each for each in found()] == [True] * bool(unknown)


@pytest.mark.usefixtures("scheduler")
def test_a_partition_that_site_json_does_not_describe_is_to_be_described(site: WriteSite) -> None:
    path = configure(site, partitions={})

    (problem,) = found()

    assert "because of `--ntasks=13` or `--cpus-per-task=6`. Describe" in problem
    assert problem.endswith(
        f'Describe the partition "gpu" under {path}: key "partitions": then jobs are as large as '
        "its nodes allow."
    )


@pytest.mark.usefixtures("scheduler")
@pytest.mark.parametrize(
    ("keys", "place"),
    [
        ({"accounts": [{"users": ["x"], "qos": "x"}, {"qos": "no"}]}, "accounts.1.qos"),
        ({"partitions": {"gpu": {**GPU, "qos": "no"}}}, "partitions.gpu.qos"),
        (
            {"partitions": {"gpu": {"nodes": [{**GPU, "scheduler_options": ["--qos=no"]}]}}},
            "partitions.gpu.nodes.0.scheduler_options",
        ),
        (
            {"partitions": {"gpu": {**GPU, "scheduler_options": ["--qos=no"]}}},
            "partitions.gpu.scheduler_options",
        ),
    ],
)
def test_a_wrong_value_is_looked_for_where_it_stands(
    keys: dict[str, Any], place: str, site: WriteSite
) -> None:
    path = configure(site, **keys)

    (problem,) = [each for each in found() if "the job after" not in each]

    assert problem.endswith(f'Correct {path}: key "{place}".')


@pytest.mark.usefixtures("scheduler")
def test_each_kind_of_nodes_is_tried(site: WriteSite) -> None:
    path = configure(site, partitions={"gpu": {"nodes": [GPU, {**GPU, "cores": 128}]}})

    (problem,) = found()

    assert problem.startswith(f'{path}: key "partitions.gpu.nodes.1": the scheduler "slurm"')
    assert "CPU count too large" in problem


def test_a_kind_is_tried_with_its_own_options_alone(site: WriteSite, scheduler: Path) -> None:
    """A node of the one kind is none of the other."""
    both = "$(value reservation)$(value exclusive)"
    refuse_also(scheduler, f'[ "{both}" != aa ] || refuse "no such node"')
    nodes = [{**GPU, "scheduler_options": [f"--{each}=a"]} for each in ("reservation", "exclusive")]
    configure(site, partitions={"gpu": {"nodes": nodes}})

    assert found() == []


def test_the_partitions_of_the_cluster_that_the_submit_command_names_are_compared(
    site: WriteSite, scheduler: Path
) -> None:
    """Another cluster may have no partition of that name; and the watcher runs there too."""
    (scheduler / "sinfo").write_text(
        """#!/bin/sh
case " $* " in *" --clusters=far "*) echo 'CLUSTER: far'; echo 'partition=gpu nodes: 2' ;; esac
case " $* " in *" --clusters=far "*) ;; *) echo 'partition=here nodes: 9' ;; esac
"""
    )
    configure(site, {"submit_command": ["sbatch", "--parsable", "--clusters=far"]})

    assert problems() == []

    asked = (scheduler / "asked").read_text().splitlines()
    assert any("--job-name=end of" in line for line in asked)
    assert all("--clusters=far" in line for line in asked)
