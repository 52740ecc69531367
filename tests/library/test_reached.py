"""What a job has reached, and when it gives up (reached.sh)."""

from __future__ import annotations

from pathlib import Path

import pytest

from ..refinement_files import write_iteration
from .conftest import Shell
from .goes_on import CUT, GOES_ON, REFINE, SECOND, UNFINISHED

pytestmark = pytest.mark.usefixtures("library_file")


@pytest.mark.parametrize(
    ("iterations", "done", "began", "idle"),
    [(0, 0, 0, "2"), (3, 0, 0, "0"), (3, 0, 3, "2"), (0, 1, 3, "0")],
)
def test_what_is_reached_grows_with_commands_and_iterations(
    iterations: int, done: int, began: int, idle: str, shell: Shell
) -> None:
    for number in range(1, iterations + 1):
        write_iteration(shell.job, number)
    code = f"{REFINE}; dispatch_done={done}; reached; idle_runs {began} 1"
    reached, found = shell.says(code, given=GOES_ON).split("\n")
    assert int(reached) == done * 1000000 + iterations
    assert found == idle


def test_a_job_of_other_programs_counts_outputs(shell: Shell) -> None:
    (shell.job / "Movies").mkdir()
    (shell.job / "Movies" / "a").write_text("x")
    (shell.job / "run.out").write_text("x")
    assert shell.says(f"{UNFINISHED}; reached", given=GOES_ON) == "1"


def test_a_run_that_was_cut_before_its_program_began_is_not_one_without_progress(
    shell: Shell,
) -> None:
    code = f"why_it_ends() {{ echo time_limit; }}; dispatch_run=2 dispatch_idle_before=1; {CUT}"
    assert shell.says(code, given=GOES_ON) == "cut:time_limit:"


def test_a_job_gives_up_after_runs_that_brought_nothing(shell: Shell) -> None:
    code = (
        f"why_it_ends() {{ echo time_limit; }}; {REFINE}; count_runs_before; "
        f"dispatch_idle_before=%d; {CUT}"
    )
    assert shell.says(code % 0, given=GOES_ON) == "cut:time_limit:"
    said = shell.says(code % 1, given=GOES_ON)
    assert said.startswith(
        "cut::The job does not go on, because its last 2 runs ended without a new iteration"
    )
    assert "without a new output" in shell.says("dispatch_way=unfinished; why_given_up 2")


def test_a_lost_run_that_brought_nothing_counts_at_the_next_start(
    shell: Shell, control: Path
) -> None:
    code = (
        f"{SECOND}{REFINE}; trap 'echo \"$dispatch_reason\"' EXIT; dispatch_idle_before=%d; "
        "count_runs_before; count_runs_before; echo goes on"
    )
    assert shell.says(code % 0, given=GOES_ON).endswith("goes on\n")
    assert "its last 2 runs ended without" in shell.says(code % 1, given=GOES_ON)
