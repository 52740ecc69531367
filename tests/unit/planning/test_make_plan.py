"""From RELION's script to a plan, with the shipped job types and real scripts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ...corpus import CORPUS, fill_project
from ...fixture_types import CorpusJob, WriteSite
from .planned import CLASSIC, launched, plan

pytestmark = pytest.mark.usefixtures("images")


@pytest.mark.parametrize(
    "script", sorted(CORPUS.glob("*/*/run_submit.script")), ids=lambda path: path.parent.name
)
def test_every_script_of_the_corpus_gets_a_plan(script: Path, corpus_job: CorpusJob) -> None:
    planned = plan(corpus_job(f"{script.parent.parent.name}/{script.parent.name}"))

    assert planned.nproc >= 1
    assert planned.as_json()["commands"]
    json.dumps(planned.as_json())


def test_classic_case_has_21_ranks_on_4_gpus(site: WriteSite, corpus_job: CorpusJob) -> None:
    site("dispatch_config.json", CLASSIC)

    planned = plan(corpus_job("relion-5.0.1/Refine3D_job011"))

    assert (planned.nproc, planned.ngpu, planned.gpu_fit.ranks_per_gpu) == (21, 4, 5)
    assert planned.gpu_fit.box_size == 256
    assert "Select/job007/particles.star" in (planned.gpu_fit.box_size_source or "")
    assert (planned.scheduler, planned.submit_command[0]) == ("slurm", "sbatch")


@pytest.mark.parametrize("box", [256, 400, 512, 600, 700])
def test_ranks_fall_in_whole_steps_per_gpu(
    box: int, site: WriteSite, corpus_job: CorpusJob, project: Path
) -> None:
    site("dispatch_config.json", CLASSIC)
    fill_project(project, box)

    planned = plan(corpus_job("relion-5.0.1/Refine3D_job011"))

    assert planned.nproc in (5, 9, 13, 17, 21)
    fit = planned.gpu_fit
    assert fit.ranks_per_gpu and fit.bytes_per_rank
    assert fit.ranks_per_gpu * fit.bytes_per_rank <= 32212254720


def test_the_fmi_model_never_goes_below_one_follower_per_gpu(
    site: WriteSite, corpus_job: CorpusJob, project: Path
) -> None:
    refine = {**CLASSIC["refine"], "gpu_memory_model": "fmi"}  # type: ignore[dict-item]
    site("dispatch_config.json", {**CLASSIC, "refine": refine})
    fill_project(project, 1200)

    assert plan(corpus_job("relion-5.0.1/Refine3D_job011")).nproc == 5


def test_a_partitions_own_gpu_memory_wins_over_the_job_types(
    site: WriteSite, corpus_job: CorpusJob, project: Path
) -> None:
    site("dispatch_config.json", CLASSIC)
    site(
        "site.json",
        {
            "partitions": {"small": {"gpu_memory": "11G"}},
            "job_parameters": {"gpu": {"partition": "small"}},
        },
    )
    fill_project(project, 400)

    assert plan(corpus_job("relion-5.0.1/Refine3D_job011")).nproc == 5


def test_gui_parameters_go_out_and_the_sites_come_in(corpus_job: CorpusJob) -> None:
    planned = plan(corpus_job("relion-4.0.2/Class2D_job001"))

    argv = planned.commands[0].command.argv
    assert argv[0] == "relion_refine_mpi"
    assert argv.count("--gpu") == 1
    assert argv[argv.index("--gpu") + 1] == ":".join(map(str, range(planned.ngpu)))
    assert argv[argv.index("--j") + 1] == str(planned.nthread)


def test_mpi_is_put_on_where_the_gui_had_one_rank(corpus_job: CorpusJob) -> None:
    planned = plan(corpus_job("relion-5.0.1/MultiBody_job013"))

    programs = [command.command.program for command in planned.commands]
    assert programs == ["relion_refine_mpi", "relion_flex_analyse"]
    assert planned.nproc % 2 == 1
    assert planned.nproc >= 3
    assert "mpirun" in launched(planned)
    assert "mpirun" not in launched(planned, 1)


def test_vdam_is_one_process_with_all_gpus(corpus_job: CorpusJob) -> None:
    planned = plan(corpus_job("relion-5.0.1/InitialModel_job009"))

    assert planned.nproc == 1
    assert planned.ngpu >= 1
    assert planned.commands[0].command.program == "relion_refine"
    assert planned.commands[0].command.value("gpu") is not None
    assert [command.prefix == () for command in planned.commands] == [False, True, False, True]


def test_mpi_is_taken_off_where_vdam_was_given_ranks(
    corpus_job: CorpusJob, site: WriteSite
) -> None:
    script = corpus_job("relion-5.0.1/InitialModel_job009")
    text = script.read_text()
    script.write_text(text.replace("`which relion_refine`", "`which relion_refine_mpi`"))

    assert plan(script).commands[0].command.program == "relion_refine"


def test_a_single_process_has_the_gpus_of_one_node(site: WriteSite, corpus_job: CorpusJob) -> None:
    site("site.json", {"job_parameters": {"gpu": {"nodes": 2}, "gpu_sp": {"ngpu": 4}}})

    planned = plan(corpus_job("relion-5.0.1/InitialModel_job009"))

    assert (planned.nodes, planned.ngpu) == (1, 4)


@pytest.mark.parametrize(("nodes", "nproc", "nthread"), [(2, 3, 16), (1, 9, 6), (1, 33, 1)])
def test_ranks_and_threads_fit_the_nodes_cores(
    nodes: int, nproc: int, nthread: int, site: WriteSite, corpus_job: CorpusJob
) -> None:
    site(
        "site.json",
        {
            "scheduler": "slurm",
            "partitions": {"small": {"cores": 16}},
            "job_parameters": {
                "submit": {"partition": "small"},
                "refine": {"nodes": nodes, "nproc": nproc, "nthread": nthread},
            },
        },
    )

    planned = plan(corpus_job("relion-5.0.1/Refine3D_job011"))

    assert -(-planned.nproc // planned.nodes) * planned.nthread <= 16
    assert planned.nproc >= 3


def test_a_path_that_expands_on_the_node_is_no_ground_for_refusal(corpus_job: CorpusJob) -> None:
    script = corpus_job("relion-5.0.1/Refine3D_job011")
    script.write_text(script.read_text().replace("--i Select", "--i $DATA/Select"))

    planned = plan(script)

    assert planned.gpu_fit.model is None
    assert planned.gpu_fit.not_done == "the box size is not known here"
    assert any("the node will expand" in reason for reason in planned.reasons)


def test_nv_is_there_exactly_when_the_job_uses_gpus(corpus_job: CorpusJob) -> None:
    for name in ("relion-5.0.1/Refine3D_job011", "relion-5.0.1/Polish_job018"):
        planned = plan(corpus_job(name))
        assert ("--nv" in launched(planned)) == planned.uses_gpu


def test_python_tools_get_no_thread_option_that_relion_did_not_write(
    corpus_job: CorpusJob,
) -> None:
    script = corpus_job("relion-5.0.1/DynaMight_job024")
    assert plan(script).commands[0].command.value("n-threads") == "8"
    script.write_text(script.read_text().replace(" --n-threads 8", ""))

    assert "n-threads" not in plan(script).commands[0].command


def test_each_rank_of_aretomo_is_told_a_gpu_that_exists(
    site: WriteSite, corpus_job: CorpusJob
) -> None:
    site(
        "site.json",
        {
            "partitions": {"small": {"gpus": 2}},
            "job_parameters": {"gpu": {"partition": "small"}},
        },
    )

    planned = plan(corpus_job("relion-5.0.1/AlignTiltSeries_job027"))

    devices = (planned.commands[0].command.value("gpu") or "").split(":")
    assert len(devices) == planned.nproc
    assert set(devices) == {"0", "1"}


def test_outer_threads_follow_the_settled_threads(site: WriteSite, corpus_job: CorpusJob) -> None:
    site(
        "site.json",
        {
            "partitions": {"small": {"cores": 8}},
            "job_parameters": {"submit": {"partition": "small"}},
        },
    )

    planned = plan(corpus_job("relion-5.0.1/Reconstruct_job036"))

    command = planned.commands[0].command
    assert command.value("j") == command.value("j_out") == str(planned.nthread)
    assert planned.nproc * planned.nthread <= 8


def test_a_continued_vdam_run_has_no_ranks_either(
    site: WriteSite, corpus_job: CorpusJob, project: Path
) -> None:
    optimiser = project / "Refine3D/job011/run_optimiser.star"
    text = optimiser.read_text().replace("_rlnDoAutoRefine 1", "_rlnDoGradientRefine 1")
    optimiser.write_text(text.replace("_rlnDoSplitRandomHalves 1", "_rlnDoSplitRandomHalves 0"))
    site("site.json", {"job_parameters": {"initialmodel": {"nproc": 5}}})
    script = corpus_job("relion-5.0.1/InitialModel_job009")
    script.write_text(
        "InitialModel/job009/run.out\nInitialModel/job009/run.err\n"
        "`which relion_refine` --continue Refine3D/job011/run_optimiser.star --o run --j 4\n"
    )

    assert plan(script).nproc == 1


def test_a_partition_without_gpus_runs_the_job_on_its_cpus(
    site: WriteSite, corpus_job: CorpusJob
) -> None:
    site(
        "site.json",
        {
            "partitions": {"here": {"gpus": 0, "cores": 8}},
            "job_parameters": {"submit": {"partition": "here"}},
        },
    )

    planned = plan(corpus_job("relion-5.0.1/Refine3D_job011"))

    assert not planned.uses_gpu
    assert "--gpu" not in planned.commands[0].command.argv
    assert planned.nproc * planned.nthread <= 8 or planned.nthread == 1
    assert any("partition has none" in reason for reason in planned.reasons)


def test_several_nodes_are_started_by_srun(site: WriteSite, corpus_job: CorpusJob) -> None:
    site("site.json", {"scheduler": "slurm", "job_parameters": {"class3d": {"nodes": 2}}})

    planned = plan(corpus_job("relion-5.0.1/Class3D_job010"))

    words = launched(planned)
    assert words[:4] == ["srun", "--mpi=pmix", "--nodes=2", f"--ntasks={planned.nproc}"]
    assert "mpirun" not in words
    assert "--cleanenv" not in words


def test_the_plan_as_json_has_what_was_promised(corpus_job: CorpusJob) -> None:
    described: dict[str, Any] = plan(corpus_job("relion-5.0.1/InitialModel_job009")).as_json()

    for key in (
        "job_type",
        "lineage",
        "template",
        "scheduler",
        "submit_command",
        "uses_gpu",
        "uses_mpi",
        "nproc",
        "nthread",
        "ngpu",
        "job_parameters",
        "commands",
        "gpu_fit",
        "reasons",
    ):
        assert key in described
    assert {"name", "version", "variant", "path"} <= set(described["image"])
    assert [command["kind"] for command in described["commands"]] == [
        "relion",
        "shell",
        "relion",
        "shell",
    ]
    assert described["commands"][1]["text"].startswith("rm -f ")
    assert described["commands"][0]["argv"][0] == described["commands"][0]["program"]
