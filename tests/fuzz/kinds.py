"""The kinds of input that are fuzzed: what is changed, how a case is made, what looks at it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from hypothesis import strategies as st

from ..corpus import CORPUS
from . import checks
from .texts import damaged, damaged_json, damaged_mrc, hostile, in_one_line, names, quoted_line
from .through_the_hook import dispatched, submissions
from .world import CLASS3D, PARTICLES, REFINE, STACK, World

__all__ = ["KINDS", "Kind"]

SCRIPTS = sorted(CORPUS.glob("*/*/run_submit.script"))
JOB_STARS = sorted(CORPUS.glob("*/*/job.star"))
INSTEAD = st.sampled_from(
    ["a pipe", "a folder", "3 GB of nothing", "OUTSIDE/victim", "OUTSIDE/none", "/dev/zero"]
)
Cases = st.SearchStrategy[Any]


class Kind(NamedTuple):
    """One kind.

    Attributes:
        cases: makes a strategy for cases, given the world.
        check: raises if something does not hold for a case.
        short, long: how many cases CI tries, and the long run.
        programs: whether our programs run as processes.
    """

    cases: Callable[[World], Cases]
    check: Callable[[World, Any], None]
    short: int
    long: int
    programs: bool = False


def files(*patterns: str, how: Callable[[Sequence[bytes]], Cases] = damaged) -> Any:
    """One or two of the world's files: damaged, or something else in their place."""

    def cases(world: World) -> Cases:
        return things({pattern: how(world.read(pattern)) for pattern in patterns})

    return cases


def things(contents: dict[str, Cases]) -> Cases:
    """One or two of these names, and what is there."""
    each = [
        st.tuples(st.just(name), st.one_of(*[content] * 7, *[INSTEAD] * ("slurm/" not in name)))
        for name, content in contents.items()  # the site's scheduler always answers in text
    ]
    return st.lists(st.one_of(each), min_size=1, max_size=2).map(dict)


def submission_scripts(_: World) -> Cases:
    """A script of the corpus, in the classic form or our template's, with its job's name."""
    each = [
        st.tuples(
            st.just(path.parent.name.replace("_job", "/job")),
            damaged([path.read_bytes(), _in_our_form(path.read_text())]),
        )
        for path in SCRIPTS
    ]
    return st.one_of(each)


def _in_our_form(classic: str) -> bytes:
    out, err, *commands = classic.strip("\n").split("\n")
    head = f"outfile: {out}\nerrfile: {err}\nqueue: q\nranks: 5\nthreads: 4\n----- commands -----\n"
    return (head + "\n".join(commands) + "\n----- end of commands -----\n").encode()


def values_of_options(_: World) -> Cases:
    """A command of the corpus with hostile values behind some of its options, as a submission."""
    lines = sorted({line for path in SCRIPTS for line in path.read_text().split("\n")[2:] if line})
    values = st.lists(st.tuples(st.integers(0, 63), hostile), min_size=1, max_size=4)

    def written(case: tuple[str, list[tuple[int, str]]]) -> tuple[str, bytes]:
        words = case[0].split(" ")
        places = [at for at, word in enumerate(words) if word.startswith("-")] or [len(words) - 1]
        for at, value in case[1]:
            words[places[at % len(places)]] += " " + value.replace("\n", " ")
        name = "Class2D/job099"
        text = f"{name}/run.out\n{name}/run.err\n{' '.join(words)}\n"
        return name, text.encode(errors="surrogatepass")

    return st.tuples(st.sampled_from(lines), values).map(written)


def job_stars(_: World) -> Cases:
    return damaged([path.read_bytes() for path in JOB_STARS]).map(
        lambda content: {REFINE + "job.star": content}
    )


