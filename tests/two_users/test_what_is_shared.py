"""Pins, catalogues and locks are for all who may change their folder, whatever anybody's umask."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from .people import GROUP, Person

MakeJob = Callable[[], Path]
UMASKS = [0o077, 0o022, 0o002, 0o000]


@pytest.mark.parametrize("project", ["of a group"], indirect=True)
@pytest.mark.parametrize("umask", UMASKS)
def test_a_pin_made_under_any_umask_can_be_moved_by_a_colleague(
    umask: int, make_job: MakeJob, victim: Person, colleague: Person, variables: dict[str, str]
) -> None:
    script = make_job()
    project = script.parents[2]
    assert victim.hook(script, umask=umask, **variables) == 0

    for person, version in ((colleague, "3.1.3"), (victim, "5.1.0"), (colleague, "3.1.3")):
        moved = person.command("pin", "relion", version, folder=project, umask=umask, **variables)
        assert moved.returncode == 0, moved.stderr

    pin = project / ".relion_dispatch.json"
    assert json.loads(pin.read_text())["images"]["relion"]["version"] == "3.1.3"
    assert (pin.group(), oct(pin.stat().st_mode & 0o777)) == (GROUP, "0o664")
    lock = project / ".relion_dispatch.lock"
    assert (lock.group(), oct(lock.stat().st_mode & 0o777)) == (GROUP, "0o660")


@pytest.mark.parametrize("project", ["sticky"], indirect=True)
def test_in_a_sticky_project_a_colleague_is_told_why_the_pin_stays(
    make_job: MakeJob, victim: Person, colleague: Person, variables: dict[str, str]
) -> None:
    script = make_job()
    project = script.parents[2]
    assert victim.hook(script, **variables) == 0
    before = (project / ".relion_dispatch.json").read_text()

    moved = colleague.command("pin", "relion", "3.1.3", folder=project, **variables)

    assert moved.returncode == 1
    assert "cannot be written (Operation not permitted)" in moved.stderr
    assert (project / ".relion_dispatch.json").read_text() == before


@pytest.mark.parametrize("project", ["of a group"], indirect=True)
def test_a_lock_that_shuts_colleagues_out_is_named_and_its_owner_mends_it(
    make_job: MakeJob, victim: Person, colleague: Person, variables: dict[str, str]
) -> None:
    """As versions up to 0.2.0 left the lock of a user with umask 077."""
    script = make_job()
    project = script.parents[2]
    lock = project / ".relion_dispatch.lock"
    colleague.does(f"touch {lock}; chmod 600 {lock}", project)

    victim.hook(script, **variables)
    told = (script.parent / "run.err").read_text()
    named = victim.command("check", folder=project, **variables).stdout
    mended = colleague.command("check", folder=project, **variables).stdout

    assert f"ask {colleague.name} to run `chmod g+rw` on that file" in told
    assert "or remove the file yourself, while nobody submits a job there" in told
    assert f"ask {colleague.name} to run `relion-dispatch check` in {project}" in named
    assert f"mended: {lock} had mode 0600" in mended
    assert victim.hook(make_job(), **variables) == 0


@pytest.mark.parametrize("umask", UMASKS)
def test_admins_of_one_group_keep_a_site_together(
    umask: int, place: Path, victim: Person, colleague: Person, variables: dict[str, str]
) -> None:
    site = place / "site"
    shutil.chown(site, victim.name, GROUP)
    site.chmod(0o2775)

    for person, version in ((victim, "3.1.3"), (colleague, "5.1.0"), (victim, "3.1.3")):
        ended = person.command(
            "images", "default", "relion", version, folder=site, umask=umask, **variables
        )
        assert ended.returncode == 0, ended.stderr

    found = site / "images.json"
    assert json.loads(found.read_text())["relion"]["default"] == "3.1.3"
    assert (found.group(), oct(found.stat().st_mode & 0o777)) == (GROUP, "0o664")


@pytest.mark.parametrize(
    "take", ["mkdir {}", "touch {}", "ln -s /tmp {}", "ln -s nowhere {}", "mkfifo {}"]
)
def test_who_takes_the_name_of_our_folder_in_tmp_stops_nobody(
    take: str, place: Path, victim: Person, colleague: Person
) -> None:
    name = Path(f"/tmp/relion-dispatch-{victim.uid}")
    ask = f"import sys; sys.path.insert(0, {str(victim.installation)!r}); "
    ask += "from dispatcher.host.runtime_folder import make_local_lock; print(make_local_lock())"
    colleague.does(take.format(name), place)
    try:
        found = victim.runs([victim.python, "-I", "-c", ask], place)
        assert found.returncode == 0, found.stderr
        lock = Path(found.stdout.strip())
        assert lock.is_relative_to(victim.home)
        assert (lock.parent.stat().st_uid, lock.parent.stat().st_mode & 0o777) == (
            victim.uid, 0o700,
        )  # fmt: skip
    finally:
        colleague.does(f"rm -rf {name}", place)
    again = victim.runs([victim.python, "-I", "-c", ask], place)
    assert Path(again.stdout.strip()) == lock
    assert not os.path.lexists(name)


@pytest.mark.parametrize("project", ["of a group"], indirect=True)
def test_a_colleague_who_swaps_a_shared_cache_runs_nothing_as_its_user(
    place: Path, make_job: MakeJob, victim: Person, colleague: Person, variables: dict[str, str]
) -> None:
    """The colleague knows the names of the kept configurations: they tell the content alone."""
    cache, canary = place / "cache", place / "canary"
    for folder, mode in ((cache, 0o777), (place / "theirs", 0o777), (canary, 0o777)):
        folder.mkdir()
        folder.chmod(mode)
    bad = place / "site" / "bad"
    bad.write_text(f"#!/bin/sh\nid -u >{canary}/ran\necho 17\n")
    bad.chmod(0o755)
    script = make_job()
    theirs = {**variables, "XDG_CACHE_HOME": str(place / "theirs")}
    assert colleague.hook(script, umask=0o000, **theirs) == 0
    colleague.does(
        f"sed -i 's,{place}/site/sbatch,{bad},g' {place}/theirs/relion-dispatch/checked/*; "
        f"chmod -R a+rX {place}/theirs/relion-dispatch",
        place,
    )
    mine = {**variables, "XDG_CACHE_HOME": str(cache)}
    colleague.does(f"cp -rp {place}/theirs/relion-dispatch {cache}/relion-dispatch", place)
    assert victim.hook(make_job(), umask=0o000, **mine) == 0
    assert not list(canary.iterdir()), "what the colleague made first is believed"

    colleague.does("mv relion-dispatch foreign", cache)
    assert victim.hook(make_job(), umask=0o000, **mine) == 0
    assert (cache / "relion-dispatch").owner() == victim.name
    swapping = (
        f"cd {cache}; while [ -e {place}/go ]; do "
        "mv -T relion-dispatch away; mv -T foreign relion-dispatch; sleep 0.02; "
        "mv -T relion-dispatch foreign; mv -T away relion-dispatch; sleep 0.02; done"
    )
    (place / "go").touch()
    thread = threading.Thread(target=lambda: colleague.runs(["sh", "-c", swapping], place))
    thread.start()
    try:
        for _ in range(8):
            assert victim.hook(make_job(), umask=0o000, **mine) == 0
    finally:
        (place / "go").unlink()
        thread.join()

    assert not list(canary.iterdir())


@pytest.mark.parametrize("project", ["of a group"], indirect=True)
def test_a_colleagues_record_that_is_closed_is_not_to_be_removed(
    make_job: MakeJob, victim: Person, colleague: Person, variables: dict[str, str]
) -> None:
    """The job may run, and a queue shows its user's own jobs only."""
    script = make_job()
    assert victim.hook(script, umask=0o077, **variables) == 0
    (script.parent / "dispatch.json").chmod(0o600)

    said = colleague.command("status", folder=script.parents[2], **variables)

    assert f"ask {victim.name}, whose job it is, to run `chmod g+r`" in said.stdout + said.stderr
    assert "remove that file" not in said.stdout + said.stderr
    assert f"The records of 1 job of {victim.name} are closed to you" in said.stdout


