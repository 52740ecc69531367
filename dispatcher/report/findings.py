"""What stands out in a report's figures, and what would help: a sentence each, to be mailed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ..units import count
from .causes import OTHER, REFUSED
from .figures import Figures, by_hours
from .job_row import LITTLE
from .spread import Spread
from .words import bytes_in_words, hours, percent, span

__all__ = ["Finding", "findings"]

MOST = 20  # findings in a report
_MOST_ALIKE = 4
_LEAST_JOBS = 5  # of which a sentence may speak as of a habit
_LEAST_SHARE = 0.02  # of all GPU-hours
_PART = 0.2  # of somebody's own GPU-hours
_TIME_USED, _MEMORY_USED = 0.4, 0.5  # of what was asked for, by the middle job
_LONG_WAIT, _SHORT = 3600, 2 * 3600  # seconds
_TO_SCRATCH = ", and let RELION copy particles to the scratch disk, or pre-read them into RAM"
_LEAST_MEASURED = 0.05  # of the GPU-hours of successful jobs


class Finding(NamedTuple):
    """One thing that stands out: what it is, the GPU-hours that it wasted (0 if it wastes another
    thing), and a sentence for who can change it."""

    title: str
    hours: float
    sentence: str


def findings(figures: Figures, advice: Mapping[str, str], when: str) -> list[Finding]:
    """The findings, those with most GPU-hours first.

    `advice` has what helps by cause; `when` is the span of the report in words, such as "since
    2026-01-31", or "".
    """
    when = f" {when}" if when else ""
    found = [
        *_causes(figures, advice, when),
        *_users(figures, advice, when),
        *_types(figures, when),
    ]
    found.sort(key=lambda each: -each.hours)
    found += [*_time(figures), *_memory(figures), *_waits(figures)]
    return [*found[:MOST], *_unmeasured(figures)]


def _is_much(hours_of: float, figures: Figures) -> bool:
    return hours_of > max(1.0, _LEAST_SHARE * figures.total.gpu_hours)


def _causes(figures: Figures, advice: Mapping[str, str], when: str) -> Iterator[Finding]:
    for cause, group in by_hours(figures.causes):
        failed = group.jobs["failed"]
        if cause in (OTHER, REFUSED) or failed < 2 or group.gpu_hours == 0:
            continue
        what = advice.get(cause) or "read the end of their run.err"
        yield Finding(
            f"Failed: {cause}",
            group.gpu_hours,
            f"{failed} jobs took {hours(group.gpu_hours)} GPU-hours{when} and failed, each because "
            f"{cause}: {what}.",
        )


def _users(figures: Figures, advice: Mapping[str, str], when: str) -> Iterator[Finding]:
    for user, group in figures.users.items():
        failed, jobs = group.jobs["failed"], group.jobs.total()
        lost = group.hours["failed"]
        if failed >= 2 and _is_much(lost, figures) and lost > _PART * group.gpu_hours:
            yield Finding(
                f"Failed jobs of {user}",
                lost,
                f"{failed} of the {jobs} jobs of {user} failed{when}, and took {hours(lost)} "
                f"GPU-hours{_most_often(figures, user, advice)}",
            )
        idle = group.hours["idle"] + group.hours["little_used"]
        if _is_much(idle, figures) and idle > _PART * group.gpu_hours:
            yield Finding(
                f"Idle or little used GPUs of {user}",
                idle,
                f"GPUs of {user} were idle or little used for {hours(idle)} of "
                f"{hours(group.gpu_hours)} GPU-hours{when}: ask for fewer GPUs"
                f"{_TO_SCRATCH if user in figures.readers else ''}.",
            )


def _most_often(figures: Figures, user: str, advice: Mapping[str, str]) -> str:
    known = [
        (number, cause)
        for cause, number in figures.user_causes[user].items()
        if cause not in (OTHER, REFUSED)
    ]
    if not known:
        return ": read the sentence at the end of the run.err of each."
    number, cause = max(known)
    what = advice.get(cause) or "read the end of their run.err"
    return f", most often ({count(number, 'time')}) because {cause}: {what}."


def _types(figures: Figures, when: str) -> Iterator[Finding]:
    for name, group in figures.types.items():
        idle, little = group.hours["idle"], group.hours["little_used"]
        asked, used = figures.gpus_asked[name], figures.gpus_used[name]
        if _is_much(idle, figures) and idle > _PART * group.measured:
            yield Finding(
                f"Idle GPUs of {name}",
                idle,
                f"Successful jobs of the type {name} used {used} of their {asked} GPUs that were "
                f'watched{when}, and left {hours(idle)} GPU-hours idle: lower "ngpu" of that type '
                'in "job_parameters" of site.json, or ask for fewer GPUs in RELION\'s window.',
            )
        if _is_much(little, figures) and little > _PART * group.measured:
            yield Finding(
                f"Little used GPUs of {name}",
                little,
                f"GPUs of successful jobs of the type {name} were less than {LITTLE} % busy for "
                f"{hours(little)} GPU-hours{when}: {_against_little_use(figures, name)}.",
            )


def _against_little_use(figures: Figures, name: str) -> str:
    """What helps jobs of a type, of which many have one GPU alone, or one rank."""
    what = "try more ranks on fewer GPUs" if name in figures.with_ranks else "ask for fewer GPUs"
    if name not in figures.reading:
        return what
    return f"let RELION copy particles to the scratch disk, or pre-read them into RAM, and {what}"


def _time(figures: Figures) -> Iterator[Finding]:
    for name, used in _of_most_hours(figures, figures.time_used):
        asked = figures.time_asked[name].at(0.5)
        if len(used) >= _LEAST_JOBS and used.at(0.5) < _TIME_USED and asked > _SHORT:
            longest = used.at(0.95)
            yield Finding(
                f"Time asked by {name}",
                0.0,
                f"Half of the {len(used)} successful jobs of the type {name} used less than "
                f"{100 * used.at(0.5):.0f} % of the time that they asked for ({span(asked)}), and "
                f"95 % of them less than {100 * longest:.0f} %: a shorter time lets the scheduler "
                "start such jobs earlier.",
            )


def _memory(figures: Figures) -> Iterator[Finding]:
    for name, used in _of_most_hours(figures, figures.memory_used):
        if len(used) >= _LEAST_JOBS and used.at(0.95) < _MEMORY_USED:
            asked = figures.memory_asked[name].at(0.5)
            yield Finding(
                f"Memory asked by {name}",
                0.0,
                f"95 % of the {len(used)} successful jobs of the type {name} used less than "
                f"{100 * used.at(0.95):.0f} % of the memory that they asked for "
                f'({bytes_in_words(asked)}): a smaller "mem" of that type in site.json leaves room '
                "for other jobs on the node.",
            )


def _of_most_hours(figures: Figures, used: Mapping[str, Spread]) -> list[tuple[str, Spread]]:
    """Of the types with most GPU-hours alone, as one would say the same of many."""
    ordered = [name for name, _ in by_hours(figures.types) if name in used]
    return [(name, used[name]) for name in ordered[:_MOST_ALIKE]]


def _waits(figures: Figures) -> Iterator[Finding]:
    for name, waits in figures.waits.items():
        if len(waits) >= _LEAST_JOBS and waits.at(0.5) > _LONG_WAIT:
            where = f"the partition {name}" if name else "the queue"
            yield Finding(
                f"Waiting in {name or 'the queue'}",
                0.0,
                f"Half of the {count(len(waits), 'job')} in {where} waited longer than "
                f"{span(waits.at(0.5))}, and a tenth longer than {span(waits.at(0.9))}: jobs that "
                "ask for less time and fewer GPUs start earlier.",
            )


def _unmeasured(figures: Figures) -> Iterator[Finding]:
    hidden = figures.total.hours["not_measured"]
    if hidden and figures.total.measured < _LEAST_MEASURED * (hidden + figures.total.measured):
        yield Finding(
            "GPUs that nobody watched",
            hidden,
            f"Of {hours(hidden)} GPU-hours of successful jobs "
            f"({percent(hidden, figures.total.gpu_hours)} of all) nobody knows whether the GPUs "
            'were busy: set "watch_gpus": true in site.json, and the job scripts note it.',
        )
