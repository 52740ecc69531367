"""The site's own fields of RELION's window (RELION_QSUB_EXTRA1 and so on) reach the plan."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dispatcher.job_script.variables import NO_TOKEN, job_script

from ...fixture_types import CorpusJob, WriteSite
from .planned import plan

JOB = "relion-5.0.1/PostProcess_job016"


def with_options(script: Path, *lines: str) -> Path:
    """The job with these options in its job.star, in place of such that RELION wrote there."""
    file = script.parent / "job.star"
    text = re.sub(r"(?m)^ *qsub_extra.*\n", "", file.read_text())
    at = text.index("_rlnJobOptionValue #2") + len("_rlnJobOptionValue #2")
    at = text.index("\n", at) + 1
    file.write_text(text[:at] + "".join(f"{line}\n" for line in lines) + text[at:])
    return script


@pytest.fixture
def script(corpus_job: CorpusJob, images: Path) -> Path:
    return corpus_job(JOB)


@pytest.mark.parametrize(
    ("lines", "fields"),
    [
        ([], {}),
        (['qsub_extra1 "4 days"', "qsub_extra2 A100:2"],
         {"qsub_extra1": "4 days", "qsub_extra2": "A100:2"}),
        # RELION writes the template's own word where its window has no such field.
        (["qsub_extra1 XXXextra1XXX", "qsub_extra3 64"], {"qsub_extra3": "64"}),
        (['qsub_extra1 ""', 'qsub_extra2 " "', "qsub_extra10 x"], {"qsub_extra10": "x"}),
        (["qsub_extra_1 12:00:00"], {"qsub_extra1": "12:00:00"}),  # of the CCP-EM Pipeliner
    ],
)  # fmt: skip
def test_what_a_user_typed_is_in_the_plan(
    lines: list[str], fields: dict[str, str], script: Path
) -> None:
    planned = plan(with_options(script, *lines))

    assert planned.as_json()["extra_fields"] == fields


def test_what_relion_has_written_is_read(script: Path) -> None:
    assert plan(script).extra_fields == {"qsub_extra1": "24:00:00"}


def test_a_template_may_ask_for_them_too(script: Path) -> None:
    outfile, errfile, *commands = script.read_text().split("\n")
    script.write_text(
        f"outfile: {outfile}\nerrfile: {errfile}\nqueue: XXXqueueXXX\nextra1: 2-00:00:00\n"
        "extra2: XXXextra2XXX\nextra3:\n----- commands -----\n"
        + "\n".join([*commands, "----- end of commands -----", ""])
    )

    planned = plan(with_options(script, "qsub_extra2 kept"))

    assert planned.extra_fields == {"qsub_extra1": "2-00:00:00", "qsub_extra2": "kept"}


def test_a_job_template_prints_them(script: Path, site: WriteSite) -> None:
    site(
        "job_template/postprocess.sh.j2",
        '{% extends "submit.sh.j2" %}\n{% block prologue %}\n'
        "# walltime {{ job.extra_fields.qsub_extra1 | directive }}\n"
        '# card {{ job.extra_fields.get("qsub_extra2") or "any" }}\n{% endblock %}\n',
    )

    text = job_script(plan(with_options(script, 'qsub_extra1 "4:00:00"')), NO_TOKEN)

    assert "# walltime 4:00:00\n# card any\n" in text