@pytest.mark.parametrize("project", ["of a group"], indirect=True)
def test_a_colleagues_closed_record_is_explained_by_a_plan_of_now(
    make_job: MakeJob, victim: Person, colleague: Person, variables: dict[str, str]
) -> None:
    script = make_job()
    assert victim.hook(script, umask=0o077, **variables) == 0
    record = script.parent / "dispatch.json"
    record.chmod(0o600)

    said = colleague.command("explain", str(script.parent), folder=script.parents[2], **variables)

    told = " ".join(said.stdout.split())
    assert f"{record} cannot be read (Permission denied)" in told
    assert f"ask {victim.name}, whose job it is, to run `chmod g+r` on that file." in told
    assert "Command relion_postprocess" in told


@pytest.mark.parametrize("project", ["of a group"], indirect=True)
def test_locks_of_a_colleagues_jobs_are_named_once_with_the_project(
    make_job: MakeJob, victim: Person, colleague: Person, variables: dict[str, str]
) -> None:
    """Versions up to 0.2.0 left one of mode 0666 in each job's folder."""
    folders = [make_job().parent for _ in range(3)]
    for folder in folders:
        victim.does("touch .dispatch.json.lock; chmod 666 .dispatch.json.lock", folder)
    project = folders[0].parents[1]

    said = colleague.command("check", folder=project, **variables).stdout
    mended = victim.command("check", folder=project, **variables).stdout

    (line,) = [each for each in said.splitlines() if ".dispatch.json.lock" in each]
    assert f"3 locks of jobs of {victim.name}" in line
    assert f"ask {victim.name} to run `relion-dispatch check` in {project}." in line
    assert mended.count("mended: ") == 3


@pytest.mark.parametrize("project", ["of a group"], indirect=True)
def test_what_its_owner_cannot_mend_is_not_said_to_be_mended(
    project: Path, victim: Person, variables: dict[str, str]
) -> None:
    """The owner of the project is not in the project's group."""
    os.chown(project, victim.uid, 12345)
    project.chmod(0o775)
    victim.does("umask 077; echo '{}' >.relion_dispatch.json; : >.relion_dispatch.lock", project)

    said = victim.command("check", folder=project, **variables).stdout
    again = victim.command("check", folder=project, **variables).stdout

    assert "mended: " not in again
    assert "you are not in the group of its folder" in said
