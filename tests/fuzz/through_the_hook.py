"""A submission through the whole hook: RELION's call, a stand-in scheduler, bash, the program."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from hypothesis import strategies as st

from ..programs.hook_calls import HOOK
from .checks import words_passed
from .limits import limits_of_a_program
from .texts import damaged, hostile, names, quoted_line
from .world import World

__all__ = ["dispatched", "submissions"]

JOB = "PostProcess/job016"
STAR = b"data_job\n\n_rlnJobTypeLabel relion.postprocess\n_rlnJobIsContinue 0\n"


class Submission(NamedTuple):
    """The project's name, the words of RELION's command, and what lies beside its script."""

    project: bytes
    words: str
    ours: bool
    beside: dict[str, Any]


def submissions() -> st.SearchStrategy[Submission]:
    beside = st.dictionaries(
        st.sampled_from(["dispatch.json", "job.star", ".dispatch_hook", "run.out"]),
        st.one_of(hostile.map(lambda text: text.encode(errors="surrogatepass")), damaged([STAR])),
        max_size=2,
    )
    return st.builds(Submission, names, quoted_line(), st.booleans(), beside)


def dispatched(world: World, case: Submission) -> None:
    """RELION is told why not, or the job runs and its program gets the words that bash passes."""
    project = world.folder / os.fsdecode(case.project)
    if project.exists():
        return
    words = f"--fuzz_begin {case.words} --fuzz_end"
    command = f"`which relion_postprocess` --i a.mrc {words} --pipeline_control {JOB}/"
    text = f"{JOB}/run.out\n{JOB}/run.err\n{command}\n"
    if case.ours:
        text = f"outfile: {JOB}/run.out\nerrfile: {JOB}/run.err\nqueue: q\nranks: 1\nthreads: 1\n"
        text += f"----- commands -----\n{command}\n----- end of commands -----\n"
    script = f"{project.name}/{JOB}/run_submit.script"
    files = {script: text.encode()}
    files |= {f"{project.name}/{JOB}/{name}": content for name, content in case.beside.items()}
    with world.holding(files, only_in=project.name):
        submit = [HOOK, f"{JOB}/run_submit.script"]
        hook = _run(
            submit,
            project,
            {**os.environ, "RELION_DISPATCH_PYTHON": sys.executable},
            limits_of_a_program,
        )
        assert b"Traceback" not in hook.stderr, hook.stderr
        folder = project / JOB
        if hook.returncode:
            assert (folder / "RELION_JOB_EXIT_FAILURE").exists(), hook
            return
        job = _run(["bash", f"{JOB}/run_submit.script.run"], project, world.with_stand_ins())
        assert (folder / "RELION_JOB_EXIT_SUCCESS").exists(), job
        given = (world.folder / "recorded").read_bytes().removesuffix(b"\0\n").split(b"\0")
        begin = given.index(b"--fuzz_begin")
        end = len(given) - given[::-1].index(b"--fuzz_end")
        assert given[begin:end] == words_passed(world, words)[0]


def _run(
    command: list[Any], project: Path, environment: dict[str, str], limits: Any = None
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        command, cwd=project, env=environment, capture_output=True, timeout=60, preexec_fn=limits
    )
