"""The folder for scratch data: made for this job alone, or refused."""

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

from .conftest import SCRATCH, TOKEN, Shell


def test_a_job_has_a_scratch_folder_of_its_own(shell: Shell, tmp_path: Path) -> None:
    scratch = f"dispatch_scratch_for_all='{tmp_path}/scratch'"
    code = "dispatch_script_began=5; words_of_job() { echo 17 cluster; }; prepare_scratch; echo $$"

    process = shell.says(code, given=[scratch])

    folder = tmp_path / "scratch" / f"relion-dispatch.{SCRATCH}"
    owner = f"here {process} 5 17 cluster\ntoken {TOKEN}\nrun 1\n"
    assert (folder / "owner").read_text() == owner
    assert folder.stat().st_mode & 0o777 == 0o700
    shell("remove_scratch", given=[scratch])
    assert list(folder.parent.iterdir()) == []


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
    assert (folder / "owner").read_text() == f"me\ntoken {TOKEN}\nrun 1\n"


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
