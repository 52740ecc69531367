"""The doctor at many partitions, whose jobs are submitted one after the other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dispatcher.doctor import examine, meeting

from ...fixture_types import WriteSite
from ..stand_in_scheduler import StandIn
from .conftest import RUNS, Doctor


def test_the_first_job_is_met_while_others_are_submitted(
    doctor: Doctor, queue: StandIn, monkeypatch: pytest.MonkeyPatch, site: WriteSite, tmp_path: Path
) -> None:
    for module in (examine, meeting):
        monkeypatch.setattr(module, "PATIENCE", 4)
    content = json.loads((tmp_path / "site" / "site.json").read_text())
    site("site.json", content | {"partitions": {f"p{n}": {"cores": 8} for n in range(4)}})
    queue.submits("sleep 1\n" + RUNS.format(before=""))

    found = doctor("--all")

    assert found["project"]["status"] == "ok", found["project"]
