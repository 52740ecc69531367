"""Jobs of the CCP-EM Pipeliner: what is asked for, and what runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dispatcher.config.window import FIELDS
from dispatcher.errors import DoesNotFit
from dispatcher.job_script.variables import NO_TOKEN, job_script
from dispatcher.planning.plan import Plan

from ...fixture_types import WriteSite
from .planned import plan

PARTITIONS = {
    "gpu": {"cores": 64, "memory": "500G", "gpus": 4, "gpu_memory": "48G"},
    "cpu": {"cores": 128, "memory": "500G", "gpus": 0},
}
RUNNER = "/opt/ccpem/lib/python3.11/site-packages/pipeliner/scripts/job_runner.py"
PlanJob = Callable[..., Plan]


@pytest.fixture
def job(site: WriteSite, project: Path) -> PlanJob:
    """Plan a job: ``job({"use_gpu": "Yes"}, ranks=5, label="relion.refine3d", nodes=…)``."""

    def planned(
        options: dict[str, str] | None = None,
        *,
        ranks: int | str = 1,
        threads: int | str = 1,
        queue: str = "gpu",
        label: str = "relion.refine3d",
        python: str = "/opt/ccpem/bin/python3",
        **settings: Any,
    ) -> Plan:
        settings.setdefault("partitions", PARTITIONS)
        site("site.json", {"scheduler": "slurm", **settings})
        script = project / "Refine3D/job019/run_submit.script"
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_text(
            "outfile: run.out\nerrfile: run.err\n"  # as seen from the job's folder
            f"queue: {queue}\nranks: {ranks}\nthreads: {threads}\n----- commands -----\n"
            f"{python} {RUNNER} Refine3D/job019/job.star\n----- end of commands -----\n"
        )
        lines = "".join(f'{name} "{value}"\n' for name, value in (options or {}).items())
        (script.parent / "job.star").write_text(
            f"\ndata_job\n\n_rlnJobTypeLabel {label}\n_rlnJobIsContinue 0\n\n"
            "data_joboptions_values\n\nloop_\n_rlnJobOptionVariable #1\n"
            f"_rlnJobOptionValue #2\ndo_queue Yes\n{lines}"
        )
        return plan(script)

    return planned


def test_ranks_and_threads_are_asked_for_and_no_launcher_is_added(job: PlanJob) -> None:
    planned = job(ranks=5, threads=6, queue="cpu")

    assert (planned.job_type, planned.nproc, planned.nthread, planned.ngpu) == (
        "pipeliner", 5, 6, 0,
    )  # fmt: skip
    assert not planned.uses_mpi
    (command,) = planned.commands
    assert (command.prefix, command.command.text) == (
        (), f"/opt/ccpem/bin/python3 {RUNNER} Refine3D/job019/job.star",
    )  # fmt: skip
    script = job_script(planned, NO_TOKEN)
    assert "#SBATCH --ntasks=5\n" in script and "#SBATCH --cpus-per-task=6\n" in script
    assert "mpirun" not in script and "dispatch_waiting_program=PIPELINER" in script
    assert f"run /opt/ccpem/bin/python3 {RUNNER} Refine3D/job019/job.star >/dev/null" in script
    assert planned.job_parameters["mem"] == "60G"  # mem_per_rank
    assert (planned.outfile, planned.errfile) == (
        "Refine3D/job019/run.out", "Refine3D/job019/run.err",
    )  # fmt: skip


@pytest.mark.parametrize("label", ["relion.external", "relion.class2d.em", "modelcraft.build"])
def test_the_label_makes_no_other_type_of_it(label: str, job: PlanJob) -> None:
    assert job(label=label).job_type == "pipeliner"


@pytest.mark.parametrize("python", ["/opt/doppio/doppio-web run-script", "'/my env/python3'"])
def test_any_interpreter_is_started_as_it_was_written(python: str, job: PlanJob) -> None:
    script = job_script(job(python=python), NO_TOKEN)

    assert f"run {python} {RUNNER} Refine3D/job019/job.star" in script


@pytest.mark.parametrize(
    ("options", "ranks", "label", "gpus"),
    [
        ({"use_gpu": "Yes", "gpu_ids": "0:1:2"}, 4, "relion.refine3d", 3),
        ({"gpu_ids": "0,1:2,3", "use_gpu": "Yes"}, 3, "relion.class3d", 4),
        ({"use_gpu": "Yes", "gpu_ids": ""}, 5, "relion.refine3d", 4),  # one for each follower
        ({"use_gpu": "Yes", "gpu_ids": ""}, 3, "relion.refine3d", 2),
        ({"use_gpu": "Yes", "gpu_ids": ""}, 2, "relion.autopick.ref3d", 2),
        ({"use_gpu": "Yes", "gpu_ids": ""}, 1, "relion.class2d.vdam", 1),
        ({"use_gpu": "Yes", "gpu_ids": ""}, 9, "relion.class2d.em", 4),  # a node has no more
        ({"gpu_ids": ""}, 2, "relion.motioncorr.motioncor2", 2),
        ({"use_gpu": "No", "gpu_ids": "0:1"}, 3, "relion.refine3d", 0),
        ({"do_gpu": "Yes", "gpu": "0"}, 1, "cryodann.select.particles", 1),
        ({"gpus": "2"}, 1, "modelcraft", 2),
        ({"gpu_id": "1"}, 1, "modelangelo", 2),  # the job's GPUs count from 0
        ({"other_args": "--gpu 0:1"}, 1, "relion.postprocess", 0),
        ({}, 3, "relion.ctffind.ctffind4", 0),
    ],
)
def test_gpus_are_asked_for_as_the_window_says(
    options: dict[str, str], ranks: int, label: str, gpus: int, job: PlanJob
) -> None:
    planned = job(options, ranks=ranks, label=label)

    assert planned.ngpu == gpus
    assert ("--gres=gpu" in job_script(planned, NO_TOKEN)) == (gpus > 0)
    assert any("idle" in each for each in planned.warnings) == (options.get("gpu_id") == "1")


def test_gpus_of_nodes_that_nobody_has_described(job: PlanJob) -> None:
    options = {"use_gpu": "Yes", "gpu_ids": ""}

    assert job(options, ranks=5, partitions={}).ngpu == 1
    assert job({**options, "gpu_ids": "0:1"}, ranks=5, partitions={}).ngpu == 2


@pytest.mark.parametrize(
    ("options", "asked", "why"),
    [
        ({}, {"ranks": 33, "threads": 2}, "takes 66 cores of a node, but partition gpu has 64"),
        ({"gpu_ids": "0:4"}, {"ranks": 3}, "asks for 5 GPUs .gpu_ids 0:4;.* has 4 GPUs"),
        (
            {"use_gpu": "Yes"},
            {"queue": "cpu", "ranks": 5},
            "asks for 4 GPUs .use_gpu Yes., but partition cpu has none: .* choose another queue",
        ),
        ({"gpus": "3"}, {"queue": "cpu"}, "asks for 3 GPUs .gpus 3., but partition cpu has none"),
    ],
)
def test_what_no_node_has_is_refused(
    options: dict[str, str], asked: dict[str, Any], why: str, job: PlanJob
) -> None:
    """Its job runner would ask for the same, and fail after its time in the queue."""
    with pytest.raises(DoesNotFit, match=why):
        job(options, **asked)


def test_another_partition_takes_what_the_first_has_not(job: PlanJob) -> None:
    types = {"gpu": {"partitions": ["cpu", "gpu"]}}

    planned = job({"use_gpu": "Yes", "gpu_ids": "0:1"}, ranks=3, job_parameters=types, queue="")

    assert planned.job_parameters["partition"] == "gpu"


README = {"submit": {"partition": "cpu"}, "gpu": {"partition": "gpu", "time": "2-0"}}


@pytest.mark.parametrize(
    ("options", "ngpu", "partition"),
    [
        ({"use_gpu": "Yes", "gpu_ids": ""}, 4, "gpu"),
        ({"use_gpu": "Yes", "gpu_ids": "0:1"}, 2, "gpu"),
        ({"gpus": "2"}, 2, "gpu"),
        ({"use_gpu": "No", "gpu_ids": "0:1"}, 0, "cpu"),
        ({}, 0, "cpu"),
    ],
)
def test_a_job_that_asks_for_gpus_goes_where_those_of_type_gpu_go(
    options: dict[str, str], ngpu: int, partition: str, job: PlanJob
) -> None:
    planned = job(options, ranks=5, threads=2, job_parameters=README)

    assert (planned.ngpu, planned.job_parameters["partition"]) == (ngpu, partition)
    assert (planned.nproc, planned.nthread, planned.image) == (5, 2, None)
    assert planned.job_parameters["mem"] == "60G"
    assert planned.job_parameters.get("time") == ("2-0" if ngpu else None)
    (command,) = planned.commands
    assert command.command.argv[1:] == [RUNNER, "Refine3D/job019/job.star"]
    assert ">/dev/null || exit 1" in job_script(planned, NO_TOKEN)  # of its own template


def test_where_the_admin_has_chosen_the_partition_no_other_queue_is_advised(job: PlanJob) -> None:
    types = {"submit": {"partition": "cpu"}}

    with pytest.raises(DoesNotFit, match=r"asks for 2 GPUs .*, but partition cpu has none") as said:
        job({"use_gpu": "Yes"}, ranks=3, job_parameters=types)

    assert "queue" not in str(said.value)
    assert 'ask your admin for another partition for job type "pipeliner_gpu"' in str(said.value)


@pytest.mark.parametrize("level", ["submit", "gpu", "pipeliner", "pipeliner_gpu"])
@pytest.mark.parametrize("options", [{}, {"use_gpu": "Yes"}])
@pytest.mark.parametrize("template_says", [True, False])
def test_a_sites_number_does_not_change_what_the_job_runner_starts(
    level: str, options: dict[str, str], template_says: bool, job: PlanJob
) -> None:
    numbers = {level: {"nproc": 2, "nthread": 1, "ngpu": 1}}
    there = {} if template_says else {"nr_mpi": "5", "nr_threads": "6"}
    said = (5, 6) if template_says else ("XXXmpinodesXXX", "XXXthreadsXXX")

    planned = job({**options, **there}, ranks=said[0], threads=said[1], job_parameters=numbers)

    assert (planned.nproc, planned.nthread, planned.ngpu) == (5, 6, 4 if options else 0)
    assert any("5 ranks x 6 threads, as the Pipeliner's window says" in r for r in planned.reasons)


def test_parameters_that_a_site_adds_do_not_reach_the_job_runner(
    job: PlanJob, site: WriteSite
) -> None:
    """They are parameters of the programs that it starts."""
    types = {
        "submit": {"match_command": "None", "relion_add_parameter": {"scratch_dir": "/s"}},
        "pipeliner": {"inherits": "submit", "match_command": "job_runner.py"},
    }
    site("dispatch_config.json", types)

    (command,) = job(ranks=3).commands

    assert command.command.argv[1:] == [RUNNER, "Refine3D/job019/job.star"]


def test_it_runs_in_an_image_that_has_the_pipeliner(
    job: PlanJob, site: WriteSite, images: Path
) -> None:
    """Then its paths are those of the image."""
    types = {
        "submit": {"match_command": "None"},
        "pipeliner": {
            "inherits": "submit",
            "match_command": "job_runner.py",
            "image": "relion",
            "job_parameters": {"nproc": None, "nthread": None, "ngpu": None},
        },
    }
    site("dispatch_config.json", types)

    planned = job(ranks=3, threads=2, queue="cpu")

    prefix = [word.planned for word in planned.commands[0].prefix]
    assert (prefix[1], "mpirun" in prefix) == ("--quiet", False)
    assert planned.commands[0].command.argv[1:] == [RUNNER, "Refine3D/job019/job.star"]
    assert (planned.nproc, planned.nthread) == (3, 2)


@pytest.mark.parametrize(
    ("options", "gpus", "warns"),
    [
        ({"use_gpu": "Yes", "gpu_ids": ""}, 2, ""),
        ({"use_gpu": "No"}, 0, "left out, because the job asks for none"),
        ({"use_gpu": "Yes", "gpu_ids": "0,1,2"}, 3, ""),  # named ones must be there
    ],
)
def test_gpus_and_time_typed_in_its_window(
    options: dict[str, str],
    gpus: int,
    warns: str,
    job: PlanJob,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(FIELDS, "time,gpus,ranks_per_gpu")
    typed = {"qsub_extra_1": "12h", "qsub_extra_2": "2", "qsub_extra_3": "1"}

    planned = job({**options, **typed}, ranks=5, window={"fields": {"ranks_per_gpu": {}}})

    assert (planned.ngpu, planned.job_parameters["time"]) == (gpus, "12:00:00")
    assert warns in " ".join(planned.warnings)
    assert any("MPI ranks per GPU" in each for each in planned.warnings)
