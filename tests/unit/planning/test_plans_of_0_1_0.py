"""Plans are those of 0.1.0, which ``tests/data/plans-0.1.0`` has, but for what it says."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from dispatcher.config.configuration import load_configuration
from dispatcher.planning.make_plan import plan_script

from ...corpus import CORPUS
from ...fixture_types import CorpusJob, WriteSite
from .kept_plans import INTENDED, KEPT, SITES, changes, kept, write_changes

JOBS = sorted(f"{path.parent.name}/{path.name}" for path in CORPUS.glob("*/*"))


def planned(script: Path, configuration: Any, folder: Path) -> dict[str, Any]:
    """The plan of today, without what depends on the version and on the test's own files."""
    plan = plan_script(script, configuration).as_json()
    del plan["dispatcher_version"]
    for key in ("sha256", "sif_id", "size"):
        (plan["image"] or {key: None}).pop(key)
    return dict(json.loads(json.dumps(plan).replace(str(folder), "/data")))


@pytest.mark.usefixtures("images")
@pytest.mark.parametrize("name", SITES)
def test_every_submission_of_the_corpus_is_planned_as_by_0_1_0(
    name: str,
    site: WriteSite,
    corpus_job: CorpusJob,
    tmp_path: Path,
) -> None:
    settings, plans = kept(name)
    site("site.json", settings)
    configuration = load_configuration()

    today = {job: planned(corpus_job(job), configuration, tmp_path) for job in JOBS}
    if file := os.environ.get("UPDATE_PLANS"):
        write_changes(file, name, today)
        plans = kept(name)[1]

    different = {
        f"{job}, {key}": (was, today[job].get(key))
        for job, plan in plans.items()
        for key, was in plan.items()
        if today[job].get(key, "no such key") != was
    }
    assert not different, "\n".join(f"{at}:\n{was}\n{now}" for at, (was, now) in different.items())
    assert plans.keys() == today.keys()


def test_every_intended_difference_is_met_in_the_plans_of_0_1_0_and_says_why() -> None:
    texts = [(KEPT / f"{name}.json").read_text() for name in SITES]

    for each in INTENDED:
        assert each["why"]
        if "changes" in each:
            assert any(changes(each["changes"]).values()), each
        else:
            assert any(re.search(each["was"], text) for text in texts), each
