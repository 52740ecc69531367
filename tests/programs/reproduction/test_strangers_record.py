"""A stranger's record and inputs are text: nothing of them runs, and what is unusual is asked."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from .strangers import Stranger, at, changed, read_of


def test_an_honest_record_asks_nothing(stranger: Stranger) -> None:
    text, said = stranger.reproduce()

    assert text, said
    (argv,) = stranger.starts(text)
    assert argv[0] == b"apptainer"
    assert b"relion_refine_mpi" in argv
    assert "the results are in" in stranger.said


def test_no_text_of_a_record_runs_whatever_field_it_is_in(stranger: Stranger) -> None:
    """And none after the user has accepted all."""
    touch = f"touch {stranger.canary}"
    everything = f"{touch}\nEND_OF_NAMES\n{touch}\n;{touch}|{touch}&{touch}#}}"
    texts = [
        f"x'\"`{touch}`$({touch})\n{everything}",
        f"${{x:-$({touch})}}",
        f"a[$({touch})]",
        str(stranger.evil),
        "--\udcff\u202e\x1b]0;x\x07",
    ]
    tried = 0
    for place in read_of(stranger.honest, only_leaves=True):
        own = at(stranger.honest, place)
        for value in (texts[0], *(f"{own}{text}" for text in texts)):
            stranger.file.write_text(json.dumps(changed(stranger.honest, place, value)))
            stranger.attack(accept=True)
            tried += 1
    assert tried > 150


def test_no_odd_value_of_a_record_ends_in_a_traceback(stranger: Stranger) -> None:
    values: list[Any] = [None, True, -1, 10**30, 1e300, "", "\0\ud800", [], {}]
    for place in read_of(stranger.honest):
        for value in values:
            stranger.file.write_text(json.dumps(changed(stranger.honest, place, value)))
            stranger.reproduce()


@pytest.mark.parametrize(
    "name",
    [
        "END_OF_NAMES",
        "$(touch {canary})",
        "`touch {canary}`",
        "';touch${IFS}{canary};'",
        "-e",
        "--",
        "\\",
        "\udcff$(touch${IFS}{canary})",
    ],
)
def test_no_name_in_a_star_file_runs(stranger: Stranger, name: str) -> None:
    name = name.replace("{canary}", str(stranger.canary)).replace("touch /", "touch${IFS}/")
    particles = stranger.project / "Select/job007/particles.star"
    text = particles.read_text()
    lines = [f"1@{each} 1" for each in (name, "touch", f"touch${{IFS}}{stranger.canary}")]
    raw = "\n".join([text.rstrip(), *lines, ""]).encode(errors="surrogateescape")
    particles.write_bytes(raw)

    _, said = stranger.reproduce("--accept-changed", "*")
    assert "note: The input Select/job007/particles.star has changed" in said
    for each in (name, "touch", f"touch${{IFS}}{stranger.canary}"):
        file = stranger.project / each
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        os.utime(file, (1, 1))

    text_of_script, said = stranger.reproduce("--accept-changed", "Select/*")

    assert text_of_script, said
    assert stranger.starts(text_of_script)
    assert "the results are in" in stranger.said


@pytest.mark.parametrize(
    ("shell", "value"),
    [
        ("relion_x --args 'a'\"${IFS}touch CANARY\"", None),
        ('relion_x --args "x$_"', None),
        ('relion_x --args "x$BASH_COMMAND"', None),
        ('relion_x --args "x${dispatch_new}"', None),
        ('relion_x --args "$VALUE"', ""),
        ('relion_x --args "$VALUE"', "--other"),
        ('relion_x --args "$VALUE"', "a;b"),
        ('relion_x --args "$VALUE"', "a`b"),
        ('relion_x --args "$VALUE"', "a\nb"),
        ('relion_x --args "$VALUE"', "a\\b"),
        ('relion_x --args "$VALUE"', "a(b"),
        ('relion_x --args "$VALUE"', "it's"),
    ],
)
def test_a_variable_brings_no_code_and_takes_no_word_away(
    stranger: Stranger, shell: str, value: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The script looks at the values, also at those that bash or the script itself gives."""
    stranger.command(shell.replace("CANARY", str(stranger.canary)))
    text, said = stranger.reproduce()
    assert text, said

    started = stranger.starts(text, **({} if value is None else {"VALUE": value}))

    for argv in started:  # `$_` and the like may be plain
        assert value is None
        assert not any(set(word[1:]) & set(b"$`;|&<>()'\n") for word in argv[-1:])
    if value is not None:
        assert "has signs on which a shell acts" in stranger.said


def test_a_variable_with_a_plain_value_is_given(stranger: Stranger) -> None:
    stranger.command('relion_x --scratch_dir /s/$SLURM_JOB_ID --x=$VALUE "$VALUE"')
    text, said = stranger.reproduce()
    assert text, said

    (argv,) = stranger.starts(text, VALUE="/a/é +1", SLURM_JOB_ID="17")

    assert argv[-1] == "/a/é +1".encode()
    assert b"/s/17" in argv


@pytest.mark.parametrize("changes", [{"nproc": 1_000_000}, {"nodes": 0}, {"nodes": 10**5}])
def test_more_or_fewer_ranks_than_any_job_has_are_damage(
    stranger: Stranger, changes: dict[str, int]
) -> None:
    stranger.record(**changes)

    assert "is not a record of relion-dispatch" in stranger.refused()


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_what_the_script_says_acts_on_no_terminal(stranger: Stranger, locale: str) -> None:
    text, said = stranger.reproduce()
    assert text, said

    signs = r"say $'\xe2\x80\xae\xe2\x81\xa6\xd8\x9c\x9b31m\x1b[2J\xc3\xa9'"
    stranger.starts(text.replace('say "checking the inputs"', signs), locale)

    assert "?31m?[2J" in stranger.said
    assert ("é" in stranger.said) == (locale != "C")
    assert not set(stranger.said) & set("\u202e\u2066\u061c\x9b\udc9b\x1b")
