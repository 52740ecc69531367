"""How many ranks run, and on which devices: looked up by the GPUs that the nodes show."""

from __future__ import annotations

import os

import pytest

from .conftest import Shell

NODE = os.uname().nodename
ALL, NO = "0:1:2:3", "0 0 1 - no -"
TABLE = f"""\
4 mps 20000 9 2 800 ok {ALL}; 10000 5 1 400 ok {ALL}; 5000 5 1 400 tight {ALL}; {NO}\
 | shared 24000 9 2 900 ok {ALL}; 12000 5 1 450 ok {ALL}; 5000 5 1 450 tight {ALL}; {NO}\
 | exclusive 12000 5 1 450 ok {ALL}; 5000 5 1 450 tight {ALL}; {NO}
2 mps 20000 5 2 800 ok 0:1; 10000 3 1 400 ok 0:1; {NO}\
 | shared 24000 5 2 900 ok 0:1; {NO}\
 | exclusive 12000 3 1 450 ok 0:1; {NO}"""


FITS = 'fit_ranks; echo "$dispatch_ranks $dispatch_each $dispatch_predicted $dispatch_devices"'


@pytest.mark.parametrize(
    ("sharing", "memory", "fitted", "says"),
    [
        ("mps", 80000, "9 2 800 0:1:2:3", ""),
        ("mps", 20000, "9 2 800 0:1:2:3", ""),
        ("mps", 0, "9 2 800 0:1:2:3", ""),  # not known
        (
            "mps",
            19999,
            "5 1 400 0:1:2:3",
            "5 instead of 9 ranks: the job's smallest GPU has 19999 MiB, and",
        ),
        ("mps", 9999, "5 1 400 0:1:2:3", "at least 10000 MiB are recommended"),
        ("shared", 20000, "5 1 450 0:1:2:3", "and 9 ranks need 24000 MiB"),
        ("exclusive", 80000, "5 1 450 0:1:2:3", "accepts only one process without MPS"),
        ("exclusive", 0, "5 1 450 0:1:2:3", "accepts only one process without MPS"),
        ("exclusive", 6000, "5 1 450 0:1:2:3", "less GPU memory than recommended"),
    ],
)
def test_ranks_are_looked_up_by_the_smallest_card(
    sharing: str, memory: int, fitted: str, says: str, shell: Shell
) -> None:
    said = shell.says(
        f"dispatch_sharing={sharing} dispatch_memory={memory} dispatch_seen=4; {FITS}",
        given=[f"dispatch_rank_table='{TABLE}'", "dispatch_ranks=9"],
    )

    *told, last = said.splitlines()
    assert last == fitted
    assert says in "\n".join(told)
    assert bool(told) == bool(says)


@pytest.mark.parametrize(
    ("sharing", "table", "says"),
    [
        (
            "mps",
            TABLE,
            "The refinement does not fit: the job's smallest GPU has 4999 MiB, and RELION",
        ),
        (
            "exclusive",
            "4 shared 9 3 2 - ok 0 | exclusive 0 0 2 - no -",
            "and RELION needs 2 there",
        ),
    ],
)
def test_a_card_on_which_relion_cannot_run_ends_the_job(
    sharing: str, table: str, says: str, shell: Shell
) -> None:
    done = shell(
        f"trap 'echo \"$dispatch_reason\"' EXIT\n"
        f"dispatch_sharing={sharing} dispatch_memory=4999 dispatch_seen=4; fit_ranks",
        given=[f"dispatch_rank_table='{table}'", "dispatch_ranks=9"],
    )

    assert done.returncode == 1
    assert says in done.stdout


def test_one_rank_on_a_gpu_may_run_in_exclusive_mode(shell: Shell) -> None:
    said = shell.says(
        f"dispatch_sharing=exclusive dispatch_memory=9 dispatch_seen=''; {FITS}",
        given=["dispatch_rank_table='4 shared 8 5 1 7 ok 0:1:2:3; 0 0 1 - no -'"],
    )

    assert said == "5 1 7 0:1:2:3"


# Fewer GPUs than planned


@pytest.mark.parametrize(
    ("seen", "sharing", "fitted", "says"),
    [
        ("8", "mps", "9 2 800 0:1:2:3", ""),
        ("4", "mps", "9 2 800 0:1:2:3", ""),
        ("", "mps", "9 2 800 0:1:2:3", ""),  # not known
        ("3", "mps", "5 2 800 0:1", "5 instead of 9 ranks, on 2 instead of 4 GPUs: its node n1"),
        ("2", "shared", "5 2 900 0:1", "5 instead of 9 ranks, on 2 instead of 4 GPUs"),
        ("2", "exclusive", "3 1 450 0:1", "3 instead of 9 ranks, on 2 instead of 4 GPUs"),
    ],
)
def test_ranks_and_devices_are_looked_up_by_the_gpus_of_the_node(
    seen: str, sharing: str, fitted: str, says: str, shell: Shell
) -> None:
    said = shell.says(
        f"dispatch_sharing={sharing} dispatch_memory=80000 dispatch_seen={seen} "
        f"dispatch_fewest=n1; {FITS}",
        given=[f"dispatch_rank_table='{TABLE}'", "dispatch_ranks=9"],
    )

    *told, last = said.splitlines()
    assert last == fitted
    assert [says in each for each in told][:1] == ([True] if says else [])


