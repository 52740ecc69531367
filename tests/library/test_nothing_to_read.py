"""Values that are not there on the node: a scratch folder's name, and the table of ranks."""

from __future__ import annotations

from .conftest import Shell


def test_a_scratch_folder_whose_name_is_empty_on_the_node_ends_the_job(shell: Shell) -> None:
    """As with `--scratch_dir $UNSET`."""
    done = shell(
        "trap 'echo \"$dispatch_reason\"' EXIT; dispatch_script_began=5; prepare_nodes",
        given=["dispatch_uses_scratch=yes", "dispatch_scratch_for_all=$UNSET"],
    )

    assert done.returncode == 1
    assert "the scratch folder in RELION's window has no name on here" in done.stdout


def test_the_plan_holds_if_the_table_of_ranks_cannot_be_read(shell: Shell) -> None:
    """Older versions of bash need a file in /tmp to read a text, and /tmp may be full."""
    said = shell.says(
        "read() { return 1; }; dispatch_sharing=shared dispatch_memory=9 dispatch_seen='';"
        "fit_ranks;"
        'echo "$dispatch_ranks"',
        given=["dispatch_rank_table='2 shared 8 5 1 7 ok 0; 0 3 1 - ok 0'", "dispatch_ranks=9"],
    )

    assert said == "9"
