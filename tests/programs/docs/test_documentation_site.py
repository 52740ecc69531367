"""docs/build.sh makes the documentation site, and stops at a link that leads nowhere."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PARTS = ("benchmarks", "deploy", "dispatcher", "docs", "mkdocs.yml", "pyproject.toml", "LICENSE")
# The Python environment of the site is kept in the user's cache, which other tests do not see.
ENVIRONMENT = dict(os.environ)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what the site is made from."""
    copy = tmp_path / "checkout"
    copy.mkdir()
    for part in (*PARTS, *(path.name for path in ROOT.glob("*.md"))):
        source = ROOT / part
        (shutil.copytree if source.is_dir() else shutil.copyfile)(source, copy / part)
    return copy


def build(checkout: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [checkout / "docs" / "build.sh"], env=ENVIRONMENT, capture_output=True, text=True
    )


def test_the_site_has_every_command_and_a_search_and_asks_no_other_host(checkout: Path) -> None:
    done = build(checkout)

    assert done.returncode == 0, done.stderr
    site = checkout / "build" / "site"
    assert "--script" in (site / "commands/plan/index.html").read_text()
    index = json.loads((site / "search" / "search_index.json").read_text())
    assert any("relion-dispatch images add" in page["title"] for page in index["docs"])
    for page in site.rglob("*.html"):
        for part in page.read_text().split("<")[1:]:
            loads = part.startswith(
                ("script", "img", "link rel=stylesheet", 'link rel="stylesheet')
            )
            assert not (loads and "//" in part.partition(">")[0]), (page, part)


def test_links_that_lead_nowhere_and_pages_without_a_way_to_them_are_errors(checkout: Path) -> None:
    mistakes = {
        "docs/jobs.md": "[a page](nowhere.md), [a heading](endings.md#nowhere)",
        "docs/forgotten.md": "# A page that the navigation does not name",
        "README.md": "[a heading](docs/endings.md#nowhere)",
    }
    for file, text in mistakes.items():
        with (checkout / file).open("a") as page:
            page.write(f"\n{text}\n")

    done = build(checkout)

    assert done.returncode != 0
    assert "Aborted with 4 warnings in strict mode" in done.stdout + done.stderr