def records(world: World) -> Cases:
    """The files of a job's record, each as its writers write it, and what the queue says."""
    text = world.read(REFINE + "dispatch.json")
    token = json.loads(text[0])["token"]
    ran = f"token {token}\nstarted 2026-01-01T00:00:00+00:00\nended 2026-01-01T01:00:00+00:00\n"
    ran += "host n1\nscheduler_job_id 17\nexit_status 0\nending success\nreason x\n"
    ran += "gpu n1 GPU-1 10 1000000 50 2 -\n"
    row = f"17|RUNNING|node1|None|0:07|relion-dispatch:{token}\n"
    return things({
        REFINE + "dispatch.json": damaged_json(text),
        CLASS3D + "dispatch.json": damaged_json(world.read(CLASS3D + "dispatch.json")),
        REFINE + f"dispatch.run.{token}": damaged([ran.encode()]),
        REFINE + f".dispatch_watcher.{token}": damaged([b"18\n", b"-\nno watcher\n"]),
        REFINE + f".dispatch_id.{token}": damaged([b"17\n"]),
        REFINE + ".dispatch_hook": damaged([b'{"host": "n1", "pid": 12}']),
        REFINE + f".dispatch_claim.{token}": in_one_line.map(lambda text: text[:200] or "x"),
        "slurm/queue": damaged([row.encode(), row.replace("RUNNING", "PENDING").encode()]),
    })  # fmt: skip


def jobs_to_run_again(world: World) -> Cases:
    """A record that is damaged or not, and particles in a file of a hostile name."""
    record, star = world.read(CLASS3D + "dispatch.json"), world.read(PARTICLES)[0]

    def named(name: bytes) -> dict[str, Any]:
        name = b"".join(name.split()) or b"x"
        return {f"project/{os.fsdecode(name)}": b"", PARTICLES: star.replace(STACK.encode(), name)}

    return st.builds(
        lambda record, particles: {CLASS3D + "dispatch.json": record, **particles},
        st.one_of(st.just(record[0]), damaged_json(record)),
        st.one_of(st.just({}), names.map(named)),
    )


STATUS, HISTORY = ("status",), ("pin",)
KINDS = {
    "words of a command, as bash reads them": Kind(
        lambda _: quoted_line(), checks.passed_as_by_bash, 400, 100_000
    ),
    "lines of any text, as commands": Kind(
        lambda _: st.lists(in_one_line, min_size=1, max_size=4).map(" ".join),
        checks.runs_nothing, 400, 190_000,
    ),
    "submission scripts": Kind(submission_scripts, checks.submission, 400, 80_000),
    "values of RELION's options": Kind(values_of_options, checks.submission, 400, 60_000),
    "job.star": Kind(job_stars, checks.job_star, 500, 353_000),
    "STAR files": Kind(
        files(PARTICLES, REFINE + "run_optimiser.star",
              REFINE + "run_model.star", "project/bodies.star"),
        checks.refinements, 300, 80_000,
    ),
    "MRC headers": Kind(
        files("project/mask1.mrc", "project/InitialModel/job009/initial_model.mrc",
              how=damaged_mrc),
        checks.refinements, 300, 40_000,
    ),
    "site.json, dispatch_config.json, images.json": Kind(
        files("site/site.json", "site/dispatch_config.json", "site/images.json", how=damaged_json),
        checks.saying(("plan", "--json", "Class3D/job010/run_submit.script")), 150, 20_000,
    ),
    "pins": Kind(
        files("project/.relion_dispatch.json", how=damaged_json),
        checks.saying(("pin",), ("plan", "--json", "Class3D/job010/run_submit.script")),
        100, 15_000,
    ),
    "records and notes": Kind(
        records, checks.saying(STATUS, ("status", "--json"), HISTORY), 150, 25_000
    ),
    "records to be run again": Kind(
        jobs_to_run_again, checks.run_again, 100, 6_000
    ),
    "records of jobs to be cancelled": Kind(
        records, checks.saying(("cancel", "Refine3D/job011"), ("watch", "--once")), 80, 10_000
    ),
    "pipelines": Kind(
        files("project/default_pipeline.star"), checks.saying(STATUS, ("status", "--json")),
        150, 20_000,
    ),
    "names of projects": Kind(lambda _: names, checks.project_name, 100, 6_000),
    "submissions through the whole hook": Kind(
        lambda _: submissions(), dispatched, 60, 10_000, programs=True
    ),
}  # fmt: skip
