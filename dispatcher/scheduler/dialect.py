"""Who reads a scheduler's answers: its own module if it has one, else the patterns of its file.

docs/site.md says when a scheduler needs a module, and shows one.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from typing import NamedTuple

from ..config.places import has_dialect
from ..config.scheduler import Scheduler
from ..host.programs import Finished
from . import answers
from .answers import QueuedJob, SubmitAnswer

__all__ = ["Dialect", "dialect"]


class Dialect(NamedTuple):
    """What a scheduler's answers say.

    Attributes:
        read_answer: of the submit command, by its name and by how it ended: what became of the job.
        read_jobs: of the queue command: the user's jobs; None if what it printed is no answer.
        read_end: of the end command ("" if it did not answer): one clause on why the job ended,
            None if it has not ended.
    """

    read_answer: Callable[[Scheduler, str, Finished], SubmitAnswer] = answers.read_answer
    read_jobs: Callable[[Scheduler, str], Iterable[QueuedJob] | None] = answers.read_jobs
    read_end: Callable[[Scheduler, str], str | None] = answers.read_end


def dialect(scheduler: Scheduler) -> Dialect:
    """The functions that read the scheduler's answers."""
    name = scheduler.dialect or ""
    if not has_dialect(name):
        return Dialect()
    module = importlib.import_module(f".dialects.{name}", __package__)
    own = {each: getattr(module, each) for each in Dialect._fields if hasattr(module, each)}
    return Dialect(**own)
