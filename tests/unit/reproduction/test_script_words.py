"""Text as a word, or as a remark, of a script."""

from __future__ import annotations

import os
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.host.shell_words import Variable, Word, quote, split
from dispatcher.job_script.filters import comment
from dispatcher.reproduction.script_words import as_word, as_words

BYTES = st.binary(max_size=12).map(lambda raw: os.fsdecode(raw.replace(b"\0", b"")))
SIGNS = st.text("'\"\\`$(){}[]!#~*?;&|<>\n\r\t \x1b\x7f\x85\u2028\u202e\xa0é-=a", max_size=12)
TEXTS = st.lists(BYTES | SIGNS, min_size=1, max_size=40)


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
@settings(max_examples=60)
@given(texts=TEXTS)
def test_bash_reads_each_text_back_byte_by_byte(locale: str, texts: list[str]) -> None:
    script = f"words=({' '.join(as_words(texts))})\nprintf '%s\\0' \"${{words[@]}}\""

    done = subprocess.run(
        ["bash", "-uc", script], capture_output=True, check=True, env={"LC_ALL": locale}
    )

    assert done.stdout.split(b"\0")[:-1] == [os.fsencode(text) for text in texts]
    assert done.stderr == b""


@given(texts=TEXTS)
def test_a_script_has_no_sign_that_a_terminal_acts_on(texts: list[str]) -> None:
    assert " ".join([*as_words(texts), *map(comment, texts)]).isprintable()


@given(texts=TEXTS)
def test_a_record_gives_each_word_back(texts: list[str]) -> None:
    line = " ".join(Word.literal(text).shell() for text in texts)

    assert [str(word) for word in split(line)] == texts


@settings(max_examples=40)
@given(text=SIGNS)
def test_variables_expand_and_the_text_beside_them_does_not(text: str) -> None:
    word = as_word(Word((text, Variable("NAME", quoted=True))))

    done = subprocess.run(
        ["bash", "-c", f"printf '%s' {word}"],
        capture_output=True,
        check=True,
        env={"NAME": "$(x) *"},
    )

    assert done.stdout == os.fsencode(text) + b"$(x) *"


def test_plain_text_stays_readable() -> None:
    assert [quote(text) for text in ("Class3D/job010/run", "a b", "é", "it's")] == [
        "Class3D/job010/run",
        "'a b'",
        "'é'",
        "'it'\"'\"'s'",
    ]
