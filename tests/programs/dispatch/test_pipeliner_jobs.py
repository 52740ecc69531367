"""All that asks whether a command line is of the CCP-EM Pipeliner's answers alike.

The Pipeliner looks for exit files of its own. If one program took its job for one of RELION's, or
one of RELION's for its, whoever waits for the end would wait for ever.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dispatcher.refusal.tell_end import pipeliner_job
from dispatcher.relion.submission import parse_submission

from .refusing_programs import REFUSING

JOB = "Refine3D/job011"
THE_PIPELINERS = [
    # As the Pipeliner and Doppio write it.
    f"/usr/bin/python3 /e/pipeliner/scripts/job_runner.py {JOB}/job.star",
    f"'/my env/python3' '/my env/job_runner.py' {JOB}/run.job",
    f"/opt/doppio/doppio-web run-script /d/job_runner.py '{JOB}/job.star'",
    # As a template may have it.
    f"python3 job_runner.py {JOB}/job.star",
    f"\tpython3\t/e/job_runner.py  {JOB}/job.star \r",
    f"mpirun -n 1 python3 /e/job_runner.py {JOB}/job.star > {JOB}/run.out 2> {JOB}/run.err &",
    f"source /sw/env.sh&&python3 /e/job_runner.py {JOB}/job.star>run.out;",
    f'python3 "/o\'neill/*/job_runner.py" "{JOB}/job.star" --verbose # again',
]
RELIONS = [
    # A user's own program of that name, and what is no job of this project.
    f"/home/me/job_runner.py --o {JOB}/ --in_mics job.star",
    f"python3 /home/me/job_runner.py {JOB}/particles.star",
    f"python3 /home/me/my_job_runner.py {JOB}/job.star",
    f"python3 /home/me/job_runner.py.old {JOB}/job.star",
    f"python3 /home/me/job_runner.py: {JOB}/job.star",
    f"python3 /home/me/job_runner.py -x {JOB}/job.star",
    f"python3 /e/job_runner.py/ {JOB}/job.star",
    f"python3 job_runner.py /elsewhere/{JOB}/job.star",
    "python3 job_runner.py job.star",
    "python3 job_runner.py /job.star",
    f"python3 other.py {JOB}/job.star",
    f"# python3 /e/job_runner.py {JOB}/job.star",
    f"python3 other.py # /e/job_runner.py {JOB}/job.star",
    f"`which relion_refine` --o {JOB}/run",
]
LINES = [*((line, JOB) for line in THE_PIPELINERS), *((line, None) for line in RELIONS)]
every_line = pytest.mark.parametrize(("line", "job"), LINES, ids=[line for line, _ in LINES])


@every_line
def test_the_pipeliners_job_runner_is_known_by_what_it_runs(line: str, job: str | None) -> None:
    assert pipeliner_job(line) == job


@pytest.mark.parametrize("line", [line for line in THE_PIPELINERS if "source" not in line])
def test_a_job_of_the_pipeliners_is_named_by_its_command(line: str) -> None:
    """Its output file is named as seen from where the job's programs run."""
    submission = parse_submission(f"run.out\nrun.err\n{line}\n", "run_submit.script")

    assert (submission.job, submission.is_pipeliners) == (JOB, True)
    assert submission.main.base_program == "job_runner.py"


@pytest.mark.parametrize("line", [line for line in RELIONS if line[0] != "#"])
def test_any_other_command_is_planned_as_one_of_relions(line: str) -> None:
    text = f"{JOB}/run.out\n{JOB}/run.err\n{line}\n"
    submission = parse_submission(text, "run_submit.script")

    assert not submission.is_pipeliners
    assert submission.main.base_program != "job_runner.py" or line.startswith("/home")


@pytest.mark.parametrize("program", REFUSING, ids=lambda program: program.__name__)
def test_all_that_refuses_a_job_tells_the_pipeliner_of_its_jobs_alone(
    program: Callable[[Path, str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lines of others stand in one submission: one that is taken for the Pipeliner's shows."""
    scripts = ["".join(f"{line}\n" for line in RELIONS), *THE_PIPELINERS]  # some without an end
    told = []
    for number, script in enumerate(scripts):
        project = tmp_path / f"project{number}"
        (folder := project / JOB).mkdir(parents=True)
        (folder / "run_submit.script").write_text(script, newline="")
        (tools := tmp_path / f"programs{number}").mkdir()
        monkeypatch.chdir(project)

        program(tools, f"{JOB}/run_submit.script")

        assert (folder / "RELION_JOB_EXIT_FAILURE").exists()
        told.append((folder / "PIPELINER_JOB_EXIT_FAILED").exists())

    assert told == [False, *[True] * len(THE_PIPELINERS)]
