"""``relion-dispatch report`` shows the runs of jobs that went on; the queue is a stand-in."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from dispatcher.cli import main

from ...fixture_types import WriteSite
from ...recorded_facility import add_job, make_project
from ..stand_in_scheduler import StandIn

TOKEN = f"{4:012x}"
FIRST = f"""token {TOKEN}
run 1
started 2026-11-01T04:00:00+00:00
ended 2026-11-01T04:30:00+00:00
host {"g" * 100}
ending GOES_ON
why preemption
reason the secret of ada
to_iteration 7
ranks 9
"""
LEASE = """started 2026-11-01T06:00:00+00:00
host gpu3
from_iteration 9
ranks 5
"""


@pytest.fixture
def project(tmp_path: Path, site: WriteSite) -> Path:
    """A job that was preempted in its first run, of whose second its claim alone is left, and that
    runs for the third time."""
    project = make_project(tmp_path / "p1")
    folder = add_job(
        project,
        "Refine3D/job003",
        4,
        dispatched="2026-11-01T03:00:00+00:00",
        goes_on={"after": ["preemption"], "at_most": 10, "gives_up_after": 2},
    )
    (folder / f"dispatch.run.{TOKEN}.1").write_text(FIRST)
    owner = "gpu2, process 17, 2026-11-01T05:00:00, job 4"
    (folder / f".dispatch_claim.{TOKEN}.2").symlink_to(owner)
    (folder / f".dispatch_lease.{TOKEN}.3").write_text(LEASE)
    slurm = StandIn(tmp_path / "slurm", site)
    slurm.has("4", "RUNNING", TOKEN)
    return project


def page(project: Path, *options: str) -> str:
    file = project / "report.html"
    words = ["report", str(project), "--no-accounting", "--html", str(file), *options]
    assert main(words) == 0
    return file.read_text()


def lines(text: str) -> list[str]:
    """The rows of the page's tables, with a | for what stands between two cells."""
    return [re.sub("(<[^>]+>)+", "|", line) for line in re.findall("<tr><td.*</tr>", text)]


def test_the_page_shows_the_runs_of_a_job_that_went_on(project: Path) -> None:
    text = page(project)

    first, second, third = (
        next(line for line in lines(text) if f"|{why}" in line)
        for why in ("it was preempted", "it was lost", "it runs")
    )
    assert first.endswith(f"|it was preempted|-|7|{'g' * 64}|9|")
    assert second.endswith("switched off|-|9|gpu2|-|")  # run 3 began with what run 2 had reached
    assert third.endswith("|-|it runs|9|-|gpu3|5|")
    assert '<summary>Refine3D/job003 <span class="soft">3 runs, running' in text
    assert "secret" not in text


def test_no_node_is_named_if_no_name_may_be(project: Path) -> None:
    text = page(project, "--anonymous")

    assert not re.search("gpu[23]|ggg|ada", text)
    assert [line.split("|")[-3] for line in lines(text) if "it runs" in line] == ["node 3"]


def test_programs_read_the_runs(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(project), "--no-accounting", "--json"]) == 0

    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    (job,) = found["went_on"]
    assert (job["job"], job["outcome"], job["user"]) == ("Refine3D/job003", "running", "ada")
    assert [run["why"] for run in job["runs"]] == ["preemption", "lost_node", None]
    assert [run["to_iteration"] for run in job["runs"]] == [7, 9, None]
    assert found["went_on_after"] == {"lost_node": 1, "preemption": 1}
