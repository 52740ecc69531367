"""The sentence with which run.err ends, and where RELION's window shows it."""

from __future__ import annotations

import re

import pytest

from dispatcher.jobs.abort import CANCELLED, how_aborted, want_abort
from dispatcher.refusal import IN_SIGHT, TWO_ROWS

from .conftest import JOB_TEMPLATE, TOKEN, Shell

CONTROL = f".dispatch_control.{TOKEN}"


def test_fail_ends_the_job_with_a_sentence(shell: Shell) -> None:
    done = shell("trap 'echo \"$dispatch_reason\"' EXIT; fail 'It cannot run,' 'as nothing does.'")

    assert (done.returncode, done.stdout) == (1, "It cannot run, as nothing does.\n")


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ("dispatch_ending=SUCCESS", ""),
        ("dispatch_ending=ABORTED", r"The job was aborted after 0:00:0\d."),
        (
            "dispatch_ending=ABORTED dispatch_overdue=5",
            r"The job was aborted after .*; its programs did not end .* within 5 s.",
        ),
        ("dispatch_ending=FAILURE dispatch_status=3", "The job failed after .* with status 3: .*"),
        ("dispatch_ending=FAILURE dispatch_reason='It is odd.'", "It is odd."),
    ],
)
def test_the_sentence_says_how_the_job_ended(state: str, sentence: str, shell: Shell) -> None:
    (shell.job / CONTROL).mkdir()

    done = shell(f"{state}; explain")

    expected = f"{IN_SIGHT}relion-dispatch: {sentence}\n" if sentence else ""
    assert re.fullmatch(expected, done.stderr)
    assert not (shell.job / CONTROL).exists()


@pytest.mark.parametrize(
    ("content", "how"),
    [
        (b"", "aborted in RELION"),
        (CANCELLED.encode() + b"\n", f"cancelled with `{CANCELLED}`"),
        (b"relion-dispatch cancels\n", "aborted in RELION"),
        (b"\xff\0" * 5000, "aborted in RELION"),
        (None, "aborted"),
    ],
)
def test_an_abort_is_called_by_who_made_it(content: bytes | None, how: str, shell: Shell) -> None:
    """The job's script and the commands say the same."""
    if content is not None:
        (shell.job / "RELION_JOB_ABORT_NOW").write_bytes(content)

    assert shell.says("how_aborted") == how
    assert how_aborted(shell.job) == how


def test_a_command_that_cancels_keeps_an_abort_of_relions(shell: Shell) -> None:
    (shell.job / "RELION_JOB_ABORT_NOW").touch()
    want_abort(shell.job)
    assert how_aborted(shell.job) == "aborted in RELION"

    (shell.job / "RELION_JOB_ABORT_NOW").unlink()
    want_abort(shell.job)
    assert how_aborted(shell.job) == f"cancelled with `{CANCELLED}`"


@pytest.mark.parametrize(("length", "twice"), [(0, False), (1, True)])
@pytest.mark.parametrize("by", ["explain", "say_in_sight 1>&2; say_if_long"])
def test_relions_window_shows_a_long_sentence_whole_as_the_end_of_run_out(
    by: str, length: int, twice: bool, shell: Shell
) -> None:
    sentence = "x" * (TWO_ROWS - len("relion-dispatch: ") + length)

    done = shell(f"dispatch_reason={sentence}; {by.replace(';', f' {sentence};')} {sentence}")

    said = f"relion-dispatch: {sentence}\n"
    assert (done.stderr, done.stdout) == (f"{IN_SIGHT}{said}", said if twice else "")


def test_relions_window_shows_what_the_template_says_if_it_is_run(shell: Shell) -> None:
    """RELION has filled it in for another queue command, which then runs it."""
    text = (JOB_TEMPLATE / "relion_template.sh").read_text()
    script = shell.project / "script"
    script.write_text(
        text.replace("XXXerrfileXXX", "Refine3D/job001/run.err").replace(
            "XXXnameXXX", "Refine3D/job001/"
        )
    )

    done = shell("bash script")

    said = (shell.job / "run.err").read_text()
    assert said.startswith(f"{IN_SIGHT}relion-dispatch: RELION gave this job to another queue")
    assert said.count("\n") == len(IN_SIGHT) + 1
    assert (done.returncode, [*shell.job.glob("RELION_JOB_EXIT_*")]) == (
        64,
        [shell.job / "RELION_JOB_EXIT_FAILURE"],
    )


def test_an_overtaken_job_says_so_in_run_out_only(shell: Shell) -> None:
    (shell.job / "run_submit.script.run").write_text("dispatch_token=ffffffffffff\n")

    done = shell("dispatch_ending=FAILURE; explain")

    assert done.stderr == ""
    assert "was submitted again" in done.stdout
