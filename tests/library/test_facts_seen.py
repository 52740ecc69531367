"""What a job script itself sees of the reason of a failure: signals, memory, disks."""

from __future__ import annotations

import re

import pytest

from .conftest import Shell


def test_what_the_script_has_seen_are_facts(shell: Shell) -> None:
    said = shell.says(
        "memory_kills() { echo 5; }; dispatch_kills_before=4\n"
        "dispatch_kept=$dispatch_folder; probe() { echo 'No space left on device'; return 1; }\n"
        'mkdir -p -m 700 "$dispatch_scratch"\n'
        "dispatch_facts=$'stopped by signal 15\\n'; facts_seen",
        given=[f"dispatch_scratch_for_all='{shell.project}/scratch'"],
    )

    assert said.splitlines() == [
        "stopped by signal 15",
        "oom-kill",
        "No space left on device",
        "scratch: No space left on device",
    ]


@pytest.mark.parametrize("noise", [{}, {"LD_PRELOAD": "libdlfaker.so"}, {"LC_ALL": "xx_XX.UTF-8"}])
def test_a_folder_that_can_be_written_to_passes_the_probe(
    noise: dict[str, str], shell: Shell
) -> None:
    """Whatever the loader or the shell writes to the standard error of each program."""
    assert shell.says(f"probe '{shell.project}'; echo $?", **noise) == "0"
    assert list(shell.project.glob(".dispatch_probe")) == []


@pytest.mark.parametrize("noise", [{}, {"LD_PRELOAD": "libdlfaker.so"}, {"LC_ALL": "de_DE.UTF-8"}])
@pytest.mark.parametrize(
    ("folder", "says"),
    [("/nowhere", "No such file or directory"), ("/dev/full/..", "Not a directory")],
)
def test_the_probe_says_what_is_wrong_with_a_folder(
    folder: str, says: str, noise: dict[str, str], shell: Shell
) -> None:
    done = shell(f"probe {folder}", **noise)

    assert done.returncode != 0
    assert says in done.stdout


def test_a_full_disk_does_not_pass_the_probe(shell: Shell) -> None:
    (shell.project / ".dispatch_probe").symlink_to("/dev/full")

    done = shell(f"probe '{shell.project}'", LD_PRELOAD="libdlfaker.so")

    assert done.returncode != 0
    assert "No space left on device" in done.stdout


def test_memory_kills_are_counted_or_nothing_is_said(shell: Shell) -> None:
    done = shell("memory_kills")

    assert re.fullmatch(r"(\d+\n)*", done.stdout)
    assert done.stderr == ""
