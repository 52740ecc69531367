"""From where a job goes on, and whether it does (goes_on.sh)."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from dispatcher.config.ends_from_outside import CAUSES

from ..refinement_files import write_iteration, write_map
from .conftest import TOKEN, Shell
from .test_runs import GOES_ON

REFINE = "goes_on_from refine Refine3D/job001/run"
UNFINISHED = "goes_on_from unfinished Refine3D/job001"
CUT = 'learn_why_cut 15; give_up_if_idle; echo "cut:$dispatch_cut:$dispatch_reason"'


@pytest.fixture(autouse=True)
def library_file(shell: Shell) -> None:
    """What this submission writes is newer than its library."""
    file = shell.job / "run_submit.script.lib"
    file.touch()
    os.utime(file, (1, 1))


@pytest.fixture
def control(shell: Shell) -> Path:
    """The control folder of the second run."""
    folder = shell.job / f".dispatch_control.{TOKEN}.2"
    folder.mkdir(mode=0o700)
    return folder


SECOND = (
    "dispatch_run=2; dispatch_control=$dispatch_job/.dispatch_control.$(run_token 2); "
    "open_control; "
)


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


def test_without_an_iteration_it_begins_again(shell: Shell, control: Path) -> None:
    said = shell.says(f'{SECOND}{REFINE}; echo "$dispatch_from:"', given=GOES_ON)
    assert said.split("\n")[-1] == ":"
    assert "from the beginning" in said


def test_finished_commands_are_not_asked_about(shell: Shell, control: Path) -> None:
    write_iteration(shell.job, 3)
    said = shell.says(f'{SECOND}dispatch_done=1; {REFINE}; echo "$dispatch_from:"', given=GOES_ON)
    assert said == ":"


def test_other_programs_go_on_with_what_is_not_finished(shell: Shell, control: Path) -> None:
    shell("remove_half_written")  # there is nothing yet
    folder = shell.job / "Movies"
    folder.mkdir()
    write_map(folder / "whole.mrcs")
    (folder / "whole.star").write_text("data_\n\nloop_\n_rlnX #1\n1\n \n")
    (folder / "name\nwhole.star").write_text("x")
    for name in ("cut.mrc", "cut.star", "cut_extract.txt", "empty.star", "a.txt", "old.txt"):
        (folder / name).write_text("" if name == "empty.star" else "x")
    for file in folder.iterdir():
        age = 300 if file.name.startswith("old") else 30 if "cut" in file.name else 0
        os.utime(file, (1_800_000_000 - age, 1_800_000_000 - age))

    said = shell.says(f'{SECOND}{UNFINISHED}; echo "$dispatch_from"; outputs | sort', given=GOES_ON)

    first, yes, *left = said.split("\n")
    assert first == "relion-dispatch: Run 2 of the job goes on with what is not finished."
    assert yes == "yes"
    kept = ["old.txt", "whole.mrcs", "whole.star"]
    assert [Path(each).name for each in left if "/" in each and "name" not in each] == kept
    assert shell.says("last_output; written_below -name '*.mrcs' | wc -l") == "1800000000\n1"
    assert shell.says("unfinished_tables") == ""
    assert shell.says(f'is_whole_table "{folder}/whole.star" && echo whole') == "whole"


def test_what_an_earlier_submission_has_written_stays(shell: Shell, control: Path) -> None:
    folder = shell.job / "Movies"
    folder.mkdir()
    (folder / "mic1.mrc").write_text("cut")
    (folder / "mic1_PS.mrc").write_text("cut")
    old = folder / "mic1_2.mrc"
    old.write_text("finished")
    os.utime(old, (0, 0))
    shell("remove_half_written")
    assert list(folder.iterdir()) == [old]


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


@pytest.mark.parametrize(("why", "cut"), [("time_limit", True), ("preemption", False), ("", False)])
def test_a_run_is_cut_by_what_the_job_survives(why: str, cut: bool, shell: Shell) -> None:
    write_iteration(shell.job, 1)
    code = f"why_it_ends() {{ echo {why}; }}; {REFINE}; {CUT}"
    assert shell.says(code, given=GOES_ON) == f"cut:{why if cut else ''}:"
    assert shell.says(code) == "cut::"


def test_a_job_that_is_aborted_does_not_go_on(shell: Shell) -> None:
    write_iteration(shell.job, 1)
    (shell.job / "RELION_JOB_ABORT_NOW").touch()
    assert (
        shell.says(f"why_it_ends() {{ echo time_limit; }}; {REFINE}; {CUT}", given=GOES_ON)
        == "cut::"
    )


def test_a_run_that_was_cut_before_its_program_began_is_not_one_without_progress(
    shell: Shell,
) -> None:
    code = f"why_it_ends() {{ echo time_limit; }}; dispatch_run=2 dispatch_idle_before=1; {CUT}"
    assert shell.says(code, given=GOES_ON) == "cut:time_limit:"


@pytest.mark.parametrize("over", ["RELION_JOB_EXIT_FAILURE", f".dispatch_claim.{TOKEN}.2"])
def test_a_run_whose_job_is_over_or_goes_on_is_not_cut(over: str, shell: Shell) -> None:
    (shell.job / over).touch()
    (shell.job / f".dispatch_claim.{TOKEN}.2").unlink(missing_ok=True)
    if "claim" in over:
        (shell.job / over).symlink_to("gpu2, process 5, 2026, job 17")
    assert shell.says(f"why_it_ends() {{ echo time_limit; }}; {CUT}", given=GOES_ON) == "cut::"


def test_a_lost_lease_is_a_lost_node(shell: Shell) -> None:
    write_iteration(shell.job, 1)
    assert (
        shell.says(f"dispatch_lost_lease=yes; {REFINE}; {CUT}", given=GOES_ON) == "cut:lost_node:"
    )


def test_it_goes_on_so_often(shell: Shell) -> None:
    write_iteration(shell.job, 1)
    code = f"why_it_ends() {{ echo time_limit; }}; {REFINE}; dispatch_run=%d; {CUT}"
    assert shell.says(code % 3, given=GOES_ON) == "cut:time_limit:"
    assert "the site allows: continue the job in RELION" in shell.says(code % 4, given=GOES_ON)


def test_it_gives_up_after_runs_that_brought_nothing(shell: Shell) -> None:
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


def test_run_out_says_that_the_job_goes_on(shell: Shell) -> None:
    write_iteration(shell.job, 7)
    code = f"{REFINE}; dispatch_cut=%s; say_that_it_goes_on; echo $dispatch_to_iteration"
    assert shell.says(code % "time_limit", given=GOES_ON).split("\n") == [
        "relion-dispatch: Run 1 of the job reached its time limit after iteration 7: "
        "the job goes on by itself.",
        "7",
    ]
    assert "gave way to a job" in shell.says(code % "preemption", given=GOES_ON)


def test_it_has_words_for_each_cause_that_the_plan_knows(shell: Shell) -> None:
    branches = re.findall(r"^ +(\w+)\)$", shell.says("declare -f cut_in_words"), re.MULTILINE)

    assert set(branches) == set(CAUSES)
    assert "its machine stops" in shell.says("cut_in_words lost_node")


@pytest.mark.parametrize(("written", "lines"), [('  3/ 60 sec ..~~(,_,">', 2), ("yum!\n", 1)])
def test_that_it_goes_on_stands_on_a_line_of_its_own(
    written: str, lines: int, shell: Shell
) -> None:
    (shell.job / "run.out").write_text(written)
    said = shell("dispatch_cut=time_limit; say_that_it_goes_on", given=GOES_ON).stdout
    assert said.count("\n") == lines


def test_the_next_run_is_the_schedulers_to_start(shell: Shell) -> None:
    (shell.job / f".dispatch_lease.{TOKEN}.1").touch()
    code = (
        "dispatch_session=$$ dispatch_cut=time_limit dispatch_status=143; "
        "start_next_run() { %s; }; "
        "go_on; echo $dispatch_ending"
    )
    assert shell.says(code % "true", given=GOES_ON) == ""
    assert not (shell.job / f".dispatch_lease.{TOKEN}.1").exists()

    record = shell.job / f"dispatch.run.{TOKEN}.1"
    record.touch()
    refused = shell(code % "false", given=GOES_ON)

    assert refused.stdout.strip() == "FAILURE"
    assert "its scheduler did not take the next run" in refused.stderr
    assert not record.exists()
    assert "ending FAILURE" in (shell.job / f"dispatch.run.{TOKEN}").read_text()
    assert (shell.job / "RELION_JOB_EXIT_FAILURE").exists()


def test_a_next_run_that_has_begun_is_not_started_again(shell: Shell) -> None:
    """Its scheduler would end it."""
    (shell.job / f".dispatch_claim.{TOKEN}.2").symlink_to("gpu2, process 5, 2026, job 17")
    record = shell.job / f"dispatch.run.{TOKEN}.1"
    record.touch()
    code = "dispatch_cut=lost_node; start_next_run() { echo starts; false; }; go_on"
    assert shell.says(code, given=GOES_ON) == ""
    assert record.exists()


def test_a_machine_that_stops_ends_its_jobs(shell: Shell) -> None:
    program = shell.programs / "systemctl"
    program.write_text("#!/bin/sh\necho stopping\nexit 1\n")
    program.chmod(0o755)
    assert shell.says("why_it_ends 15; why_it_ends 2; start_next_run; echo $?") == "lost_node\n0"


def test_sentences_of_its_own(shell: Shell) -> None:
    said = shell.says("say_from_where here; why_no_more", given=GOES_ON).split("\n")
    assert said[0] == "relion-dispatch: Run 1 of the job goes on here."
    assert "it has gone on 3 times, which is the most that the site allows" in said[1]
    assert shell.says("dispatch_root=Refine3D/job001/run; newest_iteration || echo none") == "none"