def test_fewer_and_smaller_gpus_are_said_one_after_the_other(shell: Shell) -> None:
    said = shell.says(
        f"dispatch_sharing=mps dispatch_memory=12000 dispatch_seen=2 dispatch_fewest=n1; {FITS}",
        given=[f"dispatch_rank_table='{TABLE}'", "dispatch_ranks=9", "dispatch_nodes=2"],
    )

    fewer, smaller, fitted = said.splitlines()
    assert fewer.endswith(
        "with 5 instead of 9 ranks, on 2 instead of 4 GPUs of each node: its node n1 shows no more."
    )
    assert "3 instead of 5 ranks: the job's smallest GPU has 12000 MiB, and 5 ranks need" in smaller
    assert fitted == "3 1 400 0:1"


def test_a_single_process_runs_on_fewer_gpus(shell: Shell) -> None:
    table = "2 shared 10 1 1 7 ok 0,1; 0 0 1 - no -\n1 shared 20 1 1 9 ok 0; 0 0 1 - no -"

    said = shell.says(
        f"dispatch_sharing=shared dispatch_memory=0 dispatch_seen=1 dispatch_fewest=n1; {FITS}",
        given=[f"dispatch_rank_table='{table}'", "dispatch_ranks=1"],
    )

    assert said.splitlines() == [
        "relion-dispatch: The job runs on 1 instead of 2 GPUs: its node n1 shows no more.",
        "1 1 9 0",
    ]


@pytest.mark.parametrize(
    ("seen", "says"),
    [
        (1, "its node n1 shows only 1 of the job's GPUs, and the job needs at least 2: submit"),
        (0, "its node n1 shows none of the job's GPUs: submit the job again"),
    ],
)
def test_too_few_gpus_end_the_job(seen: int, says: str, shell: Shell) -> None:
    done = shell(
        "trap 'echo \"$dispatch_reason\"' EXIT\n"
        f"dispatch_sharing=mps dispatch_memory=0 dispatch_seen={seen} dispatch_fewest=n1\n"
        "fit_ranks",
        given=[f"dispatch_rank_table='{TABLE}'", "dispatch_ranks=9"],
    )

    assert done.returncode == 1
    assert says in done.stdout


def test_devices_that_the_command_names_are_left_to_it(shell: Shell) -> None:
    said = shell.says(
        f"dispatch_sharing=shared dispatch_memory=0 dispatch_seen=3; {FITS}",
        given=["dispatch_rank_table='3 shared 0 5 2 - ok -'", "dispatch_ranks=5"],
    )

    assert said == "5 2 - "


def test_a_job_without_a_table_keeps_its_plan(shell: Shell) -> None:
    assert shell.says(f"dispatch_seen=0; {FITS}") == "5   "


@pytest.mark.parametrize(
    ("seen", "sharing", "found"),
    [
        ("", "mps", "4 4: 1 m "),
        ("9", "shared", "4 4: 2 s"),
        ("3", "exclusive", "4 2: 4 e"),
        ("2", "mps", "4 2: 3 s "),
        ("4", "exclusive", "4 4: 2 s"),  # a GPU has one rank in any case
        ("1", "mps", "4 : "),
    ],
)
def test_rows_are_those_of_the_gpus_and_of_the_way_to_share(
    seen: str, sharing: str, found: str, shell: Shell
) -> None:
    table = "4 mps 1 m | shared 2 s\n2 mps,shared 3 s | exclusive 4 e"
    code = f"dispatch_seen={seen} dispatch_sharing={sharing}; find_rows"

    said = shell.says(
        f'{code}; echo "$planned_gpus $gpus: $rows"', given=[f"dispatch_rank_table='{table}'"]
    )

    assert said == found


def test_each_step_of_the_fit_says_one_thing(shell: Shell) -> None:
    begin = "dispatch_seen=1 dispatch_fewest=n1 dispatch_memory=5 dispatch_sharing=mps; "
    end = "trap 'echo \"$dispatch_reason\"' EXIT; "
    rows = "'8 5 1 7 ok 0; 1 5 1 7 tight 0'"

    assert "on 1 instead of 2 GPUs" in shell.says(f"{begin} say_fewer_gpus 1 2 {rows}")
    assert "at least 8 MiB are recommended" in shell.says(f"{begin} fit_to_memory {rows}")
    assert "shows only 1 of" in shell.says(f"{begin} {end} refuse_number_of_gpus 2")


def test_the_node_that_shows_fewest_gpus_counts(shell: Shell) -> None:
    shell.stand_in("gpu/nvidia-smi", "srun")

    said = shell.says(
        f"hear_of_gpus; echo $dispatch_seen $dispatch_fewest; {FITS}",
        scheduler="slurm",
        given=["dispatch_nodes=2", f"dispatch_rank_table='{TABLE}'", "dispatch_gpus=4"],
        CARDS="4",
        CARDS_2="3",
    )

    heard, fewer, fitted = said.splitlines()
    assert heard == f"3 {NODE}"
    assert "on 2 instead of 4 GPUs of each node" in fewer
    assert fitted == "5 2 900 0:1"
