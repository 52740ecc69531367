"""``relion-dispatch check`` asks the scheduler whether it would take the site's jobs.

The scheduler is a stand-in with two partitions; tests/system/test_trials.py has a real Slurm.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from dispatcher.config.configuration import load_configuration
from dispatcher.site.check import problems
from dispatcher.site.trial_check import trial_problems

from ...fixture_types import WriteSite

pytestmark = pytest.mark.usefixtures("images", "programs")

SBATCH = """#!/bin/bash
echo "$*" >> "${0%/*}/asked"
for word; do # options end where the script begins, and some take the next word
    [ -n "$value" ] || case $word in
        --test-only) trial=1 ;;
        -d | -A | --dependency | --job-name) value=1 && continue ;;
        -*) ;;
        *) break ;;
    esac
    value=
done
[ -n "$trial" ] || { touch "${0%/*}/submitted"; exit 99; }
value() { sed -n "s/^#SBATCH --$1=//p" "$script" | tail -n 1; }
refuse() { echo "sbatch: error: $1" >&2; exit 1; }
script=${!#}
[ ! -e "${0%/*}/down" ] || refuse "Unable to contact slurm controller (connect failure)"
case $(value time) in *[!0-9:-]*) refuse "Invalid --time specification" ;; esac
[ "$(value qos)" = "" ] || [ "$(value qos)" = "$(value partition)" ] ||
    refuse "Invalid qos specification"
case $(value partition) in
    gpu | cpu | gpu,cpu | p[1-4]) ;;
    *) refuse "invalid partition specified" ;;
esac
ranks=$(value ntasks) threads=$(value cpus-per-task)
cores=$((${ranks:-1} * ${threads:-1}))
gpus=$(value gres)
[ "$cores" -le 64 ] || refuse "CPU count too large"
[ "${gpus#gpu:}" = "" ] || [ "${gpus#gpu:}" -le 4 ] || refuse "no node has so many GPUs"
echo "sbatch: Job 5 to start at 2026-11-28T18:30:34" >&2
"""
SINFO = """#!/bin/sh
echo 'cpux nodes are for members of the project only.'
echo 'partition=gpu nodes: 2, cores: 64'
[ "$SINFO_PARTITION" = gpu ] || echo 'partition=cpu nodes: 9, cores: 64'
echo 'partition=gpu nodes: 1, cores: 32'
for word; do [ "$word" != --all ] || echo 'partition=hidden nodes: 1'; done
"""
GPU = {"cores": 64, "gpus": 4, "gpu_memory": "24G"}


@pytest.fixture
def scheduler(programs: None, tmp_path: Path) -> Path:
    """A folder on PATH with the stand-ins, and the file `asked`."""
    for name, text in (("sbatch", SBATCH), ("sinfo", SINFO)):
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    return tmp_path / "bin"


def configure(site: WriteSite, slurm: dict[str, Any] | None = None, **keys: Any) -> str:
    """Write a site whose jobs go to `gpu`; its site.json."""
    content = {
        "scheduler": "slurm",
        "schedulers": {"slurm": slurm or {}},
        "partitions": {"gpu": GPU},
        "job_parameters": {"submit": {"partition": "gpu"}},
    }
    return str(site("site.json", {**content, **keys}))


def refuse_also(scheduler: Path, line: str) -> None:
    """Give the stand-in one more reason to refuse."""
    text = (scheduler / "sbatch").read_text()
    (scheduler / "sbatch").write_text(text.replace("ranks=", f"{line}\nranks=", 1))


def found() -> list[str]:
    configuration = load_configuration()
    return list(trial_problems(configuration.site, configuration.job_types))


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
