"""The folder for scratch data: made, seen by the container, and removed."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import struct
import subprocess
import time
from pathlib import Path

import pytest

from dispatcher.host.shell_words import split
from dispatcher.images.container import mount_option

from .conftest import SCRATCH, TOKEN, Shell

MOUNTS = "printf '%s\\n' \"${dispatch_scratch_mounts[@]}\""


def test_a_job_has_a_scratch_folder_of_its_own(shell: Shell, tmp_path: Path) -> None:
    scratch = f"dispatch_scratch_for_all='{tmp_path}/scratch'"
    code = "dispatch_script_began=5; words_of_job() { echo 17 cluster; }; prepare_scratch; echo $$"

    process = shell.says(code, given=[scratch])

    folder = tmp_path / "scratch" / f"relion-dispatch.{SCRATCH}"
    owner = f"here {process} 5 17 cluster\ntoken {TOKEN}\n"
    assert (folder / "owner").read_text() == owner
    assert folder.stat().st_mode & 0o777 == 0o700
    shell("remove_scratch", given=[scratch])
    assert list(folder.parent.iterdir()) == []


def test_the_container_sees_the_jobs_scratch_folder(shell: Shell, tmp_path: Path) -> None:
    done = shell(
        f"dispatch_script_began=5; prepare_nodes; {MOUNTS}",
        given=["dispatch_uses_scratch=yes", f"dispatch_scratch_for_all='{tmp_path}/a, b'"],
    )

    folder = f"{tmp_path}/a, b/relion-dispatch.{SCRATCH}"
    assert done.stdout == mount_option(folder) + "\n"


@pytest.mark.parametrize("nodes", [1, 2])
@pytest.mark.parametrize("name", ["project/link", "project/link/", "project/link//deeper", "rel"])
def test_the_container_sees_scratch_where_a_link_leads_as_well(
    name: str, nodes: int, shell: Shell, tmp_path: Path
) -> None:
    """A mount at a path that leads through a link is left out if the container sees the link, but
    not where it leads."""
    shell.stand_in("srun")
    disk, own = tmp_path / "a disk", name if name == "rel" else f"{tmp_path}/{name}"
    (disk / "deeper").mkdir(parents=True)
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "link").symlink_to(disk)
    (shell.project / "rel").symlink_to(disk)

    said = shell.says(
        f"prepare_users_scratch; {MOUNTS}",
        scheduler="slurm",
        given=[f"dispatch_users_scratch='{own}'", f"dispatch_nodes={nodes}"],
    )

    real = disk / "deeper" if name.endswith("deeper") else disk
    full = str(tmp_path / "rel") if name == "rel" else own
    assert said.splitlines() == [mount_option(full), mount_option(str(real))]


def test_scratch_that_is_elsewhere_on_each_node_is_bound_at_its_own_path_alone(
    shell: Shell, tmp_path: Path
) -> None:
    """Apptainer does not start where a folder is missing."""
    shell.stand_in("srun")

    realpath = 'realpath() { [ "$1" = -ms ] && echo /s || echo "/disk of $NODE"; }'

    said = shell.says(
        f"{realpath}; see_scratch /s; {MOUNTS}",
        scheduler="slurm",
        given=["dispatch_nodes=2"],
    )

    assert said == mount_option("/s")


@pytest.mark.parametrize("own", ["/dev/shm/x", "/dev//shm/x", "/dev/shm/../shm/x"])
def test_nothing_is_bound_below_dev(own: str, shell: Shell) -> None:
    """With --contain, Apptainer does not start with a folder in the container's own /dev."""
    said = shell.says(f'see_scratch {own}; echo "${{#dispatch_scratch_mounts[@]}}"')

    assert said == "0"
    assert shell.says(f"mount_options {own}") == ""


