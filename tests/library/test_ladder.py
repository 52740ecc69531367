"""What a job tries next that has filled a memory (ladder.sh)."""

from __future__ import annotations

import pytest

from .conftest import TOKEN, Shell
from .test_ranks import FITS, TABLE

AFTER = (
    "dispatch_goes_on_after=(gpu_memory host_memory)",
    "dispatch_goes_on_at_most=3",
    "dispatch_gives_up_after=2",
    "dispatch_script='#!/bin/bash'",
)
ON_GPUS = (f"dispatch_rank_table='{TABLE}'", "dispatch_ranks=9 dispatch_each=2 dispatch_seen=4")
MPS = "dispatch_sharing=mps"
FREE = "dispatch_free_ladder=(1000 4000)"
LADDER = "dispatch_rank_ladder=(9 5 3)"
TAKEN = 'echo "$dispatch_most_each:$dispatch_most_ranks:$dispatch_least_free:$dispatch_next"'


@pytest.mark.parametrize(
    ("what", "settings", "taken"),
    [
        ("gpu_memory", [*ON_GPUS, FREE], "1:::with 1 instead of 2 ranks on each GPU"),
        ("host_memory", [*ON_GPUS, FREE], "1:::with 1 instead of 2 ranks on each GPU"),
        ("gpu_memory", [*ON_GPUS, FREE, "dispatch_each=1"], "::1000:with --free_gpu_memory 1000"),
        ("host_memory", [*ON_GPUS, FREE, "dispatch_each=1"], ""),
        ("gpu_memory", [FREE, "dispatch_least_free=1000"], "::4000:with --free_gpu_memory 4000"),
        ("gpu_memory", [FREE, "dispatch_least_free=4000"], ""),
        ("gpu_memory", [FREE, "dispatch_each=-"], "::1000:with --free_gpu_memory 1000"),
        ("host_memory", [LADDER], ":5::with 5 instead of 9 ranks"),
        ("host_memory", [LADDER, "dispatch_most_ranks=5"], ":3::with 3 instead of 5 ranks"),
        ("host_memory", [LADDER, "dispatch_most_ranks=3"], ""),
        ("gpu_memory", [LADDER], ""),
        ("gpu_memory", [*ON_GPUS, "dispatch_seen=2 dispatch_ranks=5"], "1:::with 1 instead"),
    ],
)  # fmt: skip
def test_the_next_step_is_taken(what: str, settings: list[str], taken: str, shell: Shell) -> None:
    given = [*AFTER, *settings]
    said = shell.says(f"{MPS}; take_next_step {what} && {TAKEN}", given=given)

    assert said.startswith(taken)
    assert bool(said) == bool(taken)


MEMORY = "dispatch_memory_ladder=(65536 131072 250000)"
ASKED = 'echo "$dispatch_raised_from:$dispatch_least_memory:$dispatch_next"'


@pytest.mark.parametrize(
    ("what", "settings", "asked"),
    [
        ("host_memory", [MEMORY], "65536:131072:with 128 GiB instead of 64 GiB of memory"),
        ("host_memory", [MEMORY, "dispatch_least_memory=131072"], "131072:250000:with 244.1 GiB"),
        ("host_memory", [MEMORY, "dispatch_least_memory=250000"], ""),
        ("host_memory", [MEMORY, LADDER], "::with 5 instead of 9 ranks"),
        ("host_memory", [MEMORY, LADDER, "dispatch_most_ranks=3"], "65536:131072:with 128 GiB"),
        ("host_memory", [MEMORY, LADDER, "dispatch_script=''"], "65536:131072:with 128 GiB"),
        ("gpu_memory", [MEMORY], ""),
    ],
)  # fmt: skip
def test_more_memory_is_asked_for_when_no_other_step_is_left(
    what: str, settings: list[str], asked: str, shell: Shell
) -> None:
    said = shell.says(f"take_next_step {what} && {ASKED}", given=[*AFTER, *settings])

    assert said.startswith(asked)
    assert bool(said) == bool(asked)


def test_each_kind_of_step_by_itself(shell: Shell) -> None:
    assert shell("take_fewer_on_each || leave_more_free || take_fewer_ranks").returncode == 1
    given = [*ON_GPUS, FREE, LADDER]
    code = f"{MPS}; take_fewer_on_each; leave_more_free; take_fewer_ranks; {TAKEN}"
    assert shell.says(code, given=given) == "1:5:1000:with 5 instead of 9 ranks"
    assert shell("ask_for_more_memory || take_step_in_place host_memory").returncode == 1


def test_a_row_that_the_node_refuses_is_no_step(shell: Shell) -> None:
    refused = "dispatch_rank_table='1 mps 8000 3 2 10 ok 0; 0 0 1 - no -' dispatch_ranks=3"
    code = f"{MPS} dispatch_seen=1 dispatch_each=2; take_fewer_on_each"
    assert shell(code, given=[refused]).returncode == 1


