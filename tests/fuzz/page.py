"""docs/fuzzing.md: what the long run has tried of each kind, in the order of the kinds."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from .kinds import KINDS

__all__ = ["rows_of", "set_row"]

_HEAD = """# Fuzzing

What `tests/run.sh long` has tried of each kind of input (`tests/fuzz`), and when. If something is
found, the kind loses its row until the fault is mended and the kind was tried again: a row stands
for no find that is open. `tests/run.sh long -k "records and notes"` tries one kind, `FUZZ_SEED`
repeats a run, and `FUZZ_SHARE=0.01` tries a hundredth of the {cases:,} cases. Each run of all tests
has two minutes of the same.

Of each case is asked: no traceback; a refusal is a sentence in plain text; at most 2 s of processor
time and 300 MB of memory more than before the case, and no endless waiting (limits of the kernel).
A program that a case starts may have these 300 MB beside the 100 MB that Python and the libraries
take. Commands on records touch nothing outside of the project. No text of a case runs, and a
program gets the words that bash would have passed. "Through the whole hook" runs the hook, bash and
the job's script as programs; the scheduler and Apptainer are simulated. The other kinds run in one
process.

"""
_COLUMNS = ("kind", "cases", "finds open", "ms per case", "seed", "date")


def set_row(page: Path, kind: str, cells: tuple[str, ...] | None) -> None:
    """Set the row of a kind, or take it away; others may do the same at this moment."""
    with open(page, "r+") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        rows = rows_of(stream.read()) | {kind: cells or ()}
        lines = [_COLUMNS, ("---",) * len(_COLUMNS)]
        lines += [(name, *rows[name]) for name in KINDS if rows.get(name)]
        text = _HEAD.format(cases=sum(kind.long for kind in KINDS.values())) + "".join(
            f"| {' | '.join(line)} |\n" for line in lines
        )
        stream.seek(0)
        stream.truncate()
        stream.write(text)
        os.fsync(stream.fileno())


def rows_of(page: str) -> dict[str, tuple[str, ...]]:
    """By kind: the cells behind its name."""
    lines = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| ")]
    return {name: tuple(cells) for name, *cells in lines if name not in ("kind", "---")}
