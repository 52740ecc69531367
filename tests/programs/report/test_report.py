"""``relion-dispatch report`` on projects with recorded jobs; sacct is a stand-in.

tests/system/test_accounting.py has real jobs, and Slurm's own accounting of them.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from dispatcher.cli import main
from dispatcher.config.site import load_site
from dispatcher.images.known_projects import remember

from ...fixture_types import WriteSite
from ...recorded_facility import add_job, make_project
from ...stand_in_programs import link_stand_in
from ..stand_in_scheduler import StandIn

ROOT = Path(__file__).parents[3]
# Root may read everything, unless it gives that up.
AS_USER = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []

SUCCESS = """started 2026-11-01T09:00:00+00:00
ended 2026-11-01T11:00:00+00:00
ending SUCCESS
gpu gpu1 GPU-0 700 3145728000 60 - -
gpu gpu1 GPU-1 700 3145728000 0 - -"""
FAILURE = """started 2026-11-01T09:00:00+00:00
ended 2026-11-01T10:00:00+00:00
ending FAILURE
reason The job failed after 1:00:00, because a GPU ran out of memory: use fewer ranks per GPU."""


@pytest.fixture
def slurm(tmp_path: Path, site: WriteSite) -> StandIn:
    """Slurm, whose accounting does not answer."""
    folder = tmp_path / "slurm"
    command = [str(folder / "sacct"), "{job_ids}"]
    stand_in = StandIn(folder, site, usage_command=command)
    link_stand_in("queue_file", folder, called="sacct")
    stand_in.does("sacct", "exit 1")
    return stand_in


@pytest.fixture
def projects(tmp_path: Path, slurm: StandIn) -> list[Path]:
    """Two projects that the site knows: 4 GPU-hours of success, 2 of failure; and 4 of ben's."""
    (tmp_path / "site" / "projects").mkdir()
    one, two = (make_project(tmp_path / name) for name in ("p1", "p2"))
    add_job(one, "Refine3D/job001", 1, SUCCESS)
    add_job(one, "Refine3D/job002", 2, FAILURE)
    add_job(two, "Class2D/job001", 3, SUCCESS, user="ben", job_type="class2d")
    for project in (one, two):
        remember(project, load_site())
    return [one, two]


def reported(capsys: pytest.CaptureFixture[str], *words: str | Path) -> dict[str, Any]:
    assert main(["report", "--json", *map(str, words)]) == 0
    return dict(json.loads(capsys.readouterr().out))


@pytest.mark.usefixtures("projects")
def test_the_projects_that_the_site_knows(capsys: pytest.CaptureFixture[str]) -> None:
    found = reported(capsys)

    assert found["projects"] == 2
    assert found["total"]["gpu_hours"] == 10
    assert found["total"]["wasted_gpu_hours"] == 2 + 2 + 2
    assert found["by_cause"][0]["cause"] == "a GPU ran out of memory"
    assert found["jobs_by_accounting"] == 0
    (note,) = found["notes"]
    assert note.startswith("The accounting of slurm did not answer for 3 jobs: ")


def test_a_project_that_is_noted_by_two_paths_counts_once(
    projects: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "alias").symlink_to(projects[0])
    remember(tmp_path / "alias", load_site())

    found = reported(capsys)

    assert (found["projects"], found["total"]["jobs"]) == (2, 3)
    assert found["passed_over"] == {}


