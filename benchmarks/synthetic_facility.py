"""A facility's projects that never were: users, projects and jobs with their records, by a seed.

Usage: python benchmarks/synthetic_facility.py FOLDER [--users 200] [--jobs 20000] [--seed 16]

FOLDER gets `projects/`, with a RELION project for each, and `site/`, whose notes name them all:

    RELION_DISPATCH_SITE=FOLDER/site relion-dispatch report --html report.html

A record is what the hook wrote for a Class2D or a Refine3D job of RELION 5.0.1, with other values
in the entries that a report reads. The distributions are of our making: few users have most jobs,
times are log-normal, a tenth fails, some GPUs idle.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from benchmark_project import make_job, make_site

from dispatcher.config.endings import load_endings
from dispatcher.config.site import Site
from dispatcher.images.known_projects import remember

ROOT = Path(__file__).parents[1]
DAY = 24 * 3600
SPAN = 180  # days


class Kind(NamedTuple):
    """A type of job: its folder, GPUs, ranks, how many there are of it, its middle hours, the time
    and memory asked for, and how busy its GPUs are in percent."""

    folder: str
    gpus: int
    ranks: int
    share: float
    hours: float
    asked: str
    mem: str
    busy: int


KINDS = {
    "motioncorr_gpu": Kind("MotionCorr", 2, 2, 8, 1.5, "24:00:00", "64G", 30),
    "ctffind": Kind("CtfFind", 0, 8, 8, 0.4, "24:00:00", "32G", 0),
    "autopick": Kind("AutoPick", 1, 1, 7, 0.6, "24:00:00", "32G", 12),
    "extract": Kind("Extract", 0, 8, 13, 0.3, "24:00:00", "32G", 0),
    "class2d": Kind("Class2D", 4, 5, 20, 5, "48:00:00", "120G", 60),
    "initialmodel": Kind("InitialModel", 4, 1, 6, 3, "48:00:00", "120G", 9),
    "class3d": Kind("Class3D", 4, 5, 12, 9, "3-00:00:00", "240G", 65),
    "refine": Kind("Refine3D", 4, 9, 15, 7, "3-00:00:00", "240G", 70),
    "postprocess": Kind("PostProcess", 0, 1, 6, 0.02, "1:00:00", "16G", 0),
    "polish": Kind("Polish", 0, 16, 5, 4, "24:00:00", "240G", 0),
}
PARTITIONS = {"gpu": 0.4, "gpu-long": 2.5, "cpu": 0.1}  # middle hours of waiting
VERSIONS = ("3.1.3", "4.0.1", "5.0.1", "5.1.0")
CAUSES = {
    "gpu_memory": 6, "time_limit": 4, "host_memory": 3, "disk_full": 2, "missing_program": 1,
    "gpu_busy": 1, "download": 1,
}  # fmt: skip


class Person(NamedTuple):
    """A user, how many of their jobs fail, and whether they leave GPUs idle."""

    name: str
    projects: tuple[Path, ...]
    failing: float
    idle: bool


def main() -> None:
    parser = argparse.ArgumentParser(description="Make a facility's projects that never were.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--users", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=16)
    parser.add_argument("--end", default="", help="the last day, 2026-01-31; default: today")
    asked = parser.parse_args()
    end = time.mktime(time.strptime(asked.end, "%Y-%m-%d")) if asked.end else time.time()
    make_facility(asked.folder.absolute(), asked.users, asked.jobs, asked.seed, end)


def make_facility(folder: Path, users: int, jobs: int, seed: int, end: float) -> None:
    """Write the projects and the site; `end` is the last moment, in seconds since 1970."""
    chance = random.Random(seed)
    os.environ["RELION_DISPATCH_SITE"] = str(folder / "site")
    folder.mkdir(parents=True)
    make_site(folder / "site")
    (folder / "site" / "projects").mkdir()
    bases = _recorded(folder)
    people = [_person(chance, folder, number) for number in range(users)]
    weights = [1 / (number + 3) for number in range(users)]
    endings = load_endings()
    causes = [endings[name].sentence for name in CAUSES]
    numbers: dict[Path, int] = {}
    kinds, shares = list(KINDS), [kind.share for kind in KINDS.values()]
    for number in range(jobs):
        (person,) = chance.choices(people, weights)
        (name,) = chance.choices(kinds, shares)
        project = chance.choice(person.projects)
        numbers[project] = numbers.get(project, 0) + 1
        job = f"{KINDS[name].folder}/job{numbers[project]:03}"
        record, run = _job(chance, bases, person, name, end - chance.random() * SPAN * DAY, causes)
        record |= {"job": job, "project": str(project), "job_id": str(number + 1)}
        _write(project / job, record, run)


def _recorded(folder: Path) -> list[dict[str, Any]]:
    """Records that the hook writes for real jobs, of which each synthetic one is a copy."""
    with tempfile.TemporaryDirectory() as temporary:
        project = Path(temporary)
        (project / "default_pipeline.star").touch()
        found = []
        for number, style in ((101, "3.1"), (102, "3.0")):
            job = make_job(project, number, style, 100)
            hook = [sys.executable, ROOT / "deploy" / "relion_dispatch.py", job.script]
            subprocess.run(hook, cwd=project, check=True, capture_output=True)
            found.append(json.loads((project / job.folder / "dispatch.json").read_text()))
    for note in (folder / "site" / "projects").iterdir():
        note.unlink()
    return found


def _person(chance: random.Random, folder: Path, number: int) -> Person:
    syllables = (
        "an",
        "be",
        "cor",
        "da",
        "el",
        "fi",
        "gu",
        "ha",
        "il",
        "jo",
        "ka",
        "lu",
        "mi",
        "no",
    )
    name = "".join(chance.choices(syllables, k=chance.choice((2, 3)))) + str(number % 10)
    projects = []
    for each in range(chance.choice((1, 1, 2, 3))):
        project = folder / "projects" / f"{name}-{number:03}-{each + 1}"
        project.mkdir(parents=True)
        (project / "default_pipeline.star").touch()
        remember(project, Site())
        projects.append(project)
    failing = min(0.6, chance.expovariate(1 / 0.09))
    return Person(name, tuple(projects), failing, chance.random() < 0.06)


def _job(
    chance: random.Random, bases: list[dict[str, Any]], person: Person, name: str,
    submitted: float, causes: list[str],
) -> tuple[dict[str, Any], list[str]]:  # fmt: skip
    """A record, and the lines of its run's file; none if nobody knows its end."""
    kind = KINDS[name]
    partition = "cpu" if not kind.gpus else "gpu-long" if kind.hours > 6 else "gpu"
    token = f"{chance.getrandbits(48):012x}"
    age = (time.time() - submitted) / DAY
    version = VERSIONS[min(3, int(chance.gauss(3.2 - age / 90, 0.8)))] if age < 400 else "3.1.3"
    has_mps = kind.ranks > kind.gpus + 1 and chance.random() < 0.8
    base = bases[kind.gpus > 0 and name != "class2d"]
    image = {**base["image"], "version": version}
    commands = base["original_commands"]
    if name not in ("class2d", "initialmodel", "class3d", "refine"):
        commands = [each.replace("relion_refine", "relion_program") for each in commands]
    parameters = {
        **base["job_parameters"], "partition": partition, "time": kind.asked, "mem": kind.mem
    }  # fmt: skip
    record = {
        **base, "job_type": name, "lineage": ["submit", name], "image": image, "ngpu": kind.gpus,
        "nproc": kind.ranks, "nodes": 1, "mps": has_mps, "uses_gpu": kind.gpus > 0,
        "uses_mpi": kind.ranks > 1, "original_commands": commands,
        "job_parameters": parameters, "user": person.name, "token": token,
        "dispatched": _utc(submitted),
    }  # fmt: skip
    if chance.random() < 0.02:
        return {**record, "refused": "The job needs more memory than its partition has."}, []
    if chance.random() < 0.01:
        return record, []
    started = submitted + 3600 * chance.lognormvariate(0, 1.2) * PARTITIONS[partition]
    seconds = 3600 * kind.hours * chance.lognormvariate(0, 0.8)
    ending, reason = "SUCCESS", ""
    if chance.random() < person.failing:
        (cause,) = chance.choices(causes, list(CAUSES.values()))
        ending, reason = "FAILURE", f"The job failed after 1:00:00, because {cause}."
        seconds *= chance.random()
    elif chance.random() < 0.05:
        ending, reason = "ABORTED", "The job was aborted in RELION after 1:00:00."
        seconds *= chance.random()
    lines = [
        f"token {token}", f"started {_utc(started)}", f"ended {_utc(started + seconds)}",
        "host gpu1", "exit_status 0", f"ending {ending}",
    ]  # fmt: skip
    lines += [f"reason {reason}"] if reason else []
    if kind.gpus and chance.random() < 0.85:
        lines += _gpus(chance, kind, person.idle)
    return record, lines


def _gpus(chance: random.Random, kind: Kind, idle: bool) -> Iterator[str]:
    busy = max(2, min(99, round(chance.gauss(kind.busy, 12))))
    at_work = chance.randint(1, kind.gpus) if idle or chance.random() < 0.05 else kind.gpus
    for number in range(kind.gpus):
        mean = busy if number < at_work else 0
        yield f"gpu gpu1 GPU-{number} 700 {chance.randint(4, 20) << 30} {mean} - -"


def _write(folder: Path, record: dict[str, Any], run: list[str]) -> None:
    folder.mkdir(parents=True)
    (folder / "dispatch.json").write_text(json.dumps(record, indent=2) + "\n")
    if run:
        text = "\n".join(run) + "\n"
        (folder / f"dispatch.run.{record['token']}").write_text(text)


def _utc(moment: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(moment))


if __name__ == "__main__":
    main()
