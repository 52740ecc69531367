"""From where a job goes on (from_where.sh)."""

from __future__ import annotations

from pathlib import Path

import pytest

from ..refinement_files import write_iteration
from .conftest import Shell
from .goes_on import GOES_ON, REFINE, SECOND

pytestmark = pytest.mark.usefixtures("library_file")


def test_the_first_run_begins_at_the_beginning(shell: Shell) -> None:
    write_iteration(shell.job, 3)
    assert shell.says(f'{REFINE}; echo "$dispatch_from:"', given=GOES_ON) == ":"


def test_a_refinement_goes_on_from_its_last_iteration(shell: Shell, control: Path) -> None:
    for number in (1, 2, 3):
        write_iteration(shell.job, number)
    (shell.job / "run_it003_data.star").write_text("data_particles\n")

    said = shell.says(
        f'{SECOND}{REFINE}; echo "$dispatch_from $dispatch_from_iteration"', given=GOES_ON
    )

    optimiser = control / "run_it002_optimiser.star"
    assert said.split("\n") == [
        "relion-dispatch: Run 2 of the job goes on from iteration 2.",
        f"{optimiser.relative_to(shell.project)} 2",
    ]
    lines = optimiser.read_text().splitlines()
    kept = (shell.job / "run_it002_optimiser.star").read_text().splitlines()
    (changed,) = [each for each in zip(lines, kept, strict=True) if each[0] != each[1]]
    assert changed[0].split() == ["_rlnOutputRootName", "./Refine3D/job001/run"]
    assert changed[1].split() == ["_rlnOutputRootName", "Refine3D/job001/run"]
    assert not list(shell.job.glob("run_it003_*")), "half an iteration is no iteration"


def test_a_refinement_without_a_whole_iteration_begins_anew(shell: Shell, control: Path) -> None:
    said = shell.says(f'{SECOND}{REFINE}; echo "$dispatch_from:"', given=GOES_ON)
    assert said.split("\n")[-1] == ":"
    assert "from the beginning" in said


def test_finished_commands_are_not_asked_about(shell: Shell, control: Path) -> None:
    write_iteration(shell.job, 3)
    said = shell.says(f'{SECOND}dispatch_done=1; {REFINE}; echo "$dispatch_from:"', given=GOES_ON)
    assert said == ":"


def test_a_finished_command_is_passed_over_and_the_next_one_goes_on(
    shell: Shell, control: Path
) -> None:
    write_iteration(shell.job, 4)
    code = (
        f"{SECOND}dispatch_done=1; begin_guard() {{ :; }}; "
        f"{REFINE}; dispatch_continuation=(echo again one); run echo first one; "
        f"{REFINE}; dispatch_continuation=(echo again two); run echo first two; "
        'run echo three; echo "$dispatch_done"'
    )
    said = shell.says(code, given=[*GOES_ON])
    assert said.split("\n")[1:] == ["again two", "three", "3"]


def test_a_refinement_that_has_written_nothing_has_no_newest_iteration(shell: Shell) -> None:
    assert shell.says("dispatch_root=Refine3D/job001/run; newest_iteration || echo none") == "none"


def test_run_out_says_from_where_a_run_goes_on(shell: Shell) -> None:
    said = shell.says("say_from_where here", given=GOES_ON)
    assert said == "relion-dispatch: Run 1 of the job goes on here."


def test_the_next_command_is_given_from_where_it_goes_on(shell: Shell, control: Path) -> None:
    write_iteration(shell.job, 4)
    code = f"{SECOND}dispatch_root=Refine3D/job001/run; prepare_iteration >/dev/null; "
    assert shell.says(f'{code}echo "$dispatch_from"', given=GOES_ON).endswith(
        "/run_it004_optimiser.star"
    )
    assert (control / "run_it004_optimiser.star").exists()
    code = f"{SECOND}prepare_unfinished >/dev/null; "
    assert shell.says(f'{code}echo "$dispatch_from"', given=GOES_ON) == "yes"
