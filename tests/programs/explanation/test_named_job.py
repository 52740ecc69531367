"""The names by which ``relion-dispatch explain`` finds a job."""

from __future__ import annotations

from pathlib import Path

import pytest

from .explained import JOB, Explain

pytestmark = pytest.mark.usefixtures("slurm")


@pytest.mark.parametrize(
    ("where", "named"),
    [
        (".", JOB),
        (".", f"{JOB}/"),
        (".", f"./{JOB}"),
        (".", f"{JOB}/run_submit.script"),
        (".", "{project}/Refine3D/job011"),
        ("/", "{project}/Refine3D/job011/"),
        ("/", "{project}/Refine3D/job011/run_submit.script"),
        ("Refine3D", "job011"),
        (JOB, "."),
        (JOB, "run_submit.script"),
        ("Select/job007", JOB),
        (".", "Refine3D/best"),
        ("Select/job007", "Refine3D/best"),
    ],
)
def test_a_job_is_found_by_each_of_its_names(
    where: str,
    named: str,
    script: Path,
    project: Path,
    explain: Explain,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (project / "Refine3D" / "best").symlink_to("job011")
    monkeypatch.chdir(project / where)

    found = explain(named.format(project=project))

    assert (found.status, found.errors) == (0, "")
    assert found.text.startswith(f"{JOB} of {project}\n")


def test_a_script_outside_of_a_project_with_a_list_of_jobs_is_planned(
    script: Path, project: Path, explain: Explain
) -> None:
    (project / "default_pipeline.star").unlink()

    assert explain(script).text.startswith(f"{JOB} of {project}\n")


@pytest.mark.parametrize(
    ("named", "says"),
    [
        ("Refine3D/job012", 'did you mean "Refine3D/job011"?'),
        ("Select/job007", "is no job of RELION's that was to go to the queue"),
        ("Nothing/at/all", "has no job Nothing/at/all"),
        ("Refine3D", "has no job Refine3D"),
        ("", "give the job's name as in RELION"),
    ],
)
def test_what_is_no_job_is_named(named: str, says: str, script: Path, explain: Explain) -> None:
    found = explain(named)

    assert found.status == 1
    assert says in found.errors


def test_a_name_outside_of_a_project_is_refused(
    explain: Explain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    found = explain(JOB)

    assert found.status == 1
    assert f"There is no {JOB}, and {tmp_path} is in no RELION project" in found.errors


def test_another_file_is_no_submission_script(script: Path, explain: Explain) -> None:
    other = script.with_name("note.txt")
    other.write_text("not a script\n")

    found = explain(other)

    assert found.status == 0
    assert "does not name the job's run.out and run.err" in found["Basis"]
