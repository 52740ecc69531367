"""The site.json files of docs/sites: each loads, plans real jobs, and asks for what it shows."""

from __future__ import annotations

import json
import os
import pwd
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from dispatcher.config.configuration import load_configuration
from dispatcher.config.job_types import DECIDING_PARAMETERS
from dispatcher.errors import DoesNotFit
from dispatcher.job_script.variables import NO_TOKEN, job_script
from dispatcher.planning.make_plan import plan_script

from ...corpus import fill_project
from ...fixture_types import CorpusJob, WriteSite
from ...scheduler_directives import directives
from .planned import REFINE, plan

SITES = sorted((Path(__file__).parents[3] / "docs" / "sites").glob("*.json"))
POSTPROCESS = "relion-5.0.1/PostProcess_job016"
JOBS = [
    f"relion-5.0.1/{job}"
    for job in (
        *("MotionCorr_job002", "CtfFind_job003", "AutoPick_job005", "Extract_job006"),
        *("Class2D_job007", "InitialModel_job009", "Class3D_job010", "Refine3D_job011"),
        *("MultiBody_job012", "PostProcess_job016", "Polish_job018", "DynaMight_job024"),
    )
]
USER = pwd.getpwuid(os.getuid()).pw_name


@pytest.fixture(autouse=True)
def without_accounts(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SBATCH_ACCOUNT", "EM_ACCOUNT", "LSB_DEFAULTPROJECT"):
        monkeypatch.delenv(name, raising=False)


def use(path: Path, site: WriteSite) -> dict[str, Any]:
    """Make the example the site; skip it as long as its scheduler is not shipped."""
    content: dict[str, Any] = json.loads(path.read_text(), object_pairs_hook=dict)
    shipped = [each.stem for each in (path.parents[2] / "config" / "schedulers").glob("*.json")]
    if content["scheduler"] not in [*shipped, *content.get("schedulers", {})]:
        pytest.skip(f"{content['scheduler']} is not shipped")
    site("site.json", path.read_text())
    return content


def asked(name: str, job: str, site: WriteSite, corpus_job: CorpusJob) -> dict[str, list[str]]:
    """The directives of a job at that site."""
    use(next(each for each in SITES if each.stem == name), site)
    return directives(plan(corpus_job(job)))


@pytest.mark.parametrize("path", SITES, ids=lambda path: path.stem)
def test_each_site_plans_real_jobs(
    path: Path, site: WriteSite, corpus_job: CorpusJob, project: Path
) -> None:
    content, configuration = use(path, site), load_configuration()
    planned = [plan_script(corpus_job(job), configuration) for job in JOBS]
    fill_project(project, 480)
    with suppress(DoesNotFit):  # more than small cards hold
        planned.append(plan_script(corpus_job(REFINE), configuration))

    ran_on = {each.job_parameters["partition"] for each in planned}
    assert ran_on <= {*content["partitions"], None}
    assert any(each.ngpu for each in planned)
    for each in planned:
        script = job_script(each, NO_TOKEN)
        assert script.startswith("#!/bin/bash\n")
        if "#SBATCH" in script:
            found = directives(script)
            assert all(len(values) == 1 for option, values in found.items()), found


@pytest.mark.parametrize("path", SITES, ids=lambda path: path.stem)
def test_each_site_names_only_keys_that_something_reads(path: Path, site: WriteSite) -> None:
    content = use(path, site)
    known = {*DECIDING_PARAMETERS, "time", "scheduler_options", "account", "qos", "gpu_type"}

    for parameters in content["job_parameters"].values():
        assert parameters.keys() <= known


def test_small_boxes_go_to_the_small_cards_and_large_ones_to_the_large(
    site: WriteSite, corpus_job: CorpusJob, project: Path
) -> None:
    small = asked("two_kinds_of_gpu", REFINE, site, corpus_job)
    fill_project(project, 600)
    large = asked("two_kinds_of_gpu", REFINE, site, corpus_job)

    for found, partition, qos, feature in (
        (small, "gpu24", "gpu", "ampere"),
        (large, "gpu80", "gpu_big", "hopper"),
    ):
        assert found["partition"] == [partition]
        assert (found["qos"], found["constraint"]) == ([qos], [feature])
        assert found["gres"] == ["gpu:4"]
        assert found["account"] == ["cryoem"]
        assert (found["mail-type"], found["mail-user"]) == (
            ["FAIL,TIME_LIMIT"],
            [f"{USER}@example.org"],
        )
    assert not plan(corpus_job(REFINE)).mps
    fill_project(project, 256)
    assert plan(corpus_job(REFINE)).mps


def test_a_job_on_cpus_has_no_mail_of_another_kind_and_no_card(
    site: WriteSite, corpus_job: CorpusJob
) -> None:
    found = asked("two_kinds_of_gpu", POSTPROCESS, site, corpus_job)

    assert found["partition"] == ["cpu"]
    assert not {"gres", "qos", "constraint"} & found.keys()
    assert found["time"] == ["7-00:00:00"]


def test_memory_for_each_core_and_a_type_of_gpu(site: WriteSite, corpus_job: CorpusJob) -> None:
    found = asked("uc_davis", REFINE, site, corpus_job)

    assert found["gres"] == ["gpu:a5000:4"]
    assert "mem" not in found
    cores = int(found["ntasks"][0]) * int(found["cpus-per-task"][0])
    assert int(found["mem-per-cpu"][0].removesuffix("M")) * cores <= 120 * 1024
    assert found["time"] == ["12:00:00"]


def test_a_local_disk_is_asked_for_beside_the_gpus(site: WriteSite, corpus_job: CorpusJob) -> None:
    script = corpus_job(REFINE)
    script.write_text(script.read_text().replace(" --scratch_dir /scratch", ""))
    use(next(each for each in SITES if each.stem == "biowulf"), site)

    found = directives(plan(script))

    assert re.fullmatch(r"gpu:\w+:4,lscratch:400", found["gres"][0])


def test_a_project_pays_at_a_site_of_projects(
    site: WriteSite, corpus_job: CorpusJob, project: Path
) -> None:
    path = next(each for each in SITES if each.stem == "massive")
    use(path, site)
    text = path.read_text().replace("/projects/{project}", f"{project.parent}/{{project}}")
    site("site.json", text)

    assert directives(plan(corpus_job(REFINE)))["account"] == [project.name]


def test_a_quality_of_service_by_type_and_by_partition(
    site: WriteSite, corpus_job: CorpusJob
) -> None:
    on_gpus = asked("vbc", REFINE, site, corpus_job)
    on_cpus = asked("vbc", POSTPROCESS, site, corpus_job)

    assert (on_gpus["qos"], on_cpus["qos"]) == (["g_long"], ["medium"])
    assert on_gpus["constraint"][0] in ("g2", "g3")
    assert on_cpus["spread-job"] == [""]


def test_directives_of_a_partition_follow_those_of_the_type(
    site: WriteSite, corpus_job: CorpusJob
) -> None:
    found = asked("merlin7", REFINE, site, corpus_job)

    assert found["partition"] == ["a100-general"]
    assert (found["export"], found["hint"], found["nice"]) == (["NONE"], ["nomultithread"], ["10"])


@pytest.mark.parametrize(
    ("name", "job", "lines"),
    [
        (
            "kisti",
            REFINE,
            [
                r"#PBS -q tem_gpu",
                r"#PBS -l select=1:ncpus=\d+:mpiprocs=\d:.*ngpus=2:mem=\d+mb",
                r"#PBS -l walltime=72:00:00",
            ],
        ),
        ("kisti", POSTPROCESS, [r"#PBS -q tem_cpu", r"#PBS -l select=1:ncpus=1:.*mem=\d+mb"]),
        (
            "slac",
            REFINE,
            [
                r"#BSUB -q slacgpu",
                r'#BSUB -gpu "?num=4/host.*',
                r"#BSUB -W (2880|48:00)",
                r"#BSUB -B",
                r"#BSUB -Ne",
            ],
        ),
        (
            "vub",
            REFINE,
            [r"#PBS -q pascal_gpu", r"#PBS -l .*ngpus=2.*", r"#PBS -l walltime=24:00:00"],
        ),
    ],
)
def test_other_schedulers_are_asked_in_their_own_words(
    name: str, job: str, lines: list[str], site: WriteSite, corpus_job: CorpusJob
) -> None:
    use(next(each for each in SITES if each.stem == name), site)

    script = job_script(plan(corpus_job(job)), NO_TOKEN).splitlines()

    for line in lines:
        assert any(re.fullmatch(line, each) for each in script), (line, script[:30])
