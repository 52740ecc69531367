"""What may be wrong with a scheduler's keys although each has a value of its type."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .goes_on import MOST_AHEAD
from .jobs_behind import NextRun
from .places import has_dialect
from .scheduler import Scheduler

__all__ = ["Mistakes", "mistakes"]

Mistakes = Iterator[tuple[str, str]]  # key, and what is wrong there

_LONGEST = 7 * 24 * 3600  # seconds
_BEGINNINGS = ("overriding", "of_a_job", "of_the_cluster", "account_variables")
# Patterns: one each, and lists of them.
_PATTERN = ("job_id", "queue_pattern", "cluster_line", "mpi_option", "wait_pattern")
_PATTERNS = ("transient", "refused_options", "own_options", "no_jobs", "gpu_options")


def mistakes(scheduler: Scheduler) -> Mistakes:
    """Key and mistake of what a type alone does not tell."""
    yield from _of_commands(scheduler)
    yield from _of_next_run(scheduler.next_run)
    yield from _of_patterns(scheduler)
    yield from _of_seconds(scheduler)
    yield from _of_launch_options(scheduler)
    yield from _of_names(scheduler)
    if scheduler.usage_command and "id" not in scheduler.usage_columns:
        yield "usage_columns", ': one of the columns must be the job\'s "id"'


def _of_commands(scheduler: Scheduler) -> Mistakes:
    if not scheduler.submit_command:
        yield "submit_command", " is empty"
    if scheduler.through and scheduler.detached:
        yield "through", ": jobs that are no more than a process run on this machine"
    if scheduler.through == ["ssh"] or "" in scheduler.through:
        yield "through", ': expected a program and a machine, such as ["ssh", "login1"]'
    if scheduler.watcher is None:
        return
    if not scheduler.watcher.submit_command:
        yield "watcher.submit_command", " is empty"
    for at, option in enumerate(scheduler.watcher.scheduler_options):
        key = f"watcher.scheduler_options.{at}"
        if any(_matches(each, option) for each in scheduler.refused_options):
            yield key, f': {option} belongs in "submit_command" of the scheduler'


def _of_next_run(next_run: NextRun | None) -> Mistakes:
    if next_run is None:
        return
    if not any("{job_id}" in option for option in next_run.options):
        yield "next_run.options", ": one of them needs {job_id}, for whose end a next run waits"
    number = next_run.queued_ahead
    if not 0 <= number <= MOST_AHEAD:
        what = f": expected a whole number from 0 to {MOST_AHEAD}, found {number}"
        yield "next_run.queued_ahead", what


def _matches(pattern: str, text: str) -> bool:
    try:
        return bool(re.fullmatch(pattern, text))
    except (re.error, OverflowError, RecursionError):  # a mistake of its own
        return False


def _of_patterns(scheduler: Scheduler) -> Mistakes:
    patterns: dict[str, str | None] = {name: getattr(scheduler, name) for name in _PATTERN}
    for name in _PATTERNS:
        patterns |= {f"{name}.{at}": each for at, each in enumerate(getattr(scheduler, name))}
    patterns |= {f"waits.{pattern}": pattern for pattern in scheduler.waits}
    for words, each in scheduler.goes_on_unless.items():
        patterns[f"goes_on_unless.{words}.directives"] = each.directives
    found = {}
    for key, pattern in patterns.items():
        try:
            found[key] = re.compile("()" if pattern is None else pattern)
        except (re.error, OverflowError, RecursionError) as error:
            yield key, f": {error}"
    for key, what in (("job_id", "the id"), ("mpi_option", "the kind of MPI")):
        if key in found and found[key].groups < 1:
            yield key, f": the pattern needs a group (…) for {what}"
    for key, name in (("cluster_line", "cluster"), ("wait_pattern", "reason")):
        line = found.get(key) if getattr(scheduler, key) else None
        if line and name not in line.groupindex:
            yield key, f": the pattern needs a group (?P<{name}>…)"
    read_otherwise = scheduler.queue_pattern is None and has_dialect(scheduler.dialect or "")
    if scheduler.queue_command and "queue_pattern" in found and not read_otherwise:
        for name in ("id", "state", "token"):
            if name not in found["queue_pattern"].groupindex:
                yield "queue_pattern", f": the pattern needs a group (?P<{name}>…)"


def _of_seconds(scheduler: Scheduler) -> Mistakes:
    keys = ("timeout", "retry", "own_warning", "goes_on_warning")
    seconds_of = {key: getattr(scheduler, key) for key in keys}
    if scheduler.watcher:
        seconds_of["watcher.again_after"] = scheduler.watcher.again_after
    for key, seconds in seconds_of.items():
        if not 0 <= seconds <= _LONGEST:
            yield key, f": expected seconds, at most {_LONGEST}, found {seconds}"


def _of_launch_options(scheduler: Scheduler) -> Mistakes:
    options = scheduler.launch_options
    for at, option in enumerate(options):
        if "{ranks}" in option.removesuffix("{ranks}"):
            yield f"launch_options.{at}", ": {ranks} must be at the end"
    if options and not any("{ranks}" in option for option in options):
        yield "launch_options", ": one of them needs {ranks}"


def _of_names(scheduler: Scheduler) -> Mistakes:
    kinds = dict.fromkeys(_BEGINNINGS, "the beginning of a variable's name")
    for key, what in {**kinds, "through_variables": "a variable's name"}.items():
        for name in getattr(scheduler, key):
            if not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
                yield key, f': "{name}" is not {what}'
    for key in ("facts", "accounting_columns"):
        for name in getattr(scheduler, key):
            if not re.fullmatch(r"[\w:/]+", name):
                yield key, f': "{name}" is not the name of a value'