def test_a_link_to_dev_is_bound_at_its_own_path_alone(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/dev/shm")

    said = shell.says(f"see_scratch {tmp_path}/link; {MOUNTS}")

    assert said == mount_option(f"{tmp_path}/link")


def test_scratch_is_bound_if_the_nodes_do_not_answer(shell: Shell) -> None:
    said = shell.says(f"on_each_node() {{ return 1; }}; see_scratch /s; {MOUNTS}")

    assert said == mount_option("/s")


def test_a_scratch_folder_of_the_users_is_made_bound_and_left(shell: Shell, tmp_path: Path) -> None:
    folder = tmp_path / "scratch" / "kept"

    done = shell(
        f"prepare_nodes; {MOUNTS}; dispatch_uses_scratch=; finish",
        given=[f"dispatch_users_scratch='{folder}'"],
    )

    assert done.stdout.splitlines()[0] == mount_option(str(folder))
    assert list(folder.iterdir()) == []


def test_a_scratch_folder_of_the_users_that_cannot_be_made_is_told(shell: Shell) -> None:
    done = shell(
        "trap 'echo \"$dispatch_reason\"' EXIT; prepare_users_scratch",
        given=["dispatch_users_scratch=/dev/null/x"],
    )

    assert done.returncode == 1
    assert "the scratch folder /dev/null/x on here cannot be made" in done.stdout


@pytest.mark.parametrize(
    ("folder", "value", "is_"),
    [
        ("$SLURM_TMPDIR/relion", {}, "not set"),
        ("$SLURM_TMPDIR/relion", {"SLURM_TMPDIR": ""}, "empty"),
        ("$SLURM_TMPDIR", {"SLURM_TMPDIR": ""}, "empty"),
        ("/s/$SLURM_TMPDIR", {}, "not set"),
        ("$TOP$SLURM_TMPDIR/relion", {"TOP": "", "SLURM_TMPDIR": ""}, "empty"),
        ("$TOP$SLURM_TMPDIR/relion", {"TOP": "", "SLURM_TMPDIR": "/s"}, None),
        ("/s$SLURM_TMPDIR/relion", {"SLURM_TMPDIR": ""}, None),
        ("/s$SLURM_TMPDIR", {"SLURM_TMPDIR": ""}, None),
    ],
)
def test_a_variable_without_value_is_named_if_nobody_knows_the_scratch_folder(
    folder: str, value: dict[str, str], is_: str | None, shell: Shell
) -> None:
    """A part of the name that is empty is as the site, or the user, has it."""
    (word,) = split(folder)

    done = shell(
        'trap \'echo "$dispatch_reason"\' EXIT; name_unset_variables; echo "=$dispatch_scratch"',
        given=[
            f"dispatch_uses_scratch=yes dispatch_scratch_for_all={word.shell()}",
            f"dispatch_scratch_variables=({' '.join(word.variables)})",
            f"dispatch_scratch_begins=({' '.join(word.leading)})",
        ],
        **value,
    )

    if is_:
        assert done.returncode == 1
        assert f"because SLURM_TMPDIR is {is_} on here, and the scratch folder" in done.stdout
    else:
        assert re.match(r"=/s(/relion)?/relion-dispatch\.", done.stdout)


def test_a_variable_of_the_scratch_folder_is_refused_with_what_is_wrong(shell: Shell) -> None:
    done = shell("trap 'echo \"$dispatch_reason\"' EXIT; refuse_scratch_variable TMPDIR not set")

    assert done.returncode == 1
    assert "because TMPDIR is not set on here" in done.stdout


def test_other_variables_that_are_not_set_are_named_and_the_job_goes_on(shell: Shell) -> None:
    done = shell(
        "name_unset_variables",
        given=["dispatch_variables=(DATA EMPTY UNSET HOSTNAME)"],
        DATA="/data",
        EMPTY="",
    )

    assert done.returncode == 0
    (line,) = done.stderr.splitlines()
    assert line.startswith("relion-dispatch: UNSET is not set on here,")


def test_a_scratch_folder_is_made_with_its_owner(shell: Shell, tmp_path: Path) -> None:
    shell("make_scratch me", given=[f"dispatch_scratch_for_all='{tmp_path}/a/b'"])

    folder = tmp_path / "a" / "b" / f"relion-dispatch.{SCRATCH}"
    assert (folder / "owner").read_text() == f"me\ntoken {TOKEN}\n"


@pytest.mark.skipif(not shutil.which("mount") or os.getuid() != 0, reason="only root mounts")
def test_nothing_stays_on_a_disk_that_is_full(shell: Shell, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    limits = "mode=1777,size=64k,nr_inodes=100"
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", limits, "none", disk], check=False)
    if mounted.returncode:
        pytest.skip("nothing can be mounted here")
    try:
        with (disk / "data").open("wb", buffering=0) as stream, contextlib.suppress(OSError):
            while stream.write(bytes(4096)):
                pass

        done = shell(
            "trap 'echo \"$dispatch_reason\"' EXIT; dispatch_script_began=5; prepare_scratch",
            given=[f"dispatch_scratch_for_all='{disk}'"],
        )

        assert f"the scratch folder {disk} on here cannot be written" in done.stdout
        assert [path.name for path in disk.iterdir()] == ["data"]
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize(
    ("age", "file", "goes"), [(2, None, True), (0, None, False), (2, "x", False)]
)
def test_an_empty_folder_of_a_job_that_was_killed_goes(
    age: int, file: str | None, goes: bool, shell: Shell, tmp_path: Path
) -> None:
    """As of one that was killed before it wrote the owner; `age` is in hours."""
    folder = tmp_path / "s" / "relion-dispatch.ffffffffffffffff"
    folder.mkdir(parents=True, mode=0o700)
    if file:
        (folder / file).touch()
    os.utime(folder, (time.time() - 3600 * age,) * 2)

    shell(f"remove_dead_scratch '{folder.parent}'")

    assert folder.exists() != goes


def test_a_disk_with_a_default_acl_has_folders_of_this_user_alone(
    shell: Shell, tmp_path: Path
) -> None:
    """Where a folder has one, new files get their modes from it, and the umask does not count."""
    disk = tmp_path / "disk"
    disk.mkdir()
    entries = [(0x01, 7), (0x04, 5), (0x20, 5)]  # owner, group, others: acl(5), linux/posix_acl.h
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *e, 0xFFFFFFFF) for e in entries)
    try:
        os.setxattr(disk, "system.posix_acl_default", acl)
    except OSError:
        pytest.skip("this file system has no ACLs")

    done = shell(
        "dispatch_script_began=5; see_scratch() { :; }; prepare_scratch",
        given=[f"dispatch_scratch_for_all='{disk}'"],
    )

    assert done.returncode == 0
    assert (disk / f"relion-dispatch.{SCRATCH}").stat().st_mode & 0o777 == 0o700


