"""A scheduler as its file describes it: its commands as argument lists, its answers as patterns.

Arguments may hold ``{token}``, ``{name}`` and ``{job_id}``: the job's token, RELION's name of the
job, and the scheduler's id of it. Those of `launch_options` hold ``{nodes}``, ``{ranks}`` (at the
end of an argument) and ``{environment}``, names with commas between.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field

from .json_files import strict
from .places import has_dialect, has_shipped_templates

__all__ = ["Scheduler", "Watcher", "filled", "mistakes", "template_folders_of"]

_LONGEST = 7 * 24 * 3600  # seconds
_BEGINNINGS = ("overriding", "of_a_job", "of_the_cluster")  # the keys with beginnings of names


@strict
class Watcher:
    """A second, small job that tells RELION the end of the first if its own script could not.

    Attributes:
        submit_command: the arguments before the watcher's script: they make it wait for the end.
        partition: where the watcher runs; the job's own partition if unset.
        scheduler_options: further directives that it gets, after those of the job that hold for it.
    """

    submit_command: list[str]
    partition: str | None = None
    scheduler_options: list[str] = field(default_factory=list)


@strict
class Scheduler:
    """A way to submit, to ask and to cancel.

    Attributes:
        inherits: the scheduler that it is like but for what is said here.
        through: what its commands are run by, on another machine that sees the same files; they
            run on this one if unset.
        through_variables: names of the variables that commands there get from here.
        submit_command: the arguments before the job script's path.
        mark: further arguments before the path, by which the queue knows the job's token.
        job_id: a pattern whose first group is the job id in the command's output.
        detached: the command *is* the job: it is started in a session of its own, its process
            id is the job id, and the token is the script's argument.
        one_at_a_time: the job script waits for the user's other such jobs on this machine.
        timeout: seconds to wait for each command of the scheduler.
        directives: the name of the folder ``schedulers/NAME/`` with its templates; if unset, the
            scheduler's own name, or its parent's. What the folder lacks is its parent's.
        dialect: the name of the module in :mod:`dispatcher.scheduler.dialects` that reads its
            answers; if unset, `directives`, or its parent's if there is no module of that name.
        transient: patterns of messages after which submitting may be tried again.
        retry: seconds after which it is tried no more.
        queue_command: prints the user's jobs, recently ended ones included, one a line.
        queue_pattern: reads such a line: groups ``id``, ``state``, ``token``, and, where there are
            such, ``node``, ``reason`` and ``time``.
        pending: the states of jobs that have not started.
        ended: the states of jobs that have ended.
        end_command: prints what is known of one job, also soon after its end.
        ends: texts of that command's output, and what each says of the end; the first that is
            found holds.
        ends_of_own_templates: the same, tried first for a job whose script, of the site's own
            template, is without what tells RELION the end.
        alive: texts of that output of a job that has not ended, whatever the queue command says.
        unknown_end: what is said where none of them is found.
        facts: words of that output (``NAME=…``) that are shown as well.
        cancel_command: cancels one job.
        trial_command: the submit command with what makes it only say whether it would take the
            script that follows; `check` asks so.
        partitions_command: prints a line for each partition: ``partition=`` and its name, a space,
            and what its nodes are. Other lines are no partitions.
        partition_options: the options of the directive that names a job's partition.
        overriding: beginnings of the names of variables that are kept from its commands, because
            they would override the arguments, or hide jobs; if unset, all that the shipped
            schedulers name.
        of_a_job: beginnings of the names of variables that it gives to a job, and that a job which
            is submitted from inside that one must not inherit; unset as `overriding`.
        of_the_cluster: beginnings of those among them by which its commands reach it, or that each
            job gets anew; unset as `overriding`.
        refused_options: patterns of options that no job type may add (``scheduler_options``),
            because each of the scheduler's commands would need them.
        launch: starts one container for each rank on several nodes; empty if it cannot.
        launch_options: the arguments that follow it.
        watcher: the second job; None for none.
    """

    inherits: str | None = None
    through: list[str] = field(default_factory=list)
    through_variables: list[str] = field(default_factory=list)
    submit_command: list[str]
    mark: list[str] = field(default_factory=list)
    job_id: str | None = None
    detached: bool = False
    one_at_a_time: bool = False
    timeout: float = 60
    directives: str | None = None
    dialect: str | None = None
    transient: list[str] = field(default_factory=list)
    retry: float = 75
    queue_command: list[str] = field(default_factory=list)
    queue_pattern: str | None = None
    pending: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    end_command: list[str] = field(default_factory=list)
    ends: dict[str, str] = field(default_factory=dict)
    ends_of_own_templates: dict[str, str] = field(default_factory=dict)
    alive: list[str] = field(default_factory=list)
    unknown_end: str = "it was killed, or its node was lost: continue the job, or submit it again"
    facts: list[str] = field(default_factory=list)
    cancel_command: list[str] = field(default_factory=list)
    trial_command: list[str] = field(default_factory=list)
    partitions_command: list[str] = field(default_factory=list)
    partition_options: list[str] = field(default_factory=list)
    overriding: list[str] = field(default_factory=list)
    of_a_job: list[str] = field(default_factory=list)
    of_the_cluster: list[str] = field(default_factory=list)
    refused_options: list[str] = field(default_factory=list)
    launch: list[str] = field(default_factory=list)
    launch_options: list[str] = field(default_factory=list)
    watcher: Watcher | None = None


def filled(arguments: Sequence[str], **values: str) -> list[str]:
    """The arguments with ``{token}`` and the like replaced.

    >>> filled(["kill", "{job_id}"], job_id="17")
    ['kill', '17']
    """
    found = list(arguments)
    for name, value in values.items():
        found = [argument.replace(f"{{{name}}}", value) for argument in found]
    return found


def template_folders_of(name: str, schedulers: Mapping[str, Scheduler]) -> list[str]:
    """The folders of ``job_template/schedulers/`` that serve a scheduler, its own first; what one
    lacks is looked for in those that follow, its parents'.

    A shipped scheduler for which a site names a folder of the site's own keeps the shipped folder
    of the scheduler's name, behind that one.

    >>> ferry = Scheduler(submit_command=["board"], directives="ferry")
    >>> ours = Scheduler(submit_command=["board"], directives="ours", inherits="ferry")
    >>> template_folders_of("big", {"ferry": ferry, "big": ours})
    ['ours', 'ferry']
    """
    found = []
    following: str | None = name
    while following is not None:
        scheduler = schedulers[following]
        found.append(scheduler.directives or following)
        if has_shipped_templates(following):
            found.append(following)
        following = scheduler.inherits
    return list(dict.fromkeys(found))


def mistakes(scheduler: Scheduler) -> Iterator[tuple[str, str]]:
    """Key and mistake of what a type alone does not tell."""
    if not scheduler.submit_command:
        yield "submit_command", " is empty"
    if scheduler.through and scheduler.detached:
        yield "through", ": jobs that are no more than a process run on this machine"
    if scheduler.through == ["ssh"] or "" in scheduler.through:
        yield "through", ': expected a program and a machine, such as ["ssh", "login1"]'
    if scheduler.watcher and not scheduler.watcher.submit_command:
        yield "watcher.submit_command", " is empty"
    patterns = {"job_id": scheduler.job_id, "queue_pattern": scheduler.queue_pattern}
    for name in ("transient", "refused_options"):
        patterns |= {f"{name}.{at}": each for at, each in enumerate(getattr(scheduler, name))}
    groups = {}
    for key, pattern in patterns.items():
        try:
            groups[key] = re.compile("()" if pattern is None else pattern)
        except (re.error, OverflowError, RecursionError) as error:
            yield key, f": {error}"
    for key in ("timeout", "retry"):
        seconds = getattr(scheduler, key)
        if not 0 <= seconds <= _LONGEST:
            yield key, f": expected seconds, at most {_LONGEST}, found {seconds}"
    for at, option in enumerate(scheduler.launch_options):
        if "{ranks}" in option.removesuffix("{ranks}"):
            yield f"launch_options.{at}", ": {ranks} must be at the end"
    if scheduler.launch_options and not any("{ranks}" in each for each in scheduler.launch_options):
        yield "launch_options", ": one of them needs {ranks}"
    names = dict.fromkeys(_BEGINNINGS, "the beginning of a variable's name")
    for key, what in {**names, "through_variables": "a variable's name"}.items():
        for name in getattr(scheduler, key):
            if not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
                yield key, f': "{name}" is not {what}'
    for at, option in enumerate(scheduler.watcher.scheduler_options if scheduler.watcher else ()):
        if any(re.fullmatch(each, option) for each in scheduler.refused_options):
            yield (
                f"watcher.scheduler_options.{at}",
                f": {option} belongs in each command of the scheduler",
            )
    for name in scheduler.facts:
        if not re.fullmatch(r"[\w:/]+", name):
            yield "facts", f': "{name}" is not the name of a value'
    if "job_id" in groups and groups["job_id"].groups < 1:
        yield "job_id", ": the pattern needs a group (…) for the id"
    read_otherwise = scheduler.queue_pattern is None and has_dialect(scheduler.dialect or "")
    if scheduler.queue_command and "queue_pattern" in groups and not read_otherwise:
        for name in ("id", "state", "token"):
            if name not in groups["queue_pattern"].groupindex:
                yield "queue_pattern", f": the pattern needs a group (?P<{name}>…)"