@pytest.mark.parametrize(
    ("most", "seen", "fitted"),
    [
        ("", 4, "9 2 800 0:1:2:3"),
        ("2", 4, "9 2 800 0:1:2:3"),
        ("1", 4, "5 1 400 0:1:2:3"),
        ("1", 2, "3 1 400 0:1"),
    ],
)
def test_ranks_keep_to_what_was_learned(most: str, seen: int, fitted: str, shell: Shell) -> None:
    said = shell.says(
        f"{MPS} dispatch_memory=80000 dispatch_most_each={most} dispatch_seen={seen}; {FITS}",
        given=[f"dispatch_rank_table='{TABLE}'", "dispatch_ranks=9"],
    )

    *told, last = said.splitlines()
    assert last == fitted
    assert bool(told) == (seen == 2), "what was learned is told elsewhere"


def test_rows_that_relion_needs_stay(shell: Shell) -> None:
    rows = "24000 3 2 900 ok 0; 8000 3 2 900 tight 0; 0 0 2 - no -"
    assert shell.says(f"dispatch_most_each=1; rows_within_limits '{rows}'") == f"{rows};"
    assert shell.says(f"rows_within_limits '{rows}'") == rows
    assert shell.says("dispatch_most_each=1; rows_within_limits ''") == ""
    kept = shell.says(
        "dispatch_most_each=2; rows_within_limits '9 7 3 9 ok 0; 5 5 2 6 ok 0; 3 3 1 3 ok 0'"
    )
    assert kept == " 5 5 2 6 ok 0; 3 3 1 3 ok 0;"


def test_the_limits_are_in_the_record_and_in_words(shell: Shell) -> None:
    kept = "dispatch_most_each=1 dispatch_most_ranks=5 dispatch_least_free=2000 "
    kept += "dispatch_least_memory=65536"
    lines = shell.says(f"{kept}; values_of_limits")
    limits = ["most_each 1", "most_ranks 5", "free_gpu_memory 2000", "memory_mib 65536"]
    assert lines.split("\n") == limits
    assert shell.says("values_of_limits") == ""

    (shell.job / "record").write_text(f"token {TOKEN}\n{lines}\n")
    read = f'learn_limits "$dispatch_folder/record"; {TAKEN}; '
    read += "echo $dispatch_ranks $dispatch_least_memory"
    assert shell.says(read).split("\n") == ["1:5:2000:", "5 65536"]
    (shell.job / "record").write_text(f"token {TOKEN}\nmost_each 10\n")
    assert shell.says(read).split("\n") == ["10:::", "5"]

    assert shell.says(f"{kept}; limits_in_words") == (
        "at most 1 rank on each GPU and at most 5 ranks and --free_gpu_memory 2000 "
        "and 64 GiB of memory"
    )
    assert shell.says("limits_in_words") == ""
    assert shell.says("ranks_in_words 1; ranks_in_words 2") == "1 rank\n2 ranks"
    assert shell.says("memory_in_words 65536; memory_in_words 250000") == "64 GiB\n244.1 GiB"


def test_run_out_says_with_what_a_run_begins(shell: Shell) -> None:
    said = shell.says("dispatch_run=2 dispatch_most_each=1; say_from_where here")
    assert (
        said == "relion-dispatch: Run 2 of the job goes on here; with at most 1 rank on each GPU."
    )


FAILED = (
    "known_endings() { printf '%s\\n' 'full gpu' 'a GPU is full: wait' gpu_memory "
    "'full host' 'memory is full' host_memory 'odd' 'it is odd' ''; }; dispatch_program=relion_x; "
    'dispatch_status=1; : >"$dispatch_errfile"; remember_texts; echo "$SAYS" >"$dispatch_errfile"; '
)


@pytest.mark.parametrize(
    ("says", "kind", "cause"),
    [
        ("ERROR:\nfull gpu", "gpu_memory", "a GPU is full: wait. RELION said: full gpu"),
        ("full host", "host_memory", "memory is full"),
        ("odd", "", "it is odd"),
        ("nothing", "", "relion_x ended with status 1: read its last lines"),
    ],
)
def test_an_ending_has_a_kind(says: str, kind: str, cause: str, shell: Shell) -> None:
    (shell.job / "run.err").touch()
    assert shell.says(f"{FAILED} kind_of_cause", SAYS=says) == kind
    assert shell.says(f"{FAILED} cause", SAYS=says).startswith(cause)
    assert len(shell.says(f"{FAILED} cause_and_kind", SAYS=says).split("\n")) == 1 + bool(kind)


