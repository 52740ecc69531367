"""What a hook that was killed has left half-written goes; a hook that lives keeps its files."""

from __future__ import annotations

import pytest

from .conftest import TOKEN, Shell


@pytest.mark.parametrize(
    ("hook", "newest", "stays"),
    [
        (":", TOKEN, False),
        ("exec 5>>$dispatch_job/.dispatch.json.lock; flock 5", TOKEN, True),
        (":", "ba9876543210", True),
    ],
    ids=["no hook", "a hook at work", "submitted anew"],
)
def test_only_what_no_hook_writes_is_removed(
    hook: str, newest: str, stays: bool, shell: Shell
) -> None:
    (shell.job / "run_submit.script.run").write_text(f"dispatch_token={newest}\n")
    notes = ("..dispatch_hook", f"..dispatch_watcher.{TOKEN}", f"..dispatch_id.{TOKEN}")
    lost = f".dispatch.run.{TOKEN}.1"  # by `resume`
    names = (".dispatch.json", ".run_submit.script.run", lost, *notes)
    unfinished = [shell.job / f"{name}.0123456789abcdef.new" for name in names]
    whole = shell.job / f".dispatch_watcher.{TOKEN}"
    whole.touch()
    of_another_run = shell.job / f".dispatch.run.{TOKEN}.3.new"
    of_another_run.touch()
    for file in unfinished:
        file.touch()
    (shell.job / ".dispatch.json.lock").touch()

    shell(f"{hook}; remove_unfinished")

    assert [file.exists() for file in unfinished] == [stays] * 6
    assert whole.exists()
    assert of_another_run.exists(), "that run may be writing"


def test_a_note_of_another_user_cancels_nothing(shell: Shell) -> None:
    """Such a number may be any job's of this user."""
    shell.stand_in("scancel")
    (shell.job / "RELION_JOB_EXIT_SUCCESS").touch()
    note = shell.job / f".dispatch_watcher.{TOKEN}"
    note.write_text("18\n")
    owner = "test() { false; }; [() { false; }; dismiss_watcher"  # as `-O` says of their file

    shell(owner, scheduler="slurm", SCANCEL_LOG=shell.log)

    assert not shell.log.exists()


def test_the_lock_is_opened_for_writing(shell: Shell) -> None:
    """NFS gives no lock on a file that is open for reading; flock is a stand-in that looks."""
    (shell.job / "run_submit.script.run").write_text(f"dispatch_token={TOKEN}\n")
    unfinished = shell.job / ".run_submit.script.run.0123456789abcdef.new"
    unfinished.touch()
    (shell.job / ".dispatch.json.lock").touch()

    shell('flock() { grep -q "^flags:.*2$" /proc/self/fdinfo/7; }; remove_unfinished')

    assert not unfinished.exists()
