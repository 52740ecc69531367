"""Text that bash would have acted on in RELION's own script stays, and the plan says so."""

from __future__ import annotations

import pytest

from dispatcher.config.configuration import load_configuration
from dispatcher.host.shell_words import split
from dispatcher.planning.make_plan import plan_script

from ...corpus import CORPUS
from ...fixture_types import CorpusJob, WriteSite

pytestmark = pytest.mark.usefixtures("images")


@pytest.mark.parametrize(
    "text",
    [
        *(
            "`whoami`",
            "/s/`whoami`",
            '"`id`"',
            "$(id)",
            '"$(id)"',
            "${TMPDIR:-/tmp}/x",
            '"${A:-b}"',
        ),
        *("*.mrc", "~/x", "a?.mrc", "a[12].mrc", "{a,b}", "{1..3}", "$1", "$$", "$?", "'a'`b`"),
        *("$'a b'", '$"a"', "a$'b'", "a;", ";", "a;b", "|", "a|b", "&", "a&&b", "2>&1", ">x", "<y"),
        *("#", "#a"),
    ],
)
def test_what_bash_would_expand_is_known(text: str) -> None:
    (word,) = split(text)

    assert word.stays


@pytest.mark.parametrize(
    "text",
    [
        *("$A/b", "${A}b", '"$A"', "'`id`'", "'$(id)'", r"\`id\`", r'"\$(id)"', '"*.mrc"', '"~/x"'),
        *("a~b", "0:1", r"\*", "a[b", "{a}", "a$", "plain", "''", "'a'\"b\""),
        *("'a;b'", '"a|b"', r"a\;b", "a#b", '"#"', r"\#", "'>'", "\"$'a'\"", r"\$'a'"),
    ],
)
def test_what_stays_in_bash_too_is_nothing_to_speak_of(text: str) -> None:
    (word,) = split(text)

    assert not word.stays


@pytest.mark.parametrize(
    "text",
    ["/scratch/`whoami`", "${TMPDIR:-/tmp}/relion", "~/scratch", "/s;ls", "/s>log", "$'/s'"],
)
def test_the_plan_names_the_text_and_the_parameter(text: str, corpus_job: CorpusJob) -> None:
    script = corpus_job("relion-5.0.1/Refine3D_job011")
    script.write_text(script.read_text().replace("_dir /scratch ", f"_dir {text} "))

    (warning,) = plan_script(script, load_configuration()).warnings

    text = text.replace("'", "")  # the quotes are no part of the word
    assert warning.startswith(f"The text {text} of --scratch_dir is passed on as it is,")


def test_the_sites_own_parameters_are_looked_at_as_well(
    corpus_job: CorpusJob, site: WriteSite
) -> None:
    kind = {
        "inherits": "submit",
        "match_command": "relion_refine",
        "job_parameters": {"nproc": 3, "ngpu": 0},
        "image": "relion",
        "relion_add_parameter": {"scratch_dir": "/ssd/$(whoami)"},
    }
    site("dispatch_config.json", {"submit": {"match_command": "None"}, "refine": kind})

    (warning,) = plan_script(
        corpus_job("relion-5.0.1/Refine3D_job011"), load_configuration()
    ).warnings

    assert "The text /ssd/$(whoami) of --scratch_dir" in warning


def test_no_script_of_relion_has_such_text(corpus_job: CorpusJob) -> None:
    configuration = load_configuration()
    for source in sorted(CORPUS.glob("*/*/run_submit.script")):
        script = corpus_job(f"{source.parent.parent.name}/{source.parent.name}")
        assert "passed on as it is" not in str(plan_script(script, configuration).warnings)
