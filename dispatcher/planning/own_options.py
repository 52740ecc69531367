"""Which directives may a user add? Not those by which the dispatcher says what it has decided."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ..config.scheduler import Scheduler

__all__ = ["refused_options"]

_NAME = re.compile(r"--[A-Za-z][\w-]*")  # of a long option; what follows it is no part of it
_NEVER = "(?!)"


def refused_options(options: Sequence[str], scheduler: Scheduler) -> Iterator[str]:
    """A sentence without its end for each option that may not be added.

    >>> ours = Scheduler(submit_command=["board"], own_options=["--deck", "-d.*"])
    >>> list(refused_options(["--dec=5", "--meal=fish"], ours))
    ['--dec=5 is for relion-dispatch to decide']
    """
    decided = [*_decided(scheduler)]
    for option in options:
        if any(_is_one(own, option) for own in decided):
            yield f"{option} is for relion-dispatch to decide"
        elif any(_is_one(f"{own}.*", option) for own in scheduler.account_options):
            yield f"{option} names an account, for which there is a field of its own or none"


def _decided(scheduler: Scheduler) -> Iterator[str]:
    """Patterns of options; names of the scheduler's resources stand in braces."""
    for pattern in (*scheduler.own_options, *scheduler.refused_options, *scheduler.gpu_options):
        for key, name in scheduler.names.items():
            pattern = pattern.replace(f"{{{key}}}", re.escape(name) if name else _NEVER)
        yield pattern


def _is_one(pattern: str, option: str) -> bool:
    """Whether the pattern means the option, which may be a long one's beginning, as getopt has it.

    >>> [_is_one("--gres[= ].*gpu.*", each) for each in ("--gre=gpu:8", "--gres=disk:1")]
    [True, False]
    """
    if re.fullmatch(pattern, option, re.DOTALL):
        return True
    own, given = _NAME.match(pattern), _NAME.match(option)
    if own is None or given is None or not own[0].startswith(given[0]):
        return False
    in_full = own[0] + option[given.end() :]
    # A pattern that is a name alone means the option whatever its value.
    return own[0] == pattern or bool(re.fullmatch(pattern, in_full, re.DOTALL))
