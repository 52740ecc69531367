"""JSON in files that others can write: what is read, what is refused, and what is written."""

from __future__ import annotations

import json
import os
import re
from contextlib import nullcontext
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.config.json_files import parsed
from dispatcher.errors import ConfigError
from dispatcher.host.json_text import DEEPEST, json_object, json_text


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "line 1, column 1: it is not valid JSON"),
        (b"[1]", "it is not a JSON object"),
        (b"null", "it is not a JSON object"),
        (b'{"a": 1,\n', "line 2, column 1: it is not valid JSON"),
        (b'{"a": 1, "a": 2}', 'it has the key "a" twice'),
        (b'{"a": {"\x1b": 1, "\x1b": 2}}', "not valid JSON"),
        (b'{"\\u001b[2J": 1, "\\u001b[2J": 2}', r'key "\u001b[2J" twice'),
        (b'{"a": NaN}', "NaN is no number of JSON"),
        (b'{"a": -Infinity}', "-Infinity is no number of JSON"),
        (b'{"a": ' + b"1" * 5000 + b"}", "a number of thousands of digits"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 50 + b"1" + b"}" * 50, "nested too deeply"),
        (b'{"a":' * 21 + b"1" + b"}" * 21, "nested too deeply"),
        (b"\xef\xbb\xbf{}", "not valid JSON"),
        ('{"a": 1}'.encode("utf-16"), "not valid JSON"),
        (b'{"a": 1}\0', "not valid JSON"),
    ],
)
def test_what_is_no_object_is_said_in_a_clause(content: bytes, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)) as raised:
        json_object(content)

    assert str(raised.value).isprintable()


def test_bytes_of_names_are_kept_whichever_way_they_were_written() -> None:
    name = os.fsdecode(b"caf\xe9")

    assert json_object(b'{"project": "caf\xe9"}') == {"project": name}  # as 0.2.0 wrote it
    assert json_object(json_text({"project": name}).encode()) == {"project": name}


texts = st.text(st.characters(codec=None)) | st.binary().map(os.fsdecode)


@given(st.dictionaries(texts, texts | st.integers() | st.lists(texts)))
def test_what_is_written_is_read_back_by_any_program(value: dict[str, object]) -> None:
    text = json_text(value)

    assert json_object(text.encode("utf-8", "strict")) == json.loads(text) == value
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)


def test_both_readers_take_objects_of_the_same_depth() -> None:
    for depth, is_taken in ((DEEPEST, True), (DEEPEST + 1, False)):
        for leaf in (b"1", b"{}", b"[]"):
            levels = depth - (leaf != b"1")
            content = b'{"a":' * levels + leaf + b"}" * levels
            for read in (json_object, lambda content: parsed(content, Path("x.json"))):
                refused = pytest.raises((ValueError, ConfigError), match="nested too deeply")
                with nullcontext() if is_taken else refused:
                    read(content)
