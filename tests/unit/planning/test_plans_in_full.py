"""Whole plans of all submissions of the corpus on three sites, as ``plan --json`` prints them.

The tables of ``test_golden_plans.py`` are for reading; these show what else changes with a rule:
commands, images, reasons. ``tests/golden/update.sh`` writes them anew; review the difference.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from dispatcher.config.configuration import Configuration, load_configuration
from dispatcher.planning.make_plan import plan_script

from ...corpus import CORPUS
from ...fixture_types import CorpusJob, WriteSite

GOLDEN = Path(__file__).parents[2] / "golden" / "plans_in_full"
SITES: dict[str, dict[str, Any]] = {
    name: json.loads((GOLDEN / f"{name}.json").read_text())["site"]
    for name in ("readme", "shipped", "two_nodes")
}
JOBS = sorted(f"{path.parent.name}/{path.name}" for path in CORPUS.glob("*/*"))

Plans = dict[str, dict[str, Any]]


@pytest.mark.usefixtures("images")
@pytest.mark.parametrize("name", SITES)
def test_every_submission_of_the_corpus_is_planned_as_before(
    name: str, site: WriteSite, corpus_job: CorpusJob, tmp_path: Path
) -> None:
    def plans(of: str) -> Plans:
        site("site.json", SITES[of])
        configuration = load_configuration()
        return {job: _planned(corpus_job(job), configuration, tmp_path) for job in JOBS}

    today = plans(name)
    if name != "readme":
        today = _what_differs(today, plans("readme"))

    golden = GOLDEN / f"{name}.json"
    text = _as_text(SITES[name], today)
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(text)
    assert golden.read_text() == text


def _planned(script: Path, configuration: Configuration, folder: Path) -> dict[str, Any]:
    """The plan without what depends on the version and on the test's own files."""
    plan = plan_script(script, configuration).as_json()
    del plan["dispatcher_version"]
    for key in ("sha256", "sif_id", "size"):
        (plan["image"] or {key: None}).pop(key)
    return dict(json.loads(json.dumps(plan).replace(str(folder), "/data")))


def _what_differs(plans: Plans, others: Plans) -> Plans:
    """Of each plan the keys whose values are others there: the files stay readable."""
    return {
        job: {key: value for key, value in plan.items() if others[job].get(key) != value}
        for job, plan in plans.items()
    }


def _as_text(site: dict[str, Any], plans: Plans) -> str:
    """JSON with a line for each key of a plan."""
    jobs = []
    for job, plan in plans.items():
        keys = [f"  {json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}" for k, v in plan.items()]
        jobs.append(f"{json.dumps(job)}: {{\n" + ",\n".join(keys) + "\n}")
    return f'{{"site": {json.dumps(site)},\n"plans": {{\n' + ",\n".join(jobs) + "\n}}\n"