def test_copies_are_told_of(projects: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(projects[0], projects[0].with_name("p3"))

    found = reported(capsys, projects[0].with_name("p3"), *projects)

    assert {each["project"] for each in found["by_project"]} == set(map(str, projects))
    assert found["total"]["jobs"] == 3
    assert found["notes"][0].startswith("2 copies of records passed over, the first of them ")


def test_a_project_that_is_named(
    projects: list[Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(projects[1])

    found = reported(capsys, ".", projects[1])

    assert [each["project"] for each in found["by_project"]] == [str(projects[1])]
    assert found["total"]["jobs"] == 1


def test_the_accountings_figures_count(
    projects: list[Path], slurm: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    submitted, started = (
        datetime.fromisoformat(f"2026-11-01T08:{minute}:00+00:00").astimezone().replace(tzinfo=None)
        for minute in ("00", "30")
    )
    rows = [
        f"{number}|{state}|long|{submitted.isoformat()}|{started.isoformat()}|7400|gres/gpu=2||"
        for number, state in ((1, "COMPLETED"), (2, "TIMEOUT"), (3, "COMPLETED"))
    ]
    slurm.does("sacct", "cat <<'END'\n" + "\n".join(rows) + "\nEND")

    found = reported(capsys)

    assert slurm.calls("sacct") == ["1,2,3"]
    assert found["jobs_by_accounting"] == 3
    assert found["total"]["gpu_hours"] == pytest.approx(3 * 2 * 7400 / 3600, abs=1e-3)
    assert found["waiting_seconds"][0] | {"tenth": 0, "ninetieth": 0} == {
        "partition": "long",
        "jobs": 3,
        "median": 1800,
        "tenth": 0,
        "ninetieth": 0,
        "largest": 1800,
    }
    assert found["notes"] == []

    assert reported(capsys, "--no-accounting")["total"]["gpu_hours"] == 10
    assert len(slurm.calls("sacct")) == 1


def test_a_job_that_went_on_counts_all_its_runs(
    projects: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = add_job(
        projects[0],
        "Refine3D/job003",
        4,
        f"run 3\n{SUCCESS}",
        dispatched="2026-11-01T03:00:00+00:00",
        goes_on={"after": ["preemption"], "at_most": 10, "gives_up_after": 2},
    )
    for number, hour, why in ((1, "04", "preemption"), (2, "06", "odd\x1b[2J")):
        (folder / f"dispatch.run.{4:012x}.{number}").write_text(
            f"token {4:012x}\nrun {number}\nstarted 2026-11-01T{hour}:00:00+00:00\n"
            f"ended 2026-11-01T{hour}:30:00+00:00\nending GOES_ON\nwhy {why}\n"
        )

    found = reported(capsys)

    assert found["total"]["gpu_hours"] == 10 + 4 + 2
    assert found["went_on_after"] == {"another cause": 1, "preemption": 1}
    assert main(["report", "--csv"]) == 0
    rows = {row["job_id"]: row for row in csv.DictReader(StringIO(capsys.readouterr().out))}
    assert (rows["4"]["runs"], rows["4"]["run_seconds"], rows["1"]["runs"]) == ("3", "10800", "1")
    assert main(["report"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "Jobs went on 2 times: 1 after another cause, 1 after a preemption." in said


@pytest.mark.usefixtures("projects")
def test_the_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "RELION jobs: 3 submissions, 2 projects"
    assert lines[2] == (
        "10 GPU-hours, of these 6.0 (60 %) wasted: 2.0 in failed jobs, 4.0 idle, 0 little used."
    )
    assert any(line.split()[:4] == ["ada", "2", "1", "6.0"] for line in lines)


@pytest.mark.usefixtures("projects")
def test_since(capsys: pytest.CaptureFixture[str]) -> None:
    assert reported(capsys, "--since", "2026-11-01")["total"]["jobs"] == 3
    found = reported(capsys, "--since", "2026-11-02")
    assert found["total"]["jobs"] == 0
    assert main(["report", "--since", "2026-11-02"]) == 0
    assert "There is no job to tell of." in capsys.readouterr().out


@pytest.mark.usefixtures("projects")
def test_the_spreadsheet(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "--csv"]) == 0

    printed = capsys.readouterr()
    rows = list(csv.DictReader(StringIO(printed.out)))
    assert [(row["user"], row["outcome"], row["gpu_hours"]) for row in rows] == [
        ("ada", "succeeded", "4.0"),
        ("ada", "failed", "2.0"),
        ("ben", "succeeded", "4.0"),
    ]
    assert printed.err.startswith("warning: The accounting of slurm did not answer")


def test_files_are_written_and_written_again(
    projects: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    html, metrics = tmp_path / "report.html", tmp_path / "relion.prom"
    command = ["report", "--html", str(html), "--prometheus", str(metrics)]
    for _ in range(2):
        assert main(command) == 0
        printed = capsys.readouterr()
        assert (printed.out, printed.err) == ("", f"Written: {html}\nWritten: {metrics}\n")
    assert "<h1>RELION jobs</h1>" in html.read_text()
    assert "ada" in html.read_text()
    text = metrics.read_text()
    assert "relion_dispatch_gpu_hours_wasted" in text
    assert "ada" not in text
    assert str(projects[0]) not in text


def test_a_file_that_is_no_report_is_kept(
    projects: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    letter = tmp_path / "letter.html"
    letter.write_text("dear")

    assert main(["report", "--html", str(letter)]) == 1

    assert "already exists, and is no report of relion-dispatch" in capsys.readouterr().err
    assert letter.read_text() == "dear"


@pytest.mark.usefixtures("projects")
def test_anonymous(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    found = reported(capsys, "--anonymous")

    assert [each["user"] for each in found["by_user"]] == ["user 1", "user 2"]
    assert "ada" not in json.dumps(found)
    assert str(tmp_path) not in json.dumps(found)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["--since", "soon"],
            "--since soon cannot be read: write a number of hours, days or weeks",
        ),
        (["--since", "2199-01-01"], "is still to come: give a day that has passed."),
        (["--csv", "--json"], "--csv and --json both print to the same place: give one of them."),
        (["nowhere"], "nowhere is not a folder: name the folder of a RELION project."),
        (["."], "is not a RELION project (there is no default_pipeline.star in it)"),
        ([], "The site knows of no project: name the projects' folders, or make the folder"),
        (["--since", ""], '--since "" cannot be read: write a number of hours'),
        (["p1", "--html", ""], ". is a folder: give the name of the file that is to be written."),
        (["p1", "--html", "no/such.html"], "no/such.html cannot be written (No such file"),
    ],
)
@pytest.mark.usefixtures("slurm")
def test_what_is_wrong_is_said(
    words: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    make_project(tmp_path / "p1")

    assert main(["report", *words]) == 1

    assert said in capsys.readouterr().err


@pytest.fixture
def closed(projects: list[Path], tmp_path: Path) -> Iterator[list[Path]]:
    """A project, a job's folder and a record that are closed to this user."""
    record = projects[0] / "Refine3D/job002/dispatch.json"
    folder = add_job(projects[0], "Refine3D/job003", 4, SUCCESS)
    paths = [projects[1], record, folder]
    for path in paths:
        path.chmod(0)
    yield paths
    for path in paths:
        path.chmod(0o700)


def test_what_this_user_may_not_read_is_counted(closed: list[Path], tmp_path: Path) -> None:
    command = [*AS_USER, sys.executable, "-m", "dispatcher", "report", "--json"]
    for named in ([], [str(tmp_path / "p1"), str(closed[0])]):
        done = subprocess.run([*command, *named], cwd=ROOT, capture_output=True, text=True)

        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert found["passed_over"] == {"closed jobs": 2, "closed projects": 1}
        assert found["total"]["jobs"] == 1
        notes = " ".join(found["notes"])
        assert f"1 project cannot be looked into, the first of them {closed[0]}" in notes
        assert "2 jobs (or whole folders of jobs) cannot be looked into" in notes