@pytest.mark.parametrize(
    ("says", "given", "cut"),
    [
        ("full gpu", (), "gpu_memory"),
        ("full host", (), ""),  # nothing is left to try
        ("odd", (), ""),
        ("full gpu", ("dispatch_goes_on_after=(host_memory)",), ""),
        ("full gpu", ("dispatch_script=''",), ""),
        ("full gpu", ("dispatch_goes_on_at_most=0",), ""),
        ("full gpu", ("dispatch_free_ladder=()",), ""),
    ],
)
def test_a_job_goes_on_with_less(says: str, given: tuple[str, ...], cut: str, shell: Shell) -> None:
    (shell.job / "run.err").touch()
    code = f'{FAILED} go_on_with_less; echo "$dispatch_cut:$?"'
    assert shell.says(code, given=[*AFTER, FREE, *given], SAYS=says) == f"{cut}:0"


def test_a_failed_program_is_asked_about_where_the_scheduler_says_nothing(shell: Shell) -> None:
    (shell.job / "run.err").touch()
    code = 'why_it_ends() { echo %s; }; learn_why_cut %d; echo "$dispatch_cut"'
    for why, signal, cut in (("", 0, "gpu_memory"), ("", 15, ""), ("preemption", 0, "")):
        said = shell.says(FAILED + code % (why, signal), given=[*AFTER, FREE], SAYS="full gpu")
        assert said == cut


def test_a_signal_behind_a_full_memory_counts(shell: Shell) -> None:
    """The job was cancelled, or gives way, while its script was about to go on with less."""
    code = "dispatch_cut=%s dispatch_raised_from=1; why_it_ends() { echo %s; }; learn_why_cut 15; "
    code += 'echo "$dispatch_cut"'
    given = ("dispatch_goes_on_after=(gpu_memory preemption)", *AFTER[1:])
    for before, why, after in (
        ("gpu_memory", "", ""),
        ("gpu_memory", "preemption", "preemption"),
        ("preemption", "", "preemption"),
    ):
        assert shell.says(code % (before, why), given=given) == after


@pytest.mark.parametrize("why", ["preemption", ""])
def test_a_signal_behind_a_full_memory_leaves_the_job_with_the_memory_that_it_has(
    why: str, shell: Shell
) -> None:
    """Neither run.out nor the next run takes the job for one that has more."""
    code = f"ask_for_more_memory; dispatch_cut=host_memory; why_it_ends() {{ echo {why}; }}; "
    given = ("dispatch_goes_on_after=(host_memory preemption)", *AFTER[1:], MEMORY)
    asked = shell.says(f"{code}{ASKED}", given=given).split(":")
    assert int(asked[1]) > int(asked[0]) and "GiB" in asked[2]

    said = shell.says(f"{code}learn_why_cut 15; {ASKED}", given=given)

    assert said == f":{asked[0]}:"
    code = f"dispatch_next='with less'; forget_more_memory; {ASKED}"
    assert shell.says(code) == "::with less", "if none was asked for"


def test_a_job_knows_the_memory_that_it_has_not_got(shell: Shell) -> None:
    (shell.job / "record").write_text(f"token {TOKEN}\nmemory_mib 131072\n")
    code = 'memory_of_job() { echo %s; }; learn_limits "$dispatch_folder/record"; '
    code += 'echo "$dispatch_least_memory"'
    for given, kept in (("", "131072"), ("65536", "65536"), ("250000", "131072"), ("0", "131072")):
        assert shell.says(code % given) == kept
    (shell.job / "record").write_text(f"token {TOKEN}\n")
    assert shell.says(code % "65536") == ""
    said = shell.says("SLURM_MEM_PER_NODE=65536; memory_of_job", scheduler="slurm")
    assert (said, shell.says("memory_of_job"), shell.says("memory_at_most 5")) == ("65536", "", "5")


def test_a_full_memory_is_not_the_same_run_again(shell: Shell) -> None:
    code = "reached() { echo %d; }; idle_runs 3 1 %s"
    assert shell.says(code % (3, "gpu_memory")) == "1"
    assert shell.says(code % (3, "time_limit")) == "2"
    assert shell.says(code % (4, "gpu_memory")) == "0"
    assert shell("is_full_memory host_memory && ! is_full_memory ''").returncode == 0


def test_the_end_says_what_was_tried(shell: Shell) -> None:
    (shell.job / "run.err").touch()
    kept = "dispatch_most_each=1 dispatch_least_free=4000; "
    tried = " The job was tried with at most 1 rank on each GPU and --free_gpu_memory 4000."
    assert shell.says(FAILED + kept + "say_what_was_tried", SAYS="full gpu") == tried
    assert shell.says(FAILED + kept + "say_what_was_tried", SAYS="odd") == ""
    assert shell.says(FAILED + "say_what_was_tried", SAYS="full gpu") == ""
