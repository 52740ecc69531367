"""The sentences in a job script's shell: what stands there in double quotes and reads as words.

Both kinds of files are read: templates (`.j2`), and the plain shell of the library. What is filled
in when the script is made or when it runs is shown as "…".
"""

from __future__ import annotations

import re
from pathlib import Path

from .python_texts import reads_as_words

__all__ = ["shell_texts"]

_JINJA_VALUE = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_JINJA_STATEMENT = re.compile(r"\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_SKIPPED = re.compile(r"(?:(?<=\s)|\A)#[^\n]*|'[^']*'|\\.", re.DOTALL)
_BETWEEN_PARTS = re.compile(r"[ \t]+(?:\\\n\s*)?")


def shell_texts(file: Path) -> list[str]:
    """The texts of one file in the order in which they stand."""
    code = file.read_text(encoding="utf-8")
    if file.suffix == ".j2":
        code = _JINJA_STATEMENT.sub("", _JINJA_VALUE.sub("…", code))
    texts: list[str] = []
    at, last_end = 0, -1
    while at < len(code):
        if code[at] != '"':
            skipped = _SKIPPED.match(code, at)
            at = skipped.end() if skipped else at + 1
            continue
        words, end = _quoted(code, at + 1)
        if code[at - 1] == "*":  # words that are looked for in another text
            words = ""
        # Two texts side by side are words of one command, which prints them with a space between.
        if texts and _BETWEEN_PARTS.fullmatch(code, last_end, at):
            texts[-1] += f" {words}"
        else:
            texts.append(words)
        at = last_end = end
    return [each for each in texts if reads_as_words(each)]


def _quoted(code: str, at: int) -> tuple[str, int]:
    """The text from `at` to its closing quote, and where the code goes on."""
    words = ""
    while code[at] != '"':
        if code[at] == "\\":
            words += "" if code[at + 1] == "\n" else code[at + 1]
            at += 2
        elif code[at] == "$":
            shown, at = _expanded(code, at)
            words += shown
        else:
            words += code[at]
            at += 1
    return words, at + 1


def _expanded(code: str, at: int) -> tuple[str, int]:
    """How ``$name``, ``${…}`` or ``$(…)`` at `at` is shown, and where the code goes on."""
    if named := re.compile(r"\$(\w+|[$?*@#!-])").match(code, at):
        return "…", named.end()
    if code[at + 1] not in "({":
        return "$", at + 1
    end = _closing(code, at + 1)
    in_some_cases = re.fullmatch(r"\{\w+:?\+(.*)\}", code[at + 1 : end], re.DOTALL)
    if in_some_cases:
        return f"«{_quoted(in_some_cases[1] + chr(34), 0)[0]}»", end
    return "…", end


def _closing(code: str, at: int) -> int:
    """Where the code goes on after the bracket that opens at `at`."""
    depth = 0
    while True:
        if code[at] == "'" and code[at - 1] != "\\":
            at = code.index("'", at + 1)
        depth += (code[at] in "({") - (code[at] in ")}")
        at += 1
        if depth == 0:
            return at
