"""Which folders for scratch data are removed, and which are not this job's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .conftest import SCRATCH, TOKEN, Shell


@pytest.mark.parametrize(
    ("owner", "gone"),
    [
        ("HOST PID BEGAN", False),
        ("HOST PID 1", True),
        ("HOST PID 1 17 cluster", "asked"),
        ("HOST PID BEGAN 17 cluster", False),
        ("another-host 1 1", False),
        ("another-host 1 1 17 cluster", "asked"),
        ("", False),
    ],
)
@pytest.mark.parametrize("may_live", [True, False])
def test_scratch_folders_of_dead_jobs_go(
    owner: str, gone: bool | str, may_live: bool, shell: Shell, tmp_path: Path
) -> None:
    began = Path("/proc/self/stat").read_text().rpartition(") ")[2].split()[19]
    values = {"HOST": os.uname().nodename, "PID": str(os.getpid()), "BEGAN": began}
    folder = tmp_path / "scratch" / "relion-dispatch.ffffffffffff"
    folder.mkdir(parents=True)
    (folder / "owner").write_text(
        " ".join(values.get(word, word) for word in owner.split()) + "\n" if owner else ""
    )
    (folder.parent / "data").mkdir()

    done = shell(
        f'may_have_job() {{ echo "$@" >"$HOME/asked"; return {0 if may_live else 1}; }}\n'
        f"remove_dead_scratch '{folder.parent}'"
    )

    assert done.returncode == 0
    assert folder.exists() == (may_live if gone == "asked" else not gone)
    assert (folder.parent / "data").exists()
    if gone == "asked":
        assert (tmp_path / "asked").read_text() == "17 cluster\n"


def test_a_scratch_folder_that_is_not_there_has_nothing_to_clean(shell: Shell) -> None:
    assert shell("remove_dead_scratch /nowhere").returncode == 0


@pytest.mark.parametrize("what", ["link", "file", "other name", "open to the group"])
def test_only_a_folder_that_a_job_made_is_opened(what: str, shell: Shell, tmp_path: Path) -> None:
    """The disk may be one in which others can rename."""
    folder = tmp_path / "relion-dispatch.0123456789abcdef"
    if what == "link":
        (tmp_path / "data").mkdir(mode=0o700)
        folder.symlink_to(tmp_path / "data")
    elif what == "file":
        folder.touch()
    elif what == "other name":
        folder = tmp_path / "relion-dispatch.mine"
        folder.mkdir(mode=0o700)
    else:
        folder.mkdir()
        folder.chmod(0o770)

    assert shell(f"open_scratch '{folder}'").returncode != 0


@pytest.mark.parametrize(
    ("name", "owner", "goes"),
    [
        (f"relion-dispatch.{SCRATCH}", f"here 1 1\ntoken {TOKEN}\n", True),
        ("relion-dispatch.ffffffffffffffff", f"here 1 1\ntoken {TOKEN}\n", True),
        (f"relion-dispatch.{SCRATCH}", "here 1 1\ntoken ffffffffffff\n", False),
        (f"relion-dispatch.{SCRATCH}", None, False),
        (f"relion-dispatch.{TOKEN}", "here 1 1\n", False),  # all users can read the token
        (f"relion-dispatch.{TOKEN}", None, False),
    ],
)
def test_what_has_the_jobs_token_in_it_is_removed(
    name: str, owner: str | None, goes: bool, shell: Shell, tmp_path: Path
) -> None:
    """Others may have given the name of the job's to another folder of the user's, as a disk of a
    group lets them."""
    folder = tmp_path / "s" / name
    folder.mkdir(parents=True, mode=0o700)
    (folder / "relion_volatile").mkdir()
    (folder / "relion_volatile" / "particles").write_text("mine")
    if owner:
        (folder / "owner").write_text(owner)

    done = shell("remove_scratch", given=[f"dispatch_scratch_for_all='{tmp_path}/s'"])

    assert (done.stdout, done.stderr) == ("", "")
    assert folder.exists() != goes


@pytest.mark.parametrize(("run", "left"), [("1", {"2", "3"}), ("2", {"3"})])
@pytest.mark.parametrize("nodes", ["1", "2"])
def test_a_run_that_ends_beside_a_later_one_leaves_its_folder(
    run: str, left: set[str], nodes: str, shell: Shell, tmp_path: Path
) -> None:
    """As on a node that was silent for minutes, with a disk that all nodes share."""
    disk = tmp_path / "s"
    disk.mkdir()
    given = [f"dispatch_scratch_for_all='{disk}'", f"dispatch_nodes={nodes}"]
    on_nodes = "words_for_each_node() { dispatch_each_node=(env); }; on_each_node"
    for number in "123":
        made = f"dispatch_run={number} dispatch_scratch='{disk}/relion-dispatch.{number * 16}'"
        assert shell(f"{made}; {on_nodes} make_scratch me", given=given).returncode == 0

    shell(f"dispatch_run={run}; {on_nodes} remove_scratch", given=given)

    assert {path.name[-1] for path in disk.iterdir()} == left


def test_the_owner_of_a_folder_goes_last(shell: Shell, tmp_path: Path) -> None:
    """What is left after a kill is still known to be a job's."""
    folder = tmp_path / f"relion-dispatch.{SCRATCH}"
    folder.mkdir(mode=0o700)
    (folder / "owner").touch()
    (folder / "data").touch()

    shell(f"open_scratch '{folder}'; rm() {{ ls '{folder}'; }}; empty_scratch '{folder}' >log")

    assert (tmp_path / "log").read_text() == "owner\n"


def test_what_bears_the_name_of_a_jobs_folder_is_no_folder_of_the_job(
    shell: Shell, tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir(mode=0o700)
    (tmp_path / f"relion-dispatch.{SCRATCH}").symlink_to(tmp_path / "data")

    done = shell("make_scratch me", given=[f"dispatch_scratch_for_all='{tmp_path}'"])

    assert done.returncode != 0
    assert list((tmp_path / "data").iterdir()) == []
