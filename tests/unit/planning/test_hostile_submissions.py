"""Submission scripts as long as they may be: a plan or a sentence, in the time of any other."""

from __future__ import annotations

import pytest

from dispatcher.job_script.variables import job_script

from ...fixture_types import CorpusJob, WriteSite
from ...limits import sentence_within_limits
from .planned import plan

pytestmark = pytest.mark.usefixtures("images")

WHICH = "`which relion_postprocess` "
LINES = {
    "words": WHICH + "a " * 60_000,
    "options": WHICH + "--a 1 " * 30_000,
    "paths": WHICH + "--i " + "a/b " * 50_000,
    "STAR files": f'`which relion_star_handler` --i " {"a.star " * 30_000}"',
    "single quotes": WHICH + "'" * 250_001,
    "quotes": WHICH + "'\"'" * 80_000,
    "variables": WHICH + "$a" * 100_000,
    "backslashes": WHICH + "\\" * 250_000,
    "an open brace": WHICH + "{" + "," * 250_000,
    "dots in a brace": WHICH + "{" + "." * 250_000,
    "open brackets": WHICH + "[" * 250_000,
    "backticks": WHICH + "`" * 250_000,
    "commands": f"{WHICH}--i a\n" * 5_000,
    "redirections": "echo " + "a >" * 80_000,
    "blanks": "echo a " + " " * 240_000 + "x",
    "launchers": "mpirun " * 30_000 + "`which relion_refine_mpi` --i a",
    "a long program": "a" * 250_000 + "run --x",
    "GPUs": "/opt/x " + "--gpu 0 " * 25_000,
    "a list of GPUs": f"/opt/x --gpu {'0,' * 120_000}x",
    "no end of which": "`which " + " " * 250_000,
}


@pytest.mark.parametrize("kind", LINES)
def test_a_long_command_is_planned_or_refused_in_time(
    kind: str, site: WriteSite, corpus_job: CorpusJob
) -> None:
    script = corpus_job("relion-5.0.1/External_job023")
    out, err = script.read_text().splitlines()[:2]
    script.write_text(f"{out}\n{err}\n{LINES[kind]}\n")

    sentence_within_limits(lambda: job_script(plan(script), "t" * 16))


def test_a_script_that_is_too_long_is_named(corpus_job: CorpusJob) -> None:
    script = corpus_job("relion-5.0.1/External_job023")
    script.write_text(script.read_text() + " " * 300_000)

    said = sentence_within_limits(lambda: plan(script))

    assert f"{script} is longer than 256 KB" in said