def test_no_scratch_folder_ends_the_job(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "scratch").write_text("a file")

    done = shell(
        "trap 'echo \"$dispatch_reason\"' EXIT; dispatch_script_began=5; prepare_scratch",
        given=[f"dispatch_scratch_for_all='{tmp_path}/scratch'"],
    )

    assert done.returncode == 1
    assert re.search(r"the scratch folder .*/scratch on here cannot be written", done.stdout)


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


# What others can do with the disk


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


def test_the_owner_of_a_folder_goes_last(shell: Shell, tmp_path: Path) -> None:
    """What is left after a kill is still known to be a job's."""
    folder = tmp_path / f"relion-dispatch.{SCRATCH}"
    folder.mkdir(mode=0o700)
    (folder / "owner").touch()
    (folder / "data").touch()

    shell(f"open_scratch '{folder}'; rm() {{ ls '{folder}'; }}; empty_scratch '{folder}' >log")

    assert (tmp_path / "log").read_text() == "owner\n"


def test_a_disk_whose_folders_are_open_to_others_is_refused(shell: Shell, tmp_path: Path) -> None:
    """As a mount without modes of its own."""
    done = shell(
        "trap 'echo \"$dispatch_reason\"' EXIT; dispatch_script_began=5\n"
        'mkdir() { command mkdir "$@" && chmod 755 "${@: -1}"; }; prepare_scratch',
        given=[f"dispatch_scratch_for_all='{tmp_path}/s'"],
    )

    assert done.returncode == 1
    assert f"other users can enter the folders that a job makes in {tmp_path}/s" in done.stdout
    assert list((tmp_path / "s").iterdir()) == []


def test_what_bears_the_name_of_a_jobs_folder_is_no_folder_of_the_job(
    shell: Shell, tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir(mode=0o700)
    (tmp_path / f"relion-dispatch.{SCRATCH}").symlink_to(tmp_path / "data")

    done = shell("make_scratch me", given=[f"dispatch_scratch_for_all='{tmp_path}'"])

    assert done.returncode != 0
    assert list((tmp_path / "data").iterdir()) == []


def test_the_name_is_no_argument_of_a_program_before_the_folder_is_made(
    shell: Shell, tmp_path: Path
) -> None:
    """All users see the arguments of each other's programs."""
    shell.stand_in("srun")
    code = (
        "dispatch_script_began=5; see_scratch() { :; }\n"
        'timeout() { printf \'%s\\n\' "$*" >>arguments; shift; "$@"; }; prepare_scratch'
    )

    shell(code, scheduler="slurm", given=["dispatch_nodes=2 dispatch_scratch_for_all=s"])

    assert (shell.project / "s" / f"relion-dispatch.{SCRATCH}" / "owner").exists()
    assert "make_scratch" in (shell.project / "arguments").read_text()
    assert SCRATCH not in (shell.project / "arguments").read_text()
