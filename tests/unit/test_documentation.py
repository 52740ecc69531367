"""The documentation names what there is: every key, every variable, and no dead link."""

from __future__ import annotations

import ast
import dataclasses
import json
import re
import tomllib
from pathlib import Path

import pytest

from dispatcher.config.accounts import AccountRule, Mail
from dispatcher.config.catalogue import Image, ImageFile
from dispatcher.config.configuration import load_configuration
from dispatcher.config.job_types import JobType, load_job_types
from dispatcher.config.jobs_behind import NextRun, Watcher
from dispatcher.config.partition import Scratch, Takes
from dispatcher.config.scheduler import Scheduler
from dispatcher.config.site import Apptainer, Partition, Site, load_site
from dispatcher.dispatch.provenance import provenance
from dispatcher.job_script.variables import NO_TOKEN, job_variables
from dispatcher.planning.make_plan import plan_script

from ..fixture_types import CorpusJob, WriteSite

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), ROOT / "benchmarks" / "README.md", *(ROOT / "docs").glob("*.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize(
    ("page", "kinds"),
    [
        (
            "site.md",
            [
                Site,
                Apptainer,
                Scheduler,
                Watcher,
                NextRun,
                Partition,
                Scratch,
                Takes,
                AccountRule,
                Mail,
            ],
        ),
        ("dispatch_config.md", [JobType]),
        ("images.md", [Image, ImageFile]),
    ],
)
def test_every_key_is_described(page: str, kinds: list[type]) -> None:
    text = (ROOT / "docs" / page).read_text()
    for kind in kinds:
        for key in dataclasses.fields(kind):
            assert f"`{key.name}`" in text or f'"{key.name}"' in text, key.name


@pytest.mark.usefixtures("images")
def test_every_template_variable_is_described(corpus_job: CorpusJob) -> None:
    plan = plan_script(corpus_job("relion-5.0.1/Refine3D_job011"), load_configuration())
    text = (ROOT / "docs" / "templates.md").read_text()

    for name in job_variables(plan, NO_TOKEN):
        assert f"`job.{name}`" in text, name
    for name in re.findall(r"`job\.(\w+)`", text):
        assert name in job_variables(plan, NO_TOKEN), name


def test_every_file_of_the_library_is_described() -> None:
    text = (ROOT / "docs" / "templates.md").read_text()
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", text, re.MULTILINE)
    described = {name for row in rows for name in re.findall(r"\w+", row)}
    library = {file.stem for file in (ROOT / "job_template" / "library").glob("*.sh")}
    assert library - described == set()


@pytest.mark.usefixtures("images")
def test_every_key_of_the_record_is_described(corpus_job: CorpusJob) -> None:
    plan = plan_script(corpus_job("relion-5.0.1/Refine3D_job011"), load_configuration())
    text = (ROOT / "docs" / "provenance.md").read_text()

    for name in plan.as_json() | provenance(plan, "apptainer"):
        assert f"`{name}`" in text, name


def examples(page: str) -> list[str]:
    return re.findall(r"```json\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)


def test_the_readmes_site_is_a_site_of_fifteen_lines(site: WriteSite) -> None:
    text = examples("README.md")[0]
    site("site.json", text)

    assert load_site().scheduler == "slurm"
    assert len(text.splitlines()) <= 15


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "schedulers").glob("*.md")))
def test_the_page_of_a_scheduler_begins_with_a_site_of_fifteen_lines(
    page: Path, site: WriteSite
) -> None:
    if page.stem not in load_site().schedulers:
        pytest.skip("not the page of one scheduler")
    text = examples(str(page.relative_to(ROOT)))[0]
    site("site.json", text)

    assert load_configuration().site.scheduler == page.stem
    assert len(text.splitlines()) <= 15


def test_the_example_of_job_types_loads(site: WriteSite) -> None:
    path = site("dispatch_config.json", examples("docs/dispatch_config.md")[0])

    assert list(load_job_types(path).types) == ["submit", "gpu", "refine"]


def test_the_architecture_names_the_rooms_in_the_order_of_their_contract() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = [each for layer in contract["contracts"][0]["layers"] for each in layer.split(" | ")]

    assert re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE) == layers[1:]  # without __main__


def test_every_module_says_in_its_first_line_what_it_answers() -> None:
    modules = list((ROOT / "dispatcher").rglob("*.py"))
    assert len(modules) > 100
    for module in modules:
        docstring = ast.get_docstring(ast.parse(module.read_text())) or ""
        assert docstring.partition("\n\n")[0].endswith((".", ":", "?")), module


def test_the_top_of_the_house_stays_small() -> None:
    modules = [path.stem for path in (ROOT / "dispatcher").glob("*.py")]

    assert 0 < len(modules) <= 9, modules


def test_examples_are_json() -> None:
    found = [example for page in PAGES for example in examples(str(page.relative_to(ROOT)))]
    assert len(found) > 5
    for example in found:
        json.loads(example)
