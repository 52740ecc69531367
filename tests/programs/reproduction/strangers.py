"""A stranger's project: a record that says anything, and scripts made of it that real bash runs."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from dispatcher.cli import main
from dispatcher.images.container import mount_option

JOB = "Class3D/job010"
READ = (
    "job", "project", "image", "commands", "inputs", "environment", "dispatched", "user", "host",
    "dispatcher_version", "versions", "scheduler", "nproc", "nthread", "ngpu", "nodes", "uses_mpi",
    "mps",
)  # fmt: skip
NOT_READ = ("argv", "kind", "program", "text", "sif_id")

Place = tuple[Any, ...]


class Stranger:
    """A project of 0.1.0 whose record each test changes, and a stand-in for Apptainer.

    Attributes:
        canary: exists as soon as anything of the record or of an input has run.
        evil: a program of the stranger's, which makes the canary.
    """

    def __init__(self, project: Path, capfd: pytest.CaptureFixture[str]) -> None:
        self.project, self.capfd, self.top = project, capfd, project.parent
        self.canary = self.top / "canary"
        self.programs = self.top / "programs"
        self.programs.mkdir()
        self.evil = self.program("evil", f"touch {self.canary}")
        for name in ("apptainer", "srun"):
            self.program(name, 'printf "%s\\0" "$0" "$@" END_OF_CALL >> "$STARTED"')
        self.file = project / JOB / "dispatch.json"
        self.honest = json.loads(self.file.read_text())
        stack = project / "Extract/job006/stack.mrcs"
        stack.touch()
        os.utime(stack, (1, 1))

    def program(self, name: str, line: str) -> Path:
        path = self.programs / name
        path.write_text(f"#!/bin/bash\n{line}\n")
        path.chmod(0o755)
        return path

    def record(self, **changes: Any) -> None:
        self.file.write_text(json.dumps(self.honest | changes))

    def command(self, shell: str, prefix: Sequence[str] | None = None) -> None:
        """The record has this command in place of its own."""
        (own,) = self.honest["commands"]
        given = own["prefix"] if prefix is None else list(prefix)
        self.record(commands=[own | {"shell": shell, "prefix": given}])

    def prefix(self, *also: str) -> list[str]:
        """The words that start the container, with others among Apptainer's options."""
        words = list(self.honest["commands"][0]["prefix"])
        at = words.index("--no-home")
        return [*words[:at], *also, *words[at:]]

    def was_in(self, project: str) -> None:
        """The record is of a project at this path."""
        own, here = self.honest["commands"][0], str(self.top / "project")
        words = [
            mount_option(project) if word == mount_option(here) else word for word in own["prefix"]
        ]
        self.record(project=project, commands=[own | {"prefix": words}])

    def reproduce(self, *options: str) -> tuple[str | None, str]:
        """The script, None if none is written, and what is said."""
        status = main(["reproduce", f"{self.project}/{JOB}", *options])
        text, said = self.capfd.readouterr()
        assert "Traceback" not in said
        assert not self.canary.exists()
        assert all(line.isprintable() for line in text.split("\n")), ascii(text)
        if status:
            assert text == ""
            assert said.startswith("relion-dispatch: ")
        return None if status else text, said

    def refused(self, *options: str) -> str:
        text, said = self.reproduce(*options)
        assert text is None
        return said

    def starts(self, script: str, locale: str = "C.UTF-8", **variables: str) -> list[list[bytes]]:
        """Run the script; the arguments of each program that it starts."""
        log = self.top / "started"
        log.unlink(missing_ok=True)
        file = self.top / "again.sh"
        file.write_text(script)
        done = subprocess.run(
            ["bash", file],
            cwd=self.programs,
            env={
                "PATH": f"{self.programs}:/usr/bin:/bin",
                "STARTED": str(log),
                "LC_ALL": locale,
                **variables,
            },
            capture_output=True,
        )
        assert not self.canary.exists(), ascii(script)
        assert done.returncode in (0, 1), done.stderr  # 1: the script says why it stops
        assert b"syntax error" not in done.stderr
        assert b"command not found" not in done.stderr
        self.said = (done.stdout + done.stderr).decode(errors="surrogateescape")
        calls = log.read_bytes().split(b"END_OF_CALL\0")[:-1] if log.exists() else []
        for folder in self.project.glob("Reproduced*"):
            subprocess.run(["rm", "-r", folder], check=True)
        started = (call.split(b"\0") for call in calls)
        return [[words[0].rpartition(b"/")[2], *words[1:-1]] for words in started]

    def options_to_say_yes(self, said: str) -> list[str]:
        """The options that a refusal names, as bash reads them."""
        found = re.search(r"repeat this command with `(.*)`\.$", said.strip())
        if not found:
            return []
        words = subprocess.run(
            ["bash", "-c", f'printf "%s\\0" {found[1]}'], capture_output=True, check=True
        ).stdout
        assert not self.canary.exists()
        return words.decode(errors="surrogateescape").split("\0")[:-1]

    def attack(self, accept: bool = False) -> str:
        """Whatever the record says, nothing of it runs; also after the user has said yes to all.

        Returns what is said.
        """
        text, said = self.reproduce()
        if accept and text is None:
            text, _ = self.reproduce(*self.options_to_say_yes(said))
        if text:
            self.starts(text)
        return said


def read_of(record: Any, only_leaves: bool = False) -> list[Place]:
    """Where in a record something stands that `reproduce` reads.

    Of the long lists of words the first three do.
    """
    found = [place for key in READ for place in _places(record[key], (key,), only_leaves)]
    return [place for place in found if not ("prefix" in place[:-1] and place[-1] > 2)]


def _places(value: Any, place: Place, only_leaves: bool) -> Iterator[Place]:
    steps: Iterable[Any] = ()
    if isinstance(value, dict):
        steps = [key for key in value if key not in NOT_READ]
    elif isinstance(value, list):
        steps = range(len(value))
    if not (steps and only_leaves):
        yield place
    for step in steps:
        yield from _places(value[step], (*place, step), only_leaves)


def changed(record: Any, place: Place, value: Any) -> Any:
    """The record with another value at that place."""
    if not place:
        return value
    copy = dict(record) if isinstance(record, dict) else list(record)
    copy[place[0]] = changed(copy[place[0]], place[1:], value)
    return copy


def at(record: Any, place: Place) -> Any:
    for step in place:
        record = record[step]
    return record
