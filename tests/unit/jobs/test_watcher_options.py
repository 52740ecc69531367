"""The watcher asks for what fits where it runs, not for what its job needs elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from dispatcher.config.configuration import load_configuration
from dispatcher.errors import ConfigError
from dispatcher.job_script.variables import NO_TOKEN
from dispatcher.jobs.watcher import watcher_script
from dispatcher.planning.make_plan import plan_script

pytestmark = pytest.mark.usefixtures("images")

WriteSite = Callable[..., Path]
CorpusJob = Callable[[str], Path]
OPTIONS = ["--account=lab", "--qos=gpu", "--reservation=course", "--wckey=em", "--constraint=a100"]


def configure(site: WriteSite, options: Sequence[str] = OPTIONS, **watcher: Any) -> None:
    parameters = {"submit": {"partition": "gpu", "scheduler_options": [*options]}}
    slurm = {"watcher": watcher}
    content = {"scheduler": "slurm", "schedulers": {"slurm": slurm}, "job_parameters": parameters}
    site("site.json", content)


def options(job: Path) -> list[str]:
    configuration = load_configuration()
    plan = plan_script(job, configuration)
    script = watcher_script(plan, configuration.site.schedulers["slurm"], NO_TOKEN)
    lines = [line.removeprefix("#SBATCH ") for line in script.splitlines() if "#SBATCH" in line]
    return [
        each for each in lines if not each.startswith(("--ntasks", "--cpus", "--mem", "--time"))
    ]


def test_in_the_jobs_partition_it_has_the_jobs_quality_of_service(
    site: WriteSite, corpus_job: CorpusJob
) -> None:
    configure(site)

    found = options(corpus_job("relion-5.0.1/PostProcess_job016"))

    assert found == ["--partition=gpu", *OPTIONS[:4]]


def test_in_another_partition_it_has_its_own(site: WriteSite, corpus_job: CorpusJob) -> None:
    configure(site, partition="short", scheduler_options=["--qos=short"])

    found = options(corpus_job("relion-5.0.1/PostProcess_job016"))

    assert found == ["--partition=short", "--account=lab", "--wckey=em", "--qos=short"]


@pytest.mark.parametrize("option", ["-p gpu80", "-pgpu80", "--partition=gpu80"])
def test_it_follows_its_job_to_a_partition_that_an_option_names(
    option: str, site: WriteSite, corpus_job: CorpusJob
) -> None:
    configure(site, options=[option, "--qos=gpu80", "-A lab"])

    found = options(corpus_job("relion-5.0.1/PostProcess_job016"))

    found = [each.replace('"', "") for each in found]
    assert found == ["--partition=gpu", option, "--qos=gpu80", "-A lab"], "the last one holds"


@pytest.mark.parametrize("option", ["-p gpu80", "--partition=gpu80"])
def test_a_partition_of_its_own_takes_no_quality_of_service_of_another(
    option: str, site: WriteSite, corpus_job: CorpusJob
) -> None:
    configure(site, options=[option, "--qos=gpu80"], partition="short")

    assert options(corpus_job("relion-5.0.1/PostProcess_job016")) == ["--partition=short"]


def test_it_cannot_go_to_another_cluster(site: WriteSite) -> None:
    configure(site, scheduler_options=["--clusters=far"])

    with pytest.raises(ConfigError, match=r"watcher.scheduler_options.0.*--clusters=far"):
        load_configuration()
