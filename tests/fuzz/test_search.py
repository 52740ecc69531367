"""The search finds what is wrong, and what it damages is in order before."""

from __future__ import annotations

import json
import os
from itertools import count
from typing import Any

import pytest
from hypothesis import strategies as st

from .checks import passed_as_by_bash, runs_nothing
from .kinds import Kind
from .limits import TookTooLong, limited
from .search import search
from .world import CLASS3D, REFINE, World


def test_a_find_is_made_small_and_says_how_to_make_it_again(world: World) -> None:
    def check(_: World, number: int) -> None:
        assert number < 1000

    with pytest.raises(AssertionError) as found:
        search(Kind(lambda _: st.integers(), check, 1, 1), world, 7, 500)

    assert [note for note in found.value.__notes__ if "case=1000" in note or note == "seed 7"]
    assert "case=1000" in "".join(found.value.__notes__)


@pytest.mark.parametrize("broken", ["canary $(touch canary)", "two words"])
def test_a_shell_text_that_is_not_quoted_is_found(
    broken: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dispatcher.host.shell_words.quote", lambda text: text)

    with pytest.raises(AssertionError):
        runs_nothing(world, broken.replace(" ", "\\ "))
    with pytest.raises(AssertionError):
        passed_as_by_bash(world, "'two  words'")
    (world.folder / "empty/canary").unlink(missing_ok=True)


def test_endless_work_endless_waiting_and_much_memory_are_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tests.fuzz.limits.WAITING", 1)
    reader, writer = os.pipe()
    with pytest.raises(MemoryError), limited():
        bytearray(400_000_000)
    with pytest.raises(TookTooLong), limited():
        any(False for _ in count())
    with pytest.raises(TookTooLong), limited():
        os.read(reader, 1)
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize("name", ["outside/victim", "site/site.json", "outside/new"])
def test_what_a_command_changes_outside_of_the_project_is_found(name: str, world: World) -> None:
    before = (world.folder / "site/site.json").read_bytes()

    with pytest.raises(AssertionError), world.holding({}, only_in="project/"):
        (world.folder / name).write_text("changed")

    assert (world.folder / "outside/victim").read_text() == "kept\n"
    assert (world.folder / "site/site.json").read_bytes() == before
    assert not (world.folder / "outside/new").exists()


def test_what_was_damaged_is_put_back_with_its_time(world: World) -> None:
    """Or the job's record would be an earlier run's, as RELION would have asked for it again."""
    script = world.folder / REFINE / "run_submit.script"
    before = (script.read_bytes(), script.stat().st_mtime_ns)

    for within in (None, "project/"):
        with world.holding({REFINE + "run_submit.script": b"damaged"}, only_in=within):
            assert script.read_bytes() == b"damaged"
        assert (script.read_bytes(), script.stat().st_mtime_ns) == before


def test_undamaged_files_are_planned_shown_run_again_and_cancelled(world: World) -> None:
    def says(*call: str) -> Any:
        said = world.says(*call)
        assert said.status == 0, said.err
        return said.out

    with world.holding({}, only_in="project/"):
        plan = json.loads(says("plan", "--json", str(world.folder / CLASS3D)))
        assert (plan["image"]["version"], plan["ngpu"]) == ("5.1.0", 4)
        assert len(json.loads(says("status", "--json"))) == 4
        assert b"relion_refine" in says("reproduce", "Class3D/job010")
        assert b"aborted" in says("cancel", "Refine3D/job011")
