"""Text of others as a terminal may show it: a file's name or a key can hold an escape sequence."""

from __future__ import annotations

import re

__all__ = ["HIDDEN", "printable"]

# Control characters, line breaks that are none to a file, what turns the direction of writing
# round (UAX 9), and halves of characters, by which Python writes bytes that are no UTF-8.
HIDDEN = r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
_SHORT = {"\t": r"\t", "\n": r"\n", "\r": r"\r"}


def printable(text: str) -> str:
    r"""The text with each character that could change what a terminal shows as an escape.

    >>> printable("a\x1b[2Jb\udcff")
    'a\\x1b[2Jb\\xff'
    """
    if text.isprintable():
        return text
    return re.sub(HIDDEN, lambda found: _SHORT.get(found[0]) or _escape(ord(found[0])), text)


def _escape(code: int) -> str:
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a path that is not UTF-8
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
