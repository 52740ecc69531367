"""The site's scratch: given to the programs that know it, and asked for where it is used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ...fixture_types import CorpusJob, WriteSite
from ...scheduler_directives import directives
from .planned import REFINE, plan

pytestmark = pytest.mark.usefixtures("images")

CLASS2D, EXTRACT = "relion-5.0.1/Class2D_job007", "relion-5.0.1/Extract_job006"
SCRATCH = {"folder": "/lscratch/$SLURM_JOB_ID", "size": "400G"}


def without_own(script: Path) -> Path:
    """The job as RELION writes it if the user leaves the field for scratch empty."""
    text = script.read_text()
    script.write_text(text.replace(" --scratch_dir /scratch", ""))
    assert script.read_text() != text
    return script


def with_scratch(site: WriteSite, of_site: dict[str, Any], **partition: Any) -> None:
    site(
        "site.json",
        {
            "scheduler": "slurm",
            "scratch": of_site,
            "partitions": {"gpu": {"cores": 64, "gpus": 4, "gpu_memory": "24G", **partition}},
            "job_parameters": {"submit": {"partition": "gpu"}},
        },
    )


@pytest.mark.parametrize("job", [REFINE, CLASS2D])
def test_relion_refine_gets_the_folder(job: str, site: WriteSite, corpus_job: CorpusJob) -> None:
    with_scratch(site, SCRATCH)

    planned = plan(without_own(corpus_job(job)))

    (main,) = (each.command for each in planned.commands if each.is_main)
    assert main.value("scratch_dir") == "/lscratch/$SLURM_JOB_ID"
    assert (
        "Scratch in /lscratch/$SLURM_JOB_ID (400G), where the node has room for a copy of the "
        "particles."
    ) in planned.reasons


def test_a_program_that_knows_no_scratch_gets_none_and_asks_for_none(
    site: WriteSite, corpus_job: CorpusJob
) -> None:
    with_scratch(site, {**SCRATCH, "resource": "lscratch:{gigabytes}", "option": "--tmp={size}"})

    planned = plan(corpus_job(EXTRACT))

    assert "scratch_dir" not in planned.commands[0].command
    assert not {"gres", "tmp"} & directives(planned).keys()


@pytest.mark.parametrize(
    ("asked", "option", "value"),
    [
        ({"resource": "lscratch:{gigabytes}"}, "gres", "gpu:4,lscratch:400"),
        ({"resource": "disk:{size}"}, "gres", "gpu:4,disk:400G"),
        ({"option": "--tmp={size}"}, "tmp", "400G"),
        ({"size": "1T", "resource": "lscratch:{gigabytes}"}, "gres", "gpu:4,lscratch:1024"),
    ],
)
def test_the_scheduler_is_asked_for_it(
    asked: dict[str, Any], option: str, value: str, site: WriteSite, corpus_job: CorpusJob
) -> None:
    with_scratch(site, {**SCRATCH, **asked})

    assert directives(plan(without_own(corpus_job(REFINE))))[option] == [value]


def test_the_users_own_folder_stays(site: WriteSite, corpus_job: CorpusJob) -> None:
    with_scratch(site, {**SCRATCH, "resource": "lscratch:{gigabytes}"})

    planned = plan(corpus_job(REFINE))

    assert planned.commands[0].command.value("scratch_dir") == "/scratch"
    assert directives(planned)["gres"] == ["gpu:4"]
    said = "--scratch_dir /scratch stays as the command has it: the site's is "
    assert any(each.startswith(said) for each in planned.reasons)


def test_a_user_who_names_the_sites_folder_asks_for_it_as_well(
    site: WriteSite, corpus_job: CorpusJob
) -> None:
    with_scratch(site, {"folder": "/scratch", "size": "2G", "resource": "disk:{size}"})

    assert directives(plan(corpus_job(REFINE)))["gres"] == ["gpu:4,disk:2G"]


def test_particles_that_are_read_beforehand_need_no_copy(
    site: WriteSite, corpus_job: CorpusJob
) -> None:
    """RELION passes over --scratch_dir then (ml_optimiser.cpp:2608, 5.0.1)."""
    with_scratch(site, SCRATCH)
    script = without_own(corpus_job(REFINE))
    script.write_text(
        script.read_text().replace(" --auto_refine", " --auto_refine --preread_images")
    )

    assert "scratch_dir" not in plan(script).commands[0].command


@pytest.mark.parametrize(
    ("of_partition", "found"), [({"folder": ""}, None), ({"folder": "/ssd"}, "/ssd")]
)
def test_a_partition_may_have_another_scratch_or_none(
    of_partition: dict[str, Any], found: str | None, site: WriteSite, corpus_job: CorpusJob
) -> None:
    with_scratch(site, SCRATCH, scratch=of_partition)

    planned = plan(without_own(corpus_job(REFINE)))

    assert planned.commands[0].command.value("scratch_dir") == found
