"""A submit command as a trial, which submits nothing; none if that is not certain.

The words of the trial come directly behind the program: a word behind the script, or behind an
option that waits for its value, would not be read as an option, and the job would be submitted.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from ..host import programs

__all__ = ["can_be_tried", "trial_words", "without_job"]


def trial_words(trial: Sequence[str], command: Sequence[str], script: str) -> list[str]:
    """The command that tries a script.

    >>> trial_words(["board", "--dry"], ["/opt/board", "--lab"], "job.sh")
    ['/opt/board', '--dry', '--lab', 'job.sh']
    """
    return [command[0], *trial[1:], *command[1:], script]


def can_be_tried(trial: Sequence[str], command: Sequence[str]) -> bool:
    """Whether a command starts the program of the trials, with nothing but options.

    A word that may be a script of the site's would be tried in the place of the job's script.
    """
    if not trial or not command or Path(trial[0]).name != Path(command[0]).name:
        return False
    same = trial[0] == command[0] or _file_of(trial[0]) == _file_of(command[0])
    pairs = pairwise(command)
    return same and all(_is_option(word) or _is_value(word, before) for before, word in pairs)


def without_job(command: Sequence[str]) -> list[str]:
    """A watcher's submit command without what names its job; empty if that cannot be told.

    >>> without_job(["board", "--quick", "--after={job_id}", "-n", "end of {job_id}"])
    ['board', '--quick']
    """
    found: list[str] = []
    for word in command:
        if "{job_id}" not in word:
            found.append(word)
        elif not word.startswith("-"):
            if len(found) < 2 or not _is_option(found[-1]):
                return []
            found.pop()
    return found


def _is_option(word: str) -> bool:
    return word.startswith("-")


def _is_value(word: str, before: str) -> bool:
    """Whether it is the value of an option, and no script that the program would find."""
    is_file = "/" in word or programs.which(word) is not None or Path(word).exists()
    return before.startswith("-") and "=" not in before and not is_file


def _file_of(program: str) -> Path | None:
    found = programs.which(program)
    return Path(found).resolve() if found else None
