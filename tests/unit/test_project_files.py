"""What GitHub, pre-commit and citing tools read is valid, and calls the README's commands."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from dispatcher import __version__

ROOT = Path(__file__).parents[2]
FORMS = sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml"))


def content(path: str) -> Any:
    return YAML(typ="safe").load(ROOT / path)


@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("citation-file-format", [ROOT / "CITATION.cff"]),
        ("github-issue-forms", FORMS),
        ("github-workflows", sorted((ROOT / ".github/workflows").glob("*.yml"))),
    ],
)
def test_files_agree_with_their_schema(schema: str, files: list[Path]) -> None:
    assert files
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}"]
    done = subprocess.run([*command, *map(str, files)], capture_output=True, text=True)

    assert done.returncode == 0, done.stdout


def test_the_workflow_runs_the_readmes_commands() -> None:
    jobs = content(".github/workflows/tests.yml")["jobs"]
    readme = (ROOT / "README.md").read_text()

    for command in (job["steps"][-1]["run"] for job in jobs.values()):
        assert command in readme
        assert (ROOT / command.split()[0]).is_file()
    assert [job["steps"][-1]["run"] for job in jobs.values()] == [
        "tests/run.sh unit",
        "tests/run.sh",
        "deploy/demo.sh",
    ]


def test_a_commit_is_checked_by_the_unit_part_of_the_tests_alone() -> None:
    (repository,) = content(".pre-commit-config.yaml")["repos"]
    (hook,) = repository["hooks"]

    assert repository["repo"] == "local"
    assert (hook["entry"], hook["pass_filenames"]) == ("tests/run.sh unit", False)


def test_who_reports_a_job_is_asked_for_the_check_and_the_record() -> None:
    for form in ("job", "site"):
        asked = [
            each["attributes"]["label"]
            for each in content(f".github/ISSUE_TEMPLATE/{form}.yml")["body"]
            if "label" in each["attributes"]
        ]
        assert "Output of `relion-dispatch check`" in asked
        assert any("dispatch.json" in label for label in asked)


def test_the_citation_names_this_version() -> None:
    assert content("CITATION.cff")["version"] == __version__
