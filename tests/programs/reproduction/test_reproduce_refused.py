"""What ``relion-dispatch reproduce`` refuses: images and inputs that are not the same."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from functools import reduce
from pathlib import Path
from typing import Any

import pytest

from dispatcher.errors import InputError
from dispatcher.reproduction.recorded_job import read_job

from .recorded_jobs import (
    Dispatched,
    Started,
    stopped,
)

pytestmark = pytest.mark.usefixtures("images")


def test_a_job_without_record_is_refused(dispatched: Dispatched) -> None:
    job = dispatched("relion-5.0.1/Class2D_job007")
    (job.folder / "dispatch.json").unlink()
    assert "relion-dispatch did not run this job" in job.refusal()

    job.name = "Class2D/job008"
    assert "There is no job folder Class2D/job008" in job.refusal()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"image": None}, "ran on the host"),
        ({"image": {"path": "x.sif", "sha256": None}}, "no sha256"),
        ({"commands": [{"argv": ["relion_refine"], "prefix": []}]}, "older relion-dispatch"),
        ({"commands": []}, "is not a record of relion-dispatch ("),
        ({"dispatched": "yesterday"}, "is not a record of relion-dispatch ("),
        ({"environment": ["a b"]}, "is not a record of relion-dispatch ("),
        ({"environment": 3}, "is not a record of relion-dispatch ("),
        ({"job": "Class2D/job009"}, "is not in that job's folder"),
    ],
)
def test_a_record_that_lacks_something_is_refused(
    dispatched: Dispatched, changes: dict[str, Any], says: str
) -> None:
    job = dispatched("relion-5.0.1/Class2D_job007")
    job.change_record(**changes)

    assert says in job.refusal()


def _spoiled(record: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The record without each of its entries, and with each as something else."""
    for at in (("image",), ("commands", 0), ("inputs", 0), ("versions",), ()):
        inner = reduce(lambda found, step: found[step], at, record)
        for key in inner:
            for value in (
                None,
                {},
                [],
                [[]],
                [None],
                1e300,
                -1,
                True,
                10**25,
                "",
                "\0",
                "\ud800",
                "x",
            ):
                spoiled = copy.deepcopy(record)
                entries = reduce(lambda found, step: found[step], at, spoiled)
                del entries[key]
                yield spoiled
                entries[key] = value
                yield spoiled


def test_what_is_wrong_with_a_record_is_said_in_words_of_people(dispatched: Dispatched) -> None:
    job = dispatched("relion-5.0.1/Class2D_job007")
    said = set()
    for record in _spoiled(job.record):
        (job.folder / "dispatch.json").write_text(json.dumps(record))
        try:
            read_job(job.folder)
        except InputError as error:
            said.add(str(error))

    assert len(said) > 60
    words = re.compile(r"Error|isoformat|\b(int|str|dict|bool|tuple|NoneType|None|subscriptable)\b")
    assert [sentence for sentence in said if words.search(sentence)] == []


@pytest.mark.usefixtures("started")
def test_another_image_is_refused_with_both_digests(dispatched: Dispatched) -> None:
    job = dispatched("relion-5.0.1/Class2D_job007")
    script = job.script()
    then = job.record["image"]
    Path(then["path"]).write_bytes(b"another file")
    now = hashlib.sha256(b"another file").hexdigest()

    for said in (job.refusal(), stopped(script)):
        assert now in said
        assert then["sha256"] in said


def test_an_image_is_found_by_its_digest_elsewhere_in_the_catalogue(
    dispatched: Dispatched, started: Started, images: Path
) -> None:
    job = dispatched("relion-5.0.1/Class2D_job007")
    then = job.record["image"]
    path = Path(then["path"])
    path.rename(path.with_name("moved.sif"))
    assert "no longer exists" in job.refusal()
    images.write_text(images.read_text().replace(path.name, "moved.sif"))

    (argv,) = started(job.script())

    assert str(path.with_name("moved.sif")) in argv


def test_a_changed_input_is_refused_and_a_touched_one_is_not(
    dispatched: Dispatched, started: Started
) -> None:
    job = dispatched("relion-5.0.1/Class2D_job007")
    particles = job.project / "Extract/job006/particles.star"
    text = particles.read_text()
    script = job.script()

    os.utime(particles, (1, 1))
    assert started(script)
    shutil.rmtree(job.project / "Reproduced")
    particles.write_text(text.replace("000001@", "000002@"))
    refusal = job.refusal()
    assert "Extract/job006/particles.star of Class2D/job007 has changed: its sha256 is" in refusal
    assert "particles.star has changed" in stopped(script)
    particles.write_text(text + "\n")
    assert "bytes, and had" in job.refusal()
    particles.unlink()
    assert "can no longer be read" in job.refusal()
    accepted = job.reproduce("--accept-changed", "Extract/*")
    assert accepted.returncode == 0
    assert re.search(
        "^# note .*particles.star can no longer be read.*accepted", accepted.stdout, re.M
    )
    assert "same Extract" not in accepted.stdout


def test_a_large_input_is_known_by_size_and_time(dispatched: Dispatched, project: Path) -> None:
    large = project / "map.mrc"
    with open(large, "wb") as stream:
        stream.truncate(5 << 20)
    job = dispatched(commands="`which relion_mask_create` --i map.mrc --o Class2D/job001/mask.mrc")
    assert job.record["inputs"][0]["sha256"] is None
    assert job.script().read_text().count("same map.mrc 5242880 ") == 1

    os.utime(large)

    assert "map.mrc of Class2D/job001 cannot be shown to be the same" in job.refusal()


def test_an_input_that_the_record_does_not_know_is_refused(dispatched: Dispatched) -> None:
    job = dispatched("relion-3.1.4/AutoPick_job009")
    assert job.reproduce().returncode == 0
    (job.project / "refs.star").write_text("data_\n")

    assert "refs.star of AutoPick/job009 did not exist when the job was dispatched" in job.refusal()


def test_images_that_particles_name_must_be_there_and_not_be_newer(
    dispatched: Dispatched, started: Started
) -> None:
    job = dispatched("relion-5.0.1/Class2D_job007")
    stack = job.project / "Extract/job006/stack.mrcs"
    script = job.script()
    assert started(script)
    shutil.rmtree(job.project / "Reproduced")

    later = (job.folder / "dispatch.json").stat().st_mtime + 5
    os.utime(stack, (later, later))
    assert "stack.mrcs of Class2D/job007 cannot be shown to be the same" in job.refusal()
    assert "stack.mrcs was written after the first run" in stopped(script)
    stack.unlink()
    assert "stack.mrcs of Class2D/job007 can no longer be read" in job.refusal()
    assert "stack.mrcs no longer exists" in stopped(script)


def test_results_never_land_on_others(dispatched: Dispatched, tmp_path: Path) -> None:
    job = dispatched("relion-5.0.1/Class2D_job007")
    assert "is not empty" in job.refusal("--output", job.folder)
    assert "output=Reproduced/Class2D/job007\n" in job.reproduce().stdout
    (job.project / "Reproduced/Class2D/job007").mkdir(parents=True)
    (job.project / "Reproduced/Class2D/job007/run.out").touch()
    assert "output=Reproduced/Class2D/job007-2\n" in job.reproduce().stdout
    assert f"output={tmp_path}/new\n" in job.reproduce("--output", tmp_path / "new").stdout
    script = job.script()
    assert f"{script} already exists" in job.refusal("--write", script)
