"""Texts that were found, or are likely, to break programs; and real files, damaged with them."""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

__all__ = [
    "damaged",
    "damaged_json",
    "damaged_mrc",
    "hostile",
    "in_one_line",
    "names",
    "quoted_line",
]

CODE = [
    "$(touch canary)", "`touch canary`", ";touch canary;", "\ntouch canary\n", "|touch canary",
    "'$(touch canary)'", '"$(touch canary)"', "${x:-$(touch canary)}", "$((a[$(touch canary)]))",
    "\nEND_OF_NAMES\ntouch canary\n", "\nEND_OF_REASONS\ntouch canary\n", ">canary",
    "&&touch canary", "a[$(touch canary)]", "<(touch canary)", "{{ 1 // 0 }}", "{% raw %}", "#}",
    "%s%n", "!!", "relion_refine_mpi;touch canary", "mpirun -n 2 `which relion_refine_mpi`",
]  # fmt: skip
NUMBERS = [
    "0", "-1", "1e200", "1e999", "inf", "nan", "²", "١٢", "0x10", "1_000", "+5", "1e3", "1.5", "-0",
    "9" * 5000, "1000000000", "1000000", "2147483648", "18446744073709551616", "0-99999999999",
    ":".join("0123") * 3000, ",".join(["1"] * 3000), "1e-320", "60", "99", "24G", "infG", "1e30T",
]  # fmt: skip
PATHS = [
    "../../outside/victim", "/dev/zero", "/proc/self/mem", "..", ".", "/", "//", "-rf", "--help",
    "~", "*", "{a,b}", "a/../../b", "@", "1@", "@x.mrcs", "99999999999@x.mrcs", "x:mrcs",
    "x.mrc:star", "#", "./" * 600, "a" * 300, "Refine3D/job011/", "job011",
    "x.img", "x.hed", "x.tif", "x.spi", "x.star",
]  # fmt: skip
ODD = [
    "", " ", "\t", "\r", "\r\n", "\n", "\0", "\x1b[2J", "\x1b]0;x\x07", "\x9b31m", "\x7f", "\u202e",
    "\ud800", "\udce9", "\ufeff", "\u2028", "\x85", "\x0b", "\x0c", "'", '"', "\\", "`", "$",
    "$HOME", "${HOME}", "$1", "#", "=", "--=", "[x]", "str", "int", "null", "true", "[]", "{}",
    "data_", "loop_", "_rln", "_rlnX #0", "data_\nloop_\n_a #1\n", "----- commands -----",
    "é", "ä" * 40, "\xa0", "x" * 70000, "( " * 500, "[" * 3000, "__comment__", "inherits", "None",
]  # fmt: skip

hostile = st.one_of(
    *map(st.sampled_from, (CODE, NUMBERS, PATHS, ODD)),
    st.text(max_size=6),
    st.integers(-(2**70), 2**70).map(str),
)
_PIECES = st.one_of(
    hostile.map(lambda text: text.encode(errors="surrogatepass")),
    st.binary(max_size=4),
    st.sampled_from([b"\xff", b"\xe9", b"\xed\xa0\x80", b"\xff\xfe"]),
)
_TOKEN = re.compile(rb"[\w.+-]+|\s+|[^\w\s]")
_STEPS = st.tuples(
    st.sampled_from(["put", "put", "put", "before", "drop", "again", "flip", "cut", "move"]),
    st.integers(0, 2**16 - 1),
    _PIECES,
)


@st.composite
def damaged(draw: st.DrawFn, seeds: Sequence[bytes]) -> bytes:
    """One of the files with up to five of its words or bytes replaced, repeated, moved, or cut."""
    content = draw(st.sampled_from(seeds))
    for step in draw(st.lists(_STEPS, min_size=1, max_size=5)):
        content = _damage(content, *step)
    return content


