"""Does the scheduler start jobs, know them, say how they ended, and warn them before?"""

from __future__ import annotations

from collections.abc import Iterator

from ..asked import HERE, Asked
from ..facts import Facts
from ..finding import Finding, failure, ok, skipped, warning

__all__ = ["accounting", "inherited", "start", "token", "warned", "watcher"]

_LIMIT = 120  # seconds, as the job asks for


def start(facts: Facts, asked: Asked) -> Iterator[Finding]:
    """Did the job start, and come to its end?"""
    if asked.place == HERE:
        yield from _start_here(facts)
    elif refused := facts["refused"]:
        yield failure(f"The job was not submitted, and nothing else was looked at. {refused}")
    elif "not_started" in facts:
        why = f" ({facts['not_started']})" if facts["not_started"] else ""
        yield skipped(
            f"The job did not start in {facts['waited']} s{why} and was cancelled: nothing was "
            "looked at. Try again later, or with --minutes."
        )
    elif "cut_off" in facts:
        yield failure(
            f"Job {facts['job_id']} on {facts['host'] or 'its node'} {facts['cut_off']}: read what "
            f'it printed ("{facts["printed"] or "nothing"}"), and what the scheduler says of it.'
        )
    else:
        yield ok(f"Job {facts['job_id']} started after {facts['waited']} s, on {facts['host']}.")


def _start_here(facts: Facts) -> Iterator[Finding]:
    """On this machine only what went wrong is worth a line."""
    if refused := facts["refused"]:
        yield failure(f"The probe was not started, and nothing was looked at. {refused}")
    elif "not_started" in facts:
        yield failure(
            f"The probe did not start in {facts['waited']} s, and nothing was looked at: see "
            "whether `bash` starts here, and whether the project's folder can be written."
        )
    elif "cut_off" in facts:
        yield failure(
            f'The probe {facts["cut_off"]} (it printed "{facts["printed"] or "nothing"}"): see '
            "what hangs or stops there; what follows in this list was not looked at."
        )


def token(facts: Facts, asked: Asked) -> Iterator[Finding]:
    """Does the queue list the job by the token that it was submitted with?"""
    seen = facts["token"]
    if seen == "yes":
        yield ok("The queue lists the job by its token.")
    elif seen == "id":
        yield failure(
            f"The queue lists job {facts['job_id']} without its token, so that relion-dispatch "
            'cannot tell whether a job whose submission was cut off is there: correct "mark" and '
            f'"queue_pattern" of "{asked.scheduler}".'
        )
    elif seen == "no":
        yield failure(
            f"The queue does not list job {facts['job_id']}, which would seem lost while it runs: "
            f'correct "queue_command" and "queue_pattern" of "{asked.scheduler}".'
        )
    else:
        yield skipped(
            "The scheduler did not answer which jobs it has while this one was there, or it has no "
            '"queue_command".'
        )


def accounting(facts: Facts, asked: Asked) -> Iterator[Finding]:
    """Does the scheduler say how a job ended?"""
    known, says = facts["end"], facts["end_said"]
    accounted, account = facts["accounted"], facts["account"]
    if known == "yes" and accounted == "unknown":
        yield ok(
            f'The scheduler says how a job ended: "{says}". Its accounting does not ("{account}"), '
            "so users read no cause once the scheduler has forgotten the job: switch that on."
        )
    elif known == "yes":
        yield ok(f'The scheduler says how a job ended: "{says}".')
    elif accounted == "yes":
        yield ok(f'The scheduler\'s accounting says how a job ended: "{account}".')
    elif known == "unknown":
        yield warning(
            f"What the scheduler says of job {facts['job_id']} after its end is no end that "
            f'relion-dispatch knows ("{says}"), so users read no cause: complete "ends" of '
            f'"{asked.scheduler}", or switch its accounting on.'
        )
    else:
        yield skipped(
            f'"{asked.scheduler}" has no "end_command", and no "accounting_command", that answers.'
        )


def inherited(facts: Facts, asked: Asked) -> Iterator[Finding]:
    """Is a job that is submitted from inside another as any other?

    The submit command was given variables as of a job around it.
    """
    if names := facts["inherited"]:
        yield failure(
            f"The job sees variables of a job in which it was submitted ({names}): name their "
            f'beginnings in "of_a_job" of "{asked.scheduler}", or ranks are bound and counted '
            "wrongly where RELION's window runs in a job."
        )
    else:
        yield ok("A job sees no variables of a job in which it was submitted.")


def warned(facts: Facts, asked: Asked) -> Iterator[Finding]:
    """Does a signal come before a job at its time limit (two minutes) is killed?"""
    name, _, seconds = facts["signal"].partition(" ")
    if asked.own_warning:
        signal = f" (here, {name} came after {seconds} s of {_LIMIT})" if name else ""
        yield ok(
            "The scheduler need not warn of the time limit: scripts stop their job themselves, "
            f'{asked.own_warning} s before ("own_warning" of "{asked.scheduler}"){signal}.'
        )
    elif not name:
        yield warning(
            "No signal came before the time limit: a job that reaches its limit is killed, and "
            "only the watcher tells RELION. Have the directives ask for a signal "
            "(docs/templates.md)."
        )
    elif int(seconds) >= _LIMIT and "lived_on" not in facts:
        yield warning(
            f"The signal {name} came after {seconds} s, when the limit of {_LIMIT} s was reached, "
            "and the job was killed soon after: a job may not have told RELION by then. Have the "
            "directives ask for an earlier signal (docs/templates.md), or the queue wait longer."
        )
    else:
        yield ok(f"The signal {name} came after {seconds} s of {_LIMIT}.")


def watcher(facts: Facts, asked: Asked) -> Iterator[Finding]:
    """Is RELION told the end of a job that was cancelled, and whose own script tells nothing?"""
    if "no_watcher" in facts:
        yield skipped(f"{facts['no_watcher']}")
    elif "watcher_problem" in facts:
        yield failure(
            f"The watcher, which tells RELION the end of killed jobs, was not taken "
            f'({facts["watcher_problem"]}): correct "watcher" of "{asked.scheduler}".'
        )
    elif "not_cancelled" in facts:
        yield failure(
            f'The job could not be cancelled ({facts["not_cancelled"]}): correct "cancel_command" '
            f'of "{asked.scheduler}".'
        )
    elif "told" in facts:
        yield ok(
            f"After a job was cancelled {facts['cancelled_while']}, the watcher told RELION within "
            f"{facts['told_after']} s ({facts['told']})."
        )
    elif facts["watcher_waits"]:
        yield skipped(
            f"The watcher had not started {facts['waited_for_watcher']} s after the job was "
            f"cancelled ({facts['watcher_waits']}): run this again when the queue is shorter."
        )
    else:
        yield failure(
            f"The watcher told RELION nothing within {facts['waited_for_watcher']} s after the job "
            "was cancelled, so killed jobs stay Running for RELION: see that the watcher's "
            f'partition takes a job of one core ("watcher" of "{asked.scheduler}"), or let '
            "`relion-dispatch watch` run."
        )
