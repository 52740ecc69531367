"""A page's commands, run one after the other in one shell, and the page with what they print.

In a page a transcript is what stands in ``console`` blocks below a heading: a line that begins with
``$ `` is a command, which goes on in the next line after a backslash; other lines are its output.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

__all__ = ["Ran", "commands", "run_in_one_shell", "with_output"]

_BLOCK = re.compile(r"(?<=^```console\n).*?(?=^```$)", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"^\$ (?:.*\\\n)*.*\n", re.MULTILINE)
_MARK = "\x01"  # what no program prints


class Ran(NamedTuple):
    """A command as the page has it, its exit status, and what it printed."""

    command: str
    status: int
    printed: str


def _section(page: str, heading: str) -> tuple[int, int]:
    """Where the part below a heading begins and ends."""
    begin = page.index(f"\n## {heading}\n")
    end = page.find("\n## ", begin + 1)
    return begin, len(page) if end < 0 else end


def commands(page: str, heading: str) -> list[str]:
    """The commands below a heading, with their backslashes."""
    text = page[slice(*_section(page, heading))]
    return [
        found[2:].rstrip("\n")
        for block in _BLOCK.findall(text)
        for found in _COMMAND.findall(block)
    ]


def run_in_one_shell(
    wanted: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    places: Mapping[str, Path],
    seconds: float,
) -> Iterator[Ran]:
    """Run the commands in bash, until one fails; `places`: where the page's folders really are."""
    script = ""
    for command in wanted:
        real = _replaced(command, places)
        script += (
            f"{real}\nended=$?; printf '{_MARK}%s\\n{_MARK}' $ended; [ $ended = 0 ] || exit 0\n"
        )
    done = subprocess.run(
        ["bash", "-c", f"exec 2>&1\n{script}"], cwd=folder, env=environment,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
        timeout=seconds,
    )  # fmt: skip
    back = {str(place): name for name, place in places.items()} | {os.uname().nodename: "login1"}
    parts = done.stdout.split(_MARK)
    for command, printed, status in zip(wanted, parts[0::2], parts[1::2], strict=False):
        yield Ran(command, int(status), _replaced(printed, back))


def _replaced(text: str, words: Mapping[str, str | Path]) -> str:
    """Longer words first, as one may begin with another; and whole words alone."""
    ordered = map(re.escape, sorted(words, key=len, reverse=True))
    return re.sub(rf"(?<!\w)({'|'.join(ordered)})(?!\w)", lambda found: str(words[found[1]]), text)


def with_output(page: str, heading: str, ran: Sequence[Ran]) -> str:
    """The page with what the commands below a heading printed."""
    begin, end = _section(page, heading)
    left = iter(ran)

    def block(found: re.Match[str]) -> str:
        shown = ""
        for _ in _COMMAND.findall(found[0]):
            each = next(left)
            shown += f"$ {each.command}\n{_tidy(each.printed)}"
        return shown

    return page[:begin] + _BLOCK.sub(block, page[begin:end]) + page[end:]


def _tidy(printed: str) -> str:
    """Without what only a screen needs: of a line that was written over, its last state."""
    lines = [line.rpartition("\r")[2].rstrip() for line in printed.splitlines()]
    return "".join(f"{line}\n" for line in lines).rstrip("\n") + "\n" if any(lines) else ""
