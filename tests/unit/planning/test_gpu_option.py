"""A site's option that asks for GPUs stands alone: Slurm 26.05 refuses two such requests."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from dispatcher.config.configuration import load_configuration
from dispatcher.job_script.variables import NO_TOKEN, job_script
from dispatcher.planning.make_plan import plan_script

from ...fixture_types import CorpusJob, WriteSite

pytestmark = pytest.mark.usefixtures("images")


def directives(
    site: WriteSite, job: CorpusJob, options: Sequence[str], name: str = "Class3D_job010"
) -> tuple[list[str], str]:
    """Those that ask for GPUs, and the plan's reasons."""
    parameters = {"submit": {"scheduler_options": [*options]}}
    site("site.json", {"scheduler": "slurm", "job_parameters": parameters})
    plan = plan_script(job(f"relion-5.0.1/{name}"), load_configuration())
    lines = job_script(plan, NO_TOKEN).splitlines()
    asked = [line.removeprefix("#SBATCH ") for line in lines if line.startswith("#SBATCH ")]
    return [each for each in asked if "gpu" in each or "gres" in each], " ".join(plan.reasons)


@pytest.mark.parametrize(
    "option",
    [
        "--gpus=4",
        "--gpus-per-node=a100:4",
        "--gpus-per-task 1",
        "--gpus-per-socket=2",
        "--gres=gpu:a100:4",
        "--gres=lscratch:100,gpu:4",
    ],
)
def test_it_takes_the_place_of_our_own_request(
    option: str, site: WriteSite, corpus_job: CorpusJob
) -> None:
    asked, reasons = directives(site, corpus_job, ["--exclusive", option])

    assert [each.replace('"', "") for each in asked] == [option]
    assert f'"{option}" of the site asks for the GPUs, so the job script has no other' in reasons


def test_one_of_the_partition_does_so_too(site: WriteSite, corpus_job: CorpusJob) -> None:
    partition = {"gpus": 4, "gpu_memory": "24G", "scheduler_options": ["--gpus-per-node=a100:2"]}
    content = {"partitions": {"gpu": partition}, "job_parameters": {"gpu": {"partition": "gpu"}}}
    site("site.json", {"scheduler": "slurm", **content})

    plan = plan_script(corpus_job("relion-5.0.1/Class3D_job010"), load_configuration())

    assert '"--gpus-per-node=a100:2" of the site asks for the GPUs' in " ".join(plan.reasons)


@pytest.mark.parametrize("option", ["-G 4", "-G4"])
def test_its_short_form_does_so_too(option: str, site: WriteSite, corpus_job: CorpusJob) -> None:
    asked, reasons = directives(site, corpus_job, [option])

    assert asked == []
    assert f'"{option}" of the site asks for the GPUs' in reasons


@pytest.mark.parametrize("option", ["--gpu-bind=none", "--cpus-per-gpu=8", "--gpu-freq=high"])
def test_other_options_on_gpus_are_no_request(
    option: str, site: WriteSite, corpus_job: CorpusJob
) -> None:
    asked, reasons = directives(site, corpus_job, [option])

    assert len(asked) == 2
    assert asked[0].startswith("--gres=gpu:")
    assert "asks for the GPUs" not in reasons


def test_nothing_is_said_of_a_job_without_gpus(site: WriteSite, corpus_job: CorpusJob) -> None:
    _, reasons = directives(site, corpus_job, ["--gpus=4"], "PostProcess_job016")

    assert "asks for the GPUs" not in reasons


@pytest.mark.parametrize("option", ["--gres=lscratch:400", "--gres lscratch:400"])
def test_what_else_a_site_asks_for_by_gres_stands_in_one_line_with_the_gpus(
    option: str, site: WriteSite, corpus_job: CorpusJob
) -> None:
    """Of two such lines Slurm reads the last: the job would have no GPU."""
    asked, _ = directives(site, corpus_job, [option])

    assert asked == ["--gres=gpu:4,lscratch:400"]
