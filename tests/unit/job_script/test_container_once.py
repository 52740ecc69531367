"""A job script has the words that start its container once, if more than one place needs them."""

from __future__ import annotations

import pytest

from dispatcher.config.configuration import load_configuration
from dispatcher.job_script.variables import NO_TOKEN, job_script, job_variables
from dispatcher.planning.make_plan import plan_script

from ...fixture_types import CorpusJob, WriteSite

pytestmark = pytest.mark.usefixtures("images")

ARRAY = '"${dispatch_container[@]}"'


@pytest.mark.parametrize(
    ("job", "nodes", "nproc", "before", "after"),
    [
        ("Class3D_job010", 1, 9, [], ["mpirun"]),
        ("Class3D_job010", 2, 17, ["srun", '"${dispatch_task[@]}"'], ["relion_refine_mpi"]),
    ],
)
def test_mps_and_ranks_have_the_same_container(
    job: str,
    nodes: int,
    nproc: int,
    before: list[str],
    after: list[str],
    site: WriteSite,
    corpus_job: CorpusJob,
) -> None:
    partitions = {"gpu": {"gpus": 4, "gpu_memory": "80G"}}
    settings = {"class3d": {"nodes": nodes, "nproc": nproc, "partition": "gpu"}}
    content = {"scheduler": "slurm", "partitions": partitions, "job_parameters": settings}
    site("site.json", content)
    plan = plan_script(corpus_job(f"relion-5.0.1/{job}"), load_configuration())
    assert plan.mps and plan.image

    variables = job_variables(plan, NO_TOKEN)

    container = variables["dispatch"]["container"]
    assert container[0] == "apptainer" and container[-1] == str(plan.image.path)
    (command,) = variables["commands"]
    at = command["line"].index(ARRAY)
    assert [word for word in before if word not in command["line"][:at]] == []
    assert command["line"][at + 1] == after[0]
    text = job_script(plan, NO_TOKEN)
    assert text.count(str(plan.image.path)) == 2  # and in the settings, for the look at the file
    assert text.count("dispatch_know_container() { dispatch_container=(apptainer ") == 1


def test_one_command_without_mps_has_its_container_in_place(
    site: WriteSite, corpus_job: CorpusJob
) -> None:
    site("site.json", {"mps": False})
    plan = plan_script(corpus_job("relion-5.0.1/Class3D_job010"), load_configuration())

    assert job_variables(plan, NO_TOKEN)["dispatch"]["container"] == []
    assert "dispatch_container" not in job_script(plan, NO_TOKEN)
