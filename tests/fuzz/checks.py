"""What must hold for a case, beside that nothing ends in a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dispatcher.errors import DispatchError, InputError
from dispatcher.host.shell_words import split
from dispatcher.planning.make_plan import plan_script
from dispatcher.relion import job_star as reader
from dispatcher.relion.command import parse_command

from .tree import Thing
from .world import CLASS3D, PARTICLES, REFINE, World

Things = Mapping[str, Thing]
# A line may name $_, the last word of the command before.
PASSED = 'for line; do eval ": _; set -- $line"; printf "%s\\0" "$@" $\'\\1end\'; done'


def passed_as_by_bash(world: World, line: str) -> None:
    """A program gets the words that bash would pass for the line."""
    ours = " ".join(word.shell() for word in split(line))

    by_bash, by_us = words_passed(world, line, ours)

    assert by_us == by_bash


def runs_nothing(world: World, line: str) -> None:
    """Of a line of any text nothing runs, and what holds no variable is passed as text."""
    if not line.strip():
        return
    try:
        command = parse_command(line)
    except InputError as error:
        assert str(error)
        return
    words = [word for word in command.words if not word.variables]

    _, by_us = words_passed(world, "", " ".join(word.shell() for word in command.words))

    if len(words) == len(command.words):
        assert by_us == [str(word).encode(errors="surrogateescape") for word in words]
    assert not (world.folder / "empty/canary").exists()


def words_passed(world: World, *lines: str) -> list[list[bytes]]:
    ran = subprocess.run(
        ["bash", "-c", PASSED, "bash", *lines],
        capture_output=True,
        env={"HOME": "/h o/*", "LC_ALL": "C.UTF-8"},
        cwd=world.folder / "empty",
    )
    *passed, rest = ran.stdout.split(b"\x01end\0")
    assert (len(passed), rest, ran.stderr) == (len(lines), b"", b""), (lines, ran)
    return [words.split(b"\0")[:-1] for words in passed]


def _planned(world: World, script: Path) -> None:
    """The job has a plan, the same twice, which is JSON; or a sentence says why it has none."""
    try:
        plans = [plan_script(script, world.configuration).as_json() for _ in range(2)]
    except DispatchError:
        assert world.says("plan", script).status == 1
        return
    first, second = (json.dumps(plan) for plan in plans)
    assert first == second
    assert json.dumps(json.loads(first)) == first


def submission(world: World, case: tuple[str, bytes]) -> None:
    name = f"project/{case[0]}/run_submit.script"
    with world.holding({name: case[1]}):
        _planned(world, world.folder / name)


def refinements(world: World, things: Things) -> None:
    """Jobs that read the things: particles and reference, or a former run and masks."""
    begun = {PARTICLES, "project/InitialModel/job009/initial_model.mrc"}
    with world.holding(things):
        for job in {CLASS3D if name in begun else "project/MultiBody/job012/" for name in things}:
            _planned(world, world.folder / job / "run_submit.script")


def job_star(world: World, things: Things) -> None:
    with world.holding(things):
        found = reader.read(world.folder / REFINE / "job.star")
        assert found and (found.label or found.problem)


def saying(*calls: tuple[str, ...]) -> Callable[[World, Things], None]:
    """Commands that look at the case; they touch nothing outside of the project."""

    def check(world: World, things: Things) -> None:
        with world.holding(things, only_in="project/"):
            for call in calls:
                said = world.says(*call)
                if "--json" in call and said.status == 0:
                    json.loads(said.out)
        assert not any(call.startswith("-") for call in world.slurm.calls("scancel"))

    return check


def run_again(world: World, things: Things) -> None:
    """What reproduces a job runs no text of its record and its inputs, once these are accepted."""
    call = ["reproduce", "Class3D/job010"]
    for name in things:
        call += ["--accept-changed", name.removeprefix("project/")]
    with world.holding(things, only_in="project/"), tempfile.TemporaryDirectory() as folder:
        said = world.says(*call, "--output", f"{folder}/results")
        if said.status == 0:
            runs: Any = {"cwd": folder, "env": world.with_stand_ins(), "capture_output": True}
            subprocess.run(["bash", "-s"], input=said.out, timeout=60, **runs)
            assert not list(Path(folder).rglob("canary"))


def project_name(world: World, name: bytes) -> None:
    """The project may lie in a folder of that name."""
    moved = world.folder / os.fsdecode(name)
    if moved.exists():
        return
    world.project.rename(moved)
    try:
        for form in ("--json", "--script"):
            said = world.says("plan", form, moved / "Class3D/job010/run_submit.script")
            assert said.status or form == "--script" or json.loads(said.out)
    finally:
        moved.rename(world.project)
