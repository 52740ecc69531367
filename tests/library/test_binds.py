"""The folders of the host that the container sees: those that a node lacks are left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from dispatcher.images.container import mount_option

from .conftest import Shell

BINDS = """dispatch_binds=(
    "$HOME/here" --mount=here '"bind" in site.json'
    "/gone one" '--mount=gone one' '"bind" in site.json'
    /gone/two --mount=two '"weights" in images.json'
)"""


def test_a_folder_that_the_node_lacks_is_left_out_with_a_word(shell: Shell) -> None:
    (shell.project / "here").mkdir()

    done = shell(
        """uname() { echo gpu3; }; look_at_binds
        run printf '%s\\n' --mount=here '--mount=gone one' x --mount=two 'y z'""",
        given=[BINDS],
    )

    assert done.stdout.splitlines() == ["--mount=here", "x", "y z"]
    first, second = done.stderr.splitlines()
    assert first.startswith(
        "relion-dispatch: The container does not see /gone one, because this folder is not on gpu3:"
    )
    assert first.endswith('("bind" in site.json names it).')
    assert "/gone/two" in second
    assert second.endswith('("weights" in images.json names it).')


def test_a_folder_that_one_of_several_nodes_lacks_is_left_out_on_all(shell: Shell) -> None:
    """Ranks must not see different folders."""
    shell.stand_in("srun")

    done = shell(
        """uname() { echo "gpu$NODE"; }
        missing_folders() { [ "$NODE" = 1 ] || echo "gpu$NODE 1"; }
        look_at_binds; run printf '%s\\n' --mount=here '--mount=gone one'""",
        scheduler="slurm",
        given=["dispatch_nodes=2", BINDS],
    )

    assert done.stdout.splitlines() == ["--mount=here"]
    assert "is not on gpu2" in done.stderr


def test_all_folders_stay_if_the_nodes_have_them(shell: Shell) -> None:
    (shell.project / "here").mkdir()
    binds = 'dispatch_binds=("$HOME/here" --mount=here x)'

    done = shell("look_at_binds; run printf '%s\\n' --mount=here '' '*'", given=[binds])

    assert (done.stdout, done.stderr) == ("--mount=here\n\n*\n", "")


def test_a_nodes_missing_folders_are_told_by_their_positions(shell: Shell) -> None:
    (shell.project / "a b").mkdir()
    (shell.project / "file").touch()

    said = shell.says("uname() { echo n; }; missing_folders /gone 'a b' file '' /nowhere")

    assert said.splitlines() == ["n 0", "n 3", "n 4"]


@pytest.mark.parametrize("folder", ["/ssd", "/a b", "/a,b", '/a"b', '/a,"b"', "/a:b", "/$x`y`"])
def test_a_folder_is_bound_as_the_plan_would_bind_it(folder: str, shell: Shell) -> None:
    assert shell.says('mount_option "$FOLDER"', FOLDER=folder) == mount_option(folder)


def test_a_folder_relative_to_the_project_is_bound_at_its_full_path(shell: Shell) -> None:
    full = Path(shell.says("pwd"), "scratch")

    assert shell.says("mount_option scratch") == mount_option(str(full))


def test_only_the_very_words_are_left_out(shell: Shell) -> None:
    code = "is_left_out --mount=a && ! is_left_out --mount=ab && ! is_left_out '' && echo ok"

    assert shell.says(code, given=["dispatch_left_out=(--mount=a)"]) == "ok"
