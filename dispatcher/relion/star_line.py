"""The label or the values in one line of a STAR file (``nextTokenInSTAR`` in strings.cpp,
``readStarLoop`` in metadata_table.cpp; RELION 3.1 to 5.0)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..errors import InputError
from ..units import count

__all__ = ["damaged", "label", "not_star", "row", "words"]

QUOTED_OR_PLAIN = re.compile(r"""(?:"(.*?)"|'(.*?)')(?=[ \t]|$)|([^ \t]+)""")


def label(text: str) -> str:
    """The label in a line of a loop's head: ``_rlnImageSize #3`` → ``_rlnImageSize``."""
    squeezed = " ".join(text.replace("\t", " ").split(" "))
    before = squeezed.partition("#")[0]
    return squeezed if before == squeezed else before[:-1].rstrip(" ")


def row(
    text: str, name: str, labels: Sequence[str], path: str, number: int
) -> tuple[tuple[str, ...], ...]:
    """The row of values in a line. In tables of one or two labels RELION takes what is missing for
    '' (as in 'fn_mtf <empty>' of older files), and a comment is passed over here."""
    found = words(text, path, number)
    few = len(labels) <= 2
    if few and not found:
        return ()
    if few and len(found) < len(labels):
        found.append("")
    if len(found) == len(labels):
        return (tuple(found),)
    if not found or found[0].startswith(("data_", "loop_")):
        raise InputError(
            f"{path}, line {number}: RELION takes '{text[:40]}' for a row of data_{name} and "
            "stops, because only a blank line ends the rows of a table; put a blank line before "
            f"line {number} if the rows end there, else take line {number} out."
        )
    wrong = f"{count(len(found), 'value')} for the {count(len(labels), 'label')} of data_{name}"
    raise damaged(path, number, wrong)


def words(text: str, path: str, number: int) -> list[str]:
    """The values of one line without quotes and comment: `a "b c" # d` -> ['a', 'b c']."""
    if '"' not in text and "'" not in text and "#" not in text and text.isascii():
        return text.split()
    found = []
    for match in QUOTED_OR_PLAIN.finditer(text):
        double, single, plain = match.groups()
        if plain is not None:
            if plain.startswith("#"):
                break
            if plain[0] in "\"'":
                raise damaged(path, number, f"the quote {plain[0]} is not closed")
            found.append(plain)
        else:
            found.append(single if double is None else double)
    return found


def not_star(path: str, number: int) -> InputError:
    """The error for a file that is something else."""
    return InputError(
        f"{path}, line {number}: this is not a STAR file (no data_ block starts here, or the "
        "file is binary); check that the right file was given."
    )


def damaged(path: str, number: int, what: str) -> InputError:
    """The error for a line in which `what` is wrong."""
    return InputError(
        f"{path}, line {number}: {what}; the file is cut short or damaged: run the job that made "
        "the file again."
    )