def _damage(content: bytes, how: str, at: int, piece: bytes) -> bytes:
    if how in ("flip", "cut"):
        at = at * len(content) >> 16
        return content[:at] + (piece[:1] + content[at + 1 :] if how == "flip" else b"")
    words = _TOKEN.findall(content) or [b""]
    at, other = at * len(words) >> 16, (at * 7919) % len(words)
    words[at] = {
        "put": piece,
        "before": piece + words[at],
        "drop": b"",
        "again": words[at] * min(1 + len(piece) * 40, 1 + 2**16 // (1 + len(words[at]))),
        "move": words[other],
    }[how]
    return b"".join(words)


_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        hostile,
        st.sampled_from([None, True, False, math.nan, math.inf, -math.inf, 10**30, -1, 0, 1e300]),
        st.integers(),
    ),
    lambda inside: st.one_of(
        st.lists(inside, max_size=3), st.dictionaries(hostile, inside, max_size=3)
    ),
    max_leaves=4,
)
_CHANGES = st.tuples(
    st.sampled_from(["set", "set", "set", "key", "add", "drop", "deep"]),
    st.lists(st.integers(0, 255), min_size=1, max_size=5),
    hostile,
    _VALUES,
)


@st.composite
def damaged_json(draw: st.DrawFn, seeds: Sequence[bytes]) -> bytes:
    """One of the JSON files with up to four keys or values changed; at times damaged as text."""
    content = json.loads(draw(st.sampled_from(seeds)))
    for how, way, key, value in draw(st.lists(_CHANGES, min_size=1, max_size=4)):
        _change(content, how, way, key, value)
    text = json.dumps(content, ensure_ascii=draw(st.booleans()), indent=1)
    encoded = text.encode(errors="surrogatepass")
    return draw(damaged([encoded])) if draw(st.integers(0, 9)) == 9 else encoded


def _change(inside: Any, how: str, way: Sequence[int], key: str, value: Any) -> None:
    """Go down `way` into an object, and change one of its keys there."""
    for step in way[:-1]:
        below = list(inside.values())[step % len(inside)] if inside else None
        if not isinstance(below, dict):
            break
        inside = below
    keys = list(inside) or [key]
    old = keys[way[-1] % len(keys)]
    if how in ("key", "drop"):
        found = inside.pop(old, value)
        inside.update({key: found} if how == "key" else {})
    elif how == "deep":
        for _ in range(way[0] * 3):
            value = [value]
        inside[old] = value
    else:
        inside[key if how == "add" else old] = value


_FIELD = st.sampled_from([0, 1, 2, 3, 7, 2**15, 65535, 65536, 2**31 - 1, -1, -(2**31), 16777216])


@st.composite
def damaged_mrc(draw: st.DrawFn, seeds: Sequence[bytes]) -> bytes:
    """An MRC file with absurd numbers in its header, in either byte order, or damaged as bytes."""
    content = bytearray(draw(st.sampled_from(seeds)))
    fields = st.tuples(st.sampled_from([0, 1, 2, 3, 4, 7, 23, 24, 53, 54]), _FIELD)
    for at, value in draw(st.lists(fields, max_size=5)):
        struct.pack_into(draw(st.sampled_from("<>")) + "i", content, at * 4, value)
    return draw(damaged([bytes(content)])) if draw(st.booleans()) else bytes(content)


names = (
    st.lists(_PIECES, min_size=1, max_size=3)
    .map(lambda pieces: b"".join(pieces).replace(b"/", b"_").replace(b"\0", b"_")[:200])
    .filter(lambda name: name not in (b"", b".", b".."))
)
in_one_line = hostile.map(lambda text: re.sub(r"[\0\n\ud800-\udfff]", "", text)[:5000])


@st.composite
def quoted_line(draw: st.DrawFn) -> str:
    """Words as a person may write them, each quoted so that bash expands $HOME alone."""
    words = draw(st.lists(st.lists(_quoted(), min_size=1, max_size=3).map("".join), max_size=5))
    return " ".join(words)


def _quoted() -> st.SearchStrategy[str]:
    return st.one_of(
        in_one_line.map(lambda text: "'" + text.replace("'", "") + "'"),
        in_one_line.map(lambda text: '"' + re.sub(r'(["\\$`])', r"\\\1", text) + '"'),
        in_one_line.map(lambda text: re.sub(r"([^\w%+=:,./@-])", r"\\\1", text, flags=re.ASCII)),
        st.sampled_from(["$HOME", '"$HOME"', "${HOME}", '"${HOME}x"', "a.b", "--x", "''"]),
    )
