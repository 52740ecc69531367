"""``relion-dispatch plan``: what is shown before there is an image, and which scripts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dispatcher.cli import main
from dispatcher.config.catalogue import load_catalogue
from dispatcher.config.job_types import load_job_types
from dispatcher.config.places import config_path
from dispatcher.config.site import load_site
from dispatcher.site.image_check import image_problems

from ...fixture_types import CorpusJob, WriteSite

REFINE = "relion-5.0.1/Refine3D_job011"


def shown(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    """What `plan` prints, if it succeeds."""
    status = main(["plan", *map(str, arguments)])
    printed = capsys.readouterr()
    assert (status, printed.err) == (0, "")
    return printed.out


@pytest.mark.parametrize("empty", [True, False], ids=["an empty images.json", "none"])
def test_a_plan_is_shown_before_there_is_an_image(
    empty: bool, site: WriteSite, corpus_job: CorpusJob, capsys: pytest.CaptureFixture[str]
) -> None:
    site("site.json", {"scheduler": "slurm"})
    if empty:
        site("images.json", {})
    script = corpus_job(REFINE)

    text = shown(capsys, script)

    assert "\nimage relion not-added-yet (gpu)\n" in text
    (said,) = [line for line in text.splitlines() if "No image is in the catalogue" in line]
    assert said.startswith("warning: ")
    assert "`relion-dispatch images add FILE`" in said
    assert "dispatch_config.json" not in text
    assert json.loads(shown(capsys, script, "--json"))["image"]["version"] == "not-added-yet"
    assert "No image is in the catalogue" in shown(capsys, script, "--script")
    assert not list(script.parent.glob("RELION_JOB_EXIT_*")), "nothing is written"


def test_another_image_in_the_catalogue_may_be_a_slip_of_the_pen(
    site: WriteSite, images: Path, corpus_job: CorpusJob, capsys: pytest.CaptureFixture[str]
) -> None:
    site("site.json", {"scheduler": "slurm"})
    site("images.json", {"relio": json.loads(images.read_text())["relion"]})

    assert main(["plan", str(corpus_job(REFINE))]) == 1
    assert 'did you mean "relio"?' in capsys.readouterr().err


def test_check_says_once_that_there_is_no_image(site: WriteSite) -> None:
    path = site("images.json", {})
    types = load_job_types(config_path("dispatch_config.json")).types

    (problem,) = image_problems(load_catalogue(path), types, load_site().image)

    assert problem == (
        f'No image is in the catalogue {path} yet, and jobs need the image "relion": add a file '
        "(`relion-dispatch images add FILE`), or build one (`relion-dispatch images build relion "
        "VERSION`)."
    )


@pytest.mark.usefixtures("images")
def test_the_script_of_the_job_after_the_job_is_shown(
    site: WriteSite, corpus_job: CorpusJob, capsys: pytest.CaptureFixture[str]
) -> None:
    watcher = {"partition": "short", "scheduler_options": ["--qos=short"]}
    site("site.json", {"scheduler": "slurm", "schedulers": {"slurm": {"watcher": watcher}}})

    text = shown(capsys, corpus_job(REFINE), "--watcher")

    assert text.startswith("#!/bin/bash\n#SBATCH --partition=short\n")
    assert "#SBATCH --qos=short\n" in text


@pytest.mark.usefixtures("images")
def test_that_a_scheduler_has_no_job_after_the_job_is_said(
    site: WriteSite, corpus_job: CorpusJob, capsys: pytest.CaptureFixture[str]
) -> None:
    site("site.json", {"scheduler": "slurm", "schedulers": {"slurm": {"watcher": None}}})

    assert main(["plan", "--watcher", str(corpus_job(REFINE))]) == 1
    assert 'scheduler "slurm" has no job after the job' in capsys.readouterr().err


@pytest.mark.usefixtures("images")
@pytest.mark.parametrize(
    ("scheduler", "partitions", "begins"),
    [
        ("slurm", {"cpu": {"cores": 16}}, "partition cpu, 1 rank"),
        ("slurm", {}, "partition cpu, 1 rank"),
        ("interactive", {"cpu": {"cores": 16}}, "this machine, described as partition cpu, 1 rank"),
        ("interactive", {}, "1 rank"),
    ],
)
def test_a_job_on_this_machine_is_shown_in_no_partition(
    scheduler: str,
    partitions: dict[str, object],
    begins: str,
    site: WriteSite,
    corpus_job: CorpusJob,
    capsys: pytest.CaptureFixture[str],
) -> None:
    postprocess = {"partition": "cpu", "scheduler": scheduler}
    content = {"partitions": partitions, "job_parameters": {"postprocess": postprocess}}
    site("site.json", content)

    second = shown(capsys, corpus_job("relion-5.0.1/PostProcess_job016")).splitlines()[1]

    assert second.startswith(begins)
