"""How job scripts end, whatever happens: one exit file, one sentence, nothing left behind.

bash, coreutils, signals and processes are real; programs that stand in for RELION's are only asked
to end in some way, and to write what the real ones write.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from ...fixture_types import CorpusJob
from .running_job import RunningJob, exit_files

pytestmark = pytest.mark.usefixtures("images")


def test_relions_programs_write_their_exit_files_where_relion_does_not_look(
    corpus_job: CorpusJob, running_job: RunningJob, tmp_path: Path
) -> None:
    """The second program finds no SUCCESS in the job's folder that the first would have left."""
    script = corpus_job("relion-4.0.2/MultiBody_job005")
    seen = tmp_path / "seen"

    running_job.run(
        script,
        ON_RUN=f"ls MultiBody/job005 | grep EXIT >> {seen}; "
        'touch "${CONTROL}RELION_JOB_EXIT_SUCCESS"',
    )

    assert len((tmp_path / "recorded").read_text().split("\0\n")) == 3
    assert seen.read_text() == ""
    assert exit_files(script) == {"SUCCESS"}


def test_a_middle_command_that_fails_ends_the_job(
    corpus_job: CorpusJob, running_job: RunningJob, tmp_path: Path
) -> None:
    script = corpus_job("relion-4.0.2/MultiBody_job005")

    done = running_job.run(script, ON_RUN='touch "${CONTROL}RELION_JOB_EXIT_FAILURE"; exit 3')

    assert done.returncode == 3
    assert exit_files(script) == {"FAILURE"}
    assert (tmp_path / "recorded").read_text().count("relion_") == 1


@pytest.mark.parametrize("name", ["PostProcess_job016", "External_job023"])
@pytest.mark.parametrize(("status", "ending"), [(0, "SUCCESS"), (1, "FAILURE")])
def test_what_the_loader_says_to_each_program_decides_nothing(
    name: str,
    status: int,
    ending: str,
    corpus_job: CorpusJob,
    running_job: RunningJob,
    tmp_path: Path,
) -> None:
    """In an image and on the host, which lacks the libraries that LD_PRELOAD names."""
    script = corpus_job(f"relion-5.0.1/{name}")
    tool = tmp_path / "tool"
    tool.write_text(f"#!/bin/bash\nexit {status}\n")
    tool.chmod(0o755)
    script.write_text(script.read_text().replace("/opt/bin/mytool.py", str(tool)))

    running_job.run(script, ON_RUN=f"exit {status}", LD_PRELOAD="libdlfaker.so:libvglfaker.so")

    said = (script.parent / "run.err").read_text()
    assert "libdlfaker.so" in said
    assert exit_files(script) == {ending}
    assert "a library is missing" not in said


@pytest.mark.parametrize(
    ("writes", "status", "left"),
    [
        ("", 0, "SUCCESS"),
        ("SUCCESS", 0, "SUCCESS"),
        ("FAILURE", 0, "FAILURE"),
        ("SUCCESS FAILURE", 0, "FAILURE"),
        ("SUCCESS", 9, "FAILURE"),
        ("ABORTED", 0, "ABORTED"),
        ("ABORTED FAILURE", 1, "ABORTED"),
    ],
)
@pytest.mark.parametrize("where", ["${CONTROL}", "PostProcess/job016/"])
def test_exactly_one_exit_file_is_left(
    where: str, writes: str, status: int, left: str, job: Path, running_job: RunningJob
) -> None:
    """Also where a program writes into the job's folder itself, as External jobs do."""
    files = " ".join(f'"{where}RELION_JOB_EXIT_{each}"' for each in writes.split())

    done = running_job.run(job, ON_RUN=f"{f'touch {files};' if files else ''} exit {status}")

    assert exit_files(job) == {left}
    assert (done.returncode == 0) == (left == "SUCCESS" or (left, status) == ("ABORTED", 0))
    assert not list(job.parent.glob(".dispatch_control*"))


def test_success_says_nothing(job: Path, running_job: RunningJob) -> None:
    running_job.run(job)

    assert (job.parent / "run.err").read_text() == ""
