"""A colleague puts links, pipes and huge files where our programs will look, or write."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from .people import Person

MakeJob = Callable[[], Path]

# In the job's folder, and in the project's.
OF_JOB = [
    ".dispatch.json.lock", ".dispatch_hook", ".dispatch_probe", "dispatch.json", "dispatch.json.1",
    "run_submit.script.run", "run_submit.script.lib", "run_submit.script.watch", "job.star",
    "run.out", "run.err", "RELION_JOB_EXIT_FAILURE", "RELION_JOB_EXIT_SUCCESS",
]  # fmt: skip
OF_PROJECT = [".relion_dispatch.lock", ".relion_dispatch.json"]
TEMPORARY = [".dispatch.json.{}", ".run_submit.script.run.{}", ".relion_dispatch.json.{}"]
EXITS = ("FAILURE", "SUCCESS", "ABORTED")

LINK, DANGLING, HARD = "ln -s {own} {name}", "ln -s {own}.new {name}", "ln {own} {name}"
PIPE, SPARSE, FOLDER = "mkfifo {name}", "truncate -s 3G {name}", "mkdir {name}"


def state(own: Path) -> tuple[object, ...]:
    """All of the file that must not change, and what lies beside it."""
    found = own.stat()
    beside = sorted(each.name for each in own.parent.iterdir())
    return own.read_text(), found.st_mode, found.st_uid, found.st_gid, beside


def attack(colleague: Person, form: str, name: str, own: Path, folder: Path) -> None:
    colleague.does(f"rm -f {name}", folder)
    colleague.does(form.format(own=own, name=name), folder)


def is_told(job: Path) -> bool:
    return any((job / f"RELION_JOB_EXIT_{end}").exists() for end in EXITS)


@pytest.mark.usefixtures("hard_links")
@pytest.mark.parametrize("form", [LINK, DANGLING, HARD, PIPE, SPARSE, FOLDER])
def test_the_hook_changes_nothing_of_its_users_and_ends(
    form: str, own: Path, make_job: MakeJob, victim: Person, colleague: Person,
    variables: dict[str, str],
) -> None:  # fmt: skip
    before = state(own)
    for name in OF_JOB + OF_PROJECT:
        script = make_job()
        folder = script.parent if name in OF_JOB else script.parents[2]
        is_sticky = folder.stat().st_mode & 0o1000
        if is_sticky and (folder / name).exists():
            continue  # the colleague cannot take the place of a file of the victim's
        if form == HARD:
            own.chmod(0o666)  # or it is not the colleague's to link; for the test alone
            before = state(own)
        attack(colleague, form, name, own, folder)

        status = victim.hook(script, umask=0o002, **variables)

        assert state(own) == before, name
        assert status == 0 or is_told(script.parent), name
        if name in OF_PROJECT:
            colleague.does(f"rm -rf {name}", folder)


@pytest.mark.parametrize("form", [LINK, DANGLING, PIPE])
def test_names_of_files_that_are_not_finished_cannot_be_taken_first(
    form: str, own: Path, make_job: MakeJob, victim: Person, colleague: Person,
    variables: dict[str, str],
) -> None:  # fmt: skip
    """Versions up to 0.2.0 named them by their process id: the next thousand are taken."""
    script = make_job()
    latest = int(Path("/proc/loadavg").read_text().split()[-1])
    names = [each.format(pid) for each in TEMPORARY for pid in range(latest, latest + 1000)]
    for folder in (script.parent, script.parents[2]):
        for name in names:
            made = folder / name
            os.mkfifo(made) if form == PIPE else made.symlink_to(
                own if form == LINK else f"{own}.new"
            )
            os.chown(made, colleague.uid, -1, follow_symlinks=False)
    before = state(own)

    assert victim.hook(script, **variables) == 0

    assert state(own) == before
    assert json.loads((script.parent / "dispatch.json").read_text())["job_id"] == "17"


@pytest.mark.usefixtures("hard_links")
def test_status_tells_relion_of_lost_jobs_whatever_lies_in_their_folders(
    own: Path, make_job: MakeJob, victim: Person, colleague: Person, variables: dict[str, str]
) -> None:
    own.chmod(0o666)  # as above
    attacked = []
    for form in (LINK, DANGLING, HARD, PIPE, FOLDER):
        for name in ("run.err", "RELION_JOB_EXIT_FAILURE", ".dispatch.json.lock", "control"):
            script = make_job()
            assert victim.hook(script, umask=0o002, **variables) == 0
            token = json.loads((script.parent / "dispatch.json").read_text())["token"]
            if name == "control":
                name = f".dispatch_control.{token}"
                form = form.replace("{own}", str(own.parent))
                if form.startswith("ln /"):
                    continue  # no folder has two names
            if (script.parent / name).exists() and script.parent.stat().st_mode & 0o1000:
                continue
            attack(colleague, form, name, own, script.parent)
            attacked.append((script.parent, form, name))
    (own.parent / "reserve").touch()
    (own.parent / "ending").touch()
    for each in ("reserve", "ending"):
        os.chown(own.parent / each, victim.uid, -1)
    before = state(own)

    ended = victim.command("status", folder=attacked[0][0].parents[1], **variables)

    assert ended.returncode == 0, ended.stderr
    assert state(own) == before
    for folder, form, name in attacked:
        assert is_told(folder), (form, name)


@pytest.mark.parametrize("form", [LINK, DANGLING, PIPE, SPARSE])
def test_commands_end_whatever_takes_the_place_of_pins_and_records(
    form: str, own: Path, make_job: MakeJob, victim: Person, colleague: Person,
    variables: dict[str, str],
) -> None:  # fmt: skip
    script = make_job()
    project = script.parents[2]
    before = state(own)
    for name in OF_PROJECT:
        attack(colleague, form, name, own, project)
    attack(colleague, form, "dispatch.json", own, script.parent)

    for words in (
        ("status",), ("pin",), ("pin", "--check"), ("cancel", "PostProcess/job100"),
        ("pin", "relion", "3.1.3"),
    ):  # fmt: skip
        victim.command(*words, folder=project, **variables)

    assert state(own) == before


def test_a_closed_lock_that_is_renewed_for_ever_holds_nobody_up(
    make_job: MakeJob, victim: Person, colleague: Person, variables: dict[str, str]
) -> None:
    """A lock that was just made gets its mode yet; the colleague makes this one seem so."""
    script = make_job()
    renewed = "umask 077; : >.dispatch.json.lock; (for i in $(seq 150); do "
    renewed += "chmod 600 .dispatch.json.lock; sleep 0.2; done) >/dev/null 2>&1 & echo $! >pid"
    colleague.does(renewed, script.parent)
    began = time.monotonic()
    try:
        assert victim.hook(script, umask=0o002, **variables) == 0
    finally:
        os.kill(int((script.parent / "pid").read_text()), signal.SIGKILL)

    assert time.monotonic() - began < 20  # and not the 30 s that the colleague goes on


@pytest.mark.parametrize("program", ["relion_dispatch.py", "appliance.sh"])
def test_relion_is_told_though_a_colleagues_link_bears_the_name_of_its_file(
    program: str, make_job: MakeJob, victim: Person, colleague: Person
) -> None:
    """In a sticky folder nobody else can remove the link, which RELION does not see."""
    script = make_job()
    colleague.does("ln -s nothing RELION_JOB_EXIT_FAILURE", script.parent)
    project = script.parents[2]
    nowhere = {"RELION_DISPATCH_SITE": "/nowhere", "RELION_DISPATCH_APPLIANCE": "/nowhere"}

    shim = victim.installation / "deploy" / program
    if program == "appliance.sh":
        shim = Path(shutil.copy(shim, project.parent / "relion_dispatch.py"))

    assert victim.runs([shim, script.relative_to(project)], project, **nowhere).returncode != 0

    assert is_told(script.parent)
    assert "relion-dispatch: " in (script.parent / "run.err").read_text()


def test_the_reason_is_read_though_run_err_is_a_colleagues(
    project: Path, make_job: MakeJob, victim: Person, colleague: Person
) -> None:
    script = make_job()
    if project.stat().st_mode & 0o1000:
        pytest.skip("in a sticky folder nobody else can take the name")
    colleague.does("rm -f run.err; echo theirs >run.err; chmod 644 run.err", script.parent)

    assert victim.hook(script, RELION_DISPATCH_SITE="/nowhere") == 1

    assert "relion-dispatch: " in (script.parent / "run.err").read_text()
    assert (script.parent / "run.err.1").read_text() == "theirs\n"
