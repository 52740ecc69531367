"""The documentation names what there is: every key, every variable, and no dead link."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from dispatcher.config.catalogue import Build, Image
from dispatcher.config.configuration import load_configuration
from dispatcher.config.job_types import JobType, load_job_types
from dispatcher.config.scheduler import Scheduler, Watcher
from dispatcher.config.site import Apptainer, Mpi, Partition, Site, load_site
from dispatcher.dispatch.provenance import provenance
from dispatcher.job_script.variables import NO_TOKEN, job_variables
from dispatcher.planning.make_plan import plan_script

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "benchmarks" / "README.md", *(ROOT / "docs").glob("*.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize(
    ("page", "kinds"),
    [
        ("site.md", [Site, Apptainer, Mpi, Scheduler, Watcher, Partition]),
        ("dispatch_config.md", [JobType]),
        ("images.md", [Image, Build]),
    ],
)
def test_every_key_is_described(page: str, kinds: list[type]) -> None:
    text = (ROOT / "docs" / page).read_text()
    for kind in kinds:
        for key in dataclasses.fields(kind):
            assert f"`{key.name}`" in text or f'"{key.name}"' in text, key.name


@pytest.mark.usefixtures("images")
def test_every_template_variable_is_described(corpus_job: Callable[[str], Path]) -> None:
    plan = plan_script(corpus_job("relion-5.0.1/Refine3D_job011"), load_configuration())
    text = (ROOT / "docs" / "templates.md").read_text()

    for name in job_variables(plan, NO_TOKEN):
        assert f"`job.{name}`" in text, name
    for name in re.findall(r"`job\.(\w+)`", text):
        assert name in job_variables(plan, NO_TOKEN), name


@pytest.mark.usefixtures("images")
def test_every_key_of_the_record_is_described(corpus_job: Callable[[str], Path]) -> None:
    plan = plan_script(corpus_job("relion-5.0.1/Refine3D_job011"), load_configuration())
    text = (ROOT / "docs" / "provenance.md").read_text()

    for name in plan.as_json() | provenance(plan, "apptainer"):
        assert f"`{name}`" in text, name


def examples(page: str) -> list[str]:
    return re.findall(r"```json\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)


def test_the_readmes_site_is_a_site_of_fifteen_lines(site: Callable[..., Path]) -> None:
    text = examples("README.md")[0]
    site("site.json", text)

    assert load_site().scheduler == "slurm"
    assert len(text.splitlines()) <= 15


def test_the_example_of_job_types_loads(site: Callable[..., Path]) -> None:
    path = site("dispatch_config.json", examples("docs/dispatch_config.md")[0])

    assert list(load_job_types(path).types) == ["submit", "gpu", "refine"]


def test_every_module_is_in_the_architecture() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    package = ROOT / "dispatcher"
    for module in package.rglob("*.py"):
        if not module.stem.startswith("__") and module.stem != "errors":
            name = str(module.relative_to(package).with_suffix("")).replace("/", ".")
            assert f"`{name}`" in text, name


def test_examples_are_json() -> None:
    for page in PAGES:
        for example in examples(str(page.relative_to(ROOT))):
            json.loads(example)
