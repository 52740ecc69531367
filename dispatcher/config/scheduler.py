"""A scheduler as its file describes it: its commands as argument lists, its answers as patterns.

Arguments may hold ``{token}``, ``{name}`` and ``{job_id}``: the job's token, RELION's name of the
job, and the scheduler's id of it; those of `again_command` also ``{later}``, a time. Those of
`cluster_options` hold ``{cluster}``, those of `accounting_command` ``{since}`` (a day before the
job's submission, local time), those of `usage_command` ``{job_ids}`` (commas between) and
``{since}``, those of `launch_options` ``{nodes}``, ``{ranks}`` (at the end of an
argument) and ``{environment}``, names with commas between.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Literal

from .ends_from_outside import Cause
from .jobs_behind import NextRun, Watcher
from .json_files import strict
from .places import has_shipped_templates

__all__ = [
    "KeepsFromGoingOn",
    "Scheduler",
    "UsageColumn",
    "filled",
    "template_folders_of",
]

UsageColumn = Literal[
    "id",
    "state",
    "partition",
    "submitted",
    "started",
    "seconds",
    "resources",
    "tasks",
    "peak_memory",
    "",
]


@strict
class KeepsFromGoingOn:
    """What of a job's directives keeps the job from going on after some ends.

    Attributes:
        directives: a pattern of what stands in them (or does not): a line an option, then a line
            with the arguments of the submit command.
        after: these ends.
    """

    directives: str
    after: list[Cause]


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
        script_as: how it gets a script: as an "argument", behind which others may follow; as the
            last argument, its "path"; or on its standard input ("stdin").
        job_id: a pattern of the line with the job id in the command's output: group ``id``, else
            the first one, is the id; group ``cluster``, if there is one, the job's cluster.
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
        cluster_options: further arguments at the end of all its other commands on a job (before the
            script, in the watcher's), where the job's cluster is known.
        cluster_line: a pattern of the lines with which the queue command begins a cluster's jobs;
            its group ``cluster`` is the name. Without such a line it has not answered for one.
        without_cluster_line: options of the queue command with which it prints no such line.
        queue_command: prints the user's jobs, recently ended ones included, one a line.
        no_jobs: patterns of what the queue command prints, though it fails, if there are no jobs.
        queue_pattern: reads such a line: groups ``id``, ``state``, ``token``, and, where there are
            such, ``node``, ``reason``, ``time`` and ``since`` (the submission).
        pending: the states of jobs that have not started.
        waits: patterns of the reasons why jobs wait, and what each means in plain words; the first
            that matches holds. ``{job_id}`` and the groups of the pattern may stand in the words.
        wait_command: prints why one job waits, where the queue command does not.
        wait_pattern: reads such a line: group ``reason``.
        ended: the states of jobs that have ended.
        end_command: prints what is known of one job, also soon after its end.
        accounting_command: prints what the scheduler's accounting knows of one job, and is called
            if the end command knows nothing of the job: the scheduler has forgotten it.
        accounting_columns: names of the columns that it prints, with ``|`` between them: what is
            read is ``NAME=VALUE …`` for each line. If unset, it is read as it is.
        usage_command: prints what the accounting knows of many jobs: how long they ran, on what.
        usage_columns: which value each of its columns has ("" for one that is not read), with ``|``
            between them; a job may have several lines, as for its steps.
        ends: texts of the end command's output, and what each says of the end; the first that is
            found holds.
        ends_of_own_templates: the same, tried first for a job whose script, of the site's own
            template, is without what tells RELION the end.
        alive: texts of that output of a job that has not ended, whatever the queue command says.
        not_known: texts of that output which say that the scheduler has no such job (any more).
        unknown_end: what is said where none of them is found.
        own_warning: seconds before the time limit at which the job's script stops the job itself,
            because the scheduler kills it without a warning; 0 if the scheduler warns.
        goes_on_after: the ends from outside after which its jobs can go on.
        goes_on_unless: what keeps a job from that; each key says in words what its directives have.
        goes_on_warning: as `own_warning`, of jobs that go on after their time limit, because the
            scheduler does not start a job again that has reached it; 0 if the scheduler does.
        raises_memory: a job that was put back into the queue can ask for more memory there.
        names: words by which the scheduler's templates name what differs from site to site; "" for
            what jobs cannot ask for.
        facts: words of that output (``NAME=…``) that are shown as well.
        cancel_command: cancels one job.
        trial_command: the submit command with what makes it only say whether it would take the
            script that follows; `check` asks so.
        partitions_command: prints a line for each partition: ``partition=`` and its name, a space,
            and what its nodes are. Other lines are no partitions.
        partition_options: the options of the directive that names a job's partition.
        memory_per: of what a job asks for so much memory each: of a node, of each core, of each
            rank; or "none" if jobs ask for no memory.
        gpus_per: of what a job asks for its GPUs: of a node, or of each core, so that it asks for
            as many cores as GPUs.
        account_options, qos_options: the options of the directive that names a job's account, and
            its quality of service.
        account_variables: variables of whoever submits that name the account, where the site names
            none; the first that is set.
        overriding: beginnings of the names of variables that are kept from its commands, because
            they would override the arguments, or hide jobs; if unset, all that the shipped
            schedulers name.
        of_a_job: beginnings of the names of variables that it gives to a job, and that a job which
            is submitted from inside that one must not inherit; unset as `overriding`.
        of_the_cluster: beginnings of those among them by which its commands reach it, or that each
            job gets anew; unset as `overriding`.
        refused_options: patterns of options that no job type may add (``scheduler_options``),
            because each of the scheduler's commands needs them. Those of the submit command are
            put at the end of the others as well, until the job's cluster is known.
        own_options: patterns of options that jobs get from the dispatcher, and that users may not
            add in RELION's window; one that begins with ``--`` means its short forms as well.
        gpu_options: patterns of options (``scheduler_options``) that ask for a job's GPUs: beside
            one, the directives have no request of their own.
        mpi_types_command: prints the kinds of MPI that `launch` can start.
        mpi_option: a pattern of the word of `launch` that names one, in its first group.
        launch: starts one container for each rank on several nodes; empty if it cannot.
        launch_options: the arguments that follow it.
        watcher: the second job; None for none.
        next_run: how next runs are queued behind a job; None if they cannot be.
    """

    inherits: str | None = None
    through: list[str] = field(default_factory=list)
    through_variables: list[str] = field(default_factory=list)
    submit_command: list[str]
    mark: list[str] = field(default_factory=list)
    script_as: Literal["argument", "path", "stdin"] = "argument"
    job_id: str | None = None
    detached: bool = False
    one_at_a_time: bool = False
    timeout: float = 60
    directives: str | None = None
    dialect: str | None = None
    transient: list[str] = field(default_factory=list)
    retry: float = 75
    cluster_options: list[str] = field(default_factory=list)
    cluster_line: str | None = None
    without_cluster_line: list[str] = field(default_factory=list)
    queue_command: list[str] = field(default_factory=list)
    no_jobs: list[str] = field(default_factory=list)
    queue_pattern: str | None = None
    pending: list[str] = field(default_factory=list)
    waits: dict[str, str] = field(default_factory=dict)
    wait_command: list[str] = field(default_factory=list)
    wait_pattern: str | None = None
    ended: list[str] = field(default_factory=list)
    end_command: list[str] = field(default_factory=list)
    accounting_command: list[str] = field(default_factory=list)
    accounting_columns: list[str] = field(default_factory=list)
    usage_command: list[str] = field(default_factory=list)
    usage_columns: list[UsageColumn] = field(default_factory=list)
    ends: dict[str, str] = field(default_factory=dict)
    ends_of_own_templates: dict[str, str] = field(default_factory=dict)
    alive: list[str] = field(default_factory=list)
    not_known: list[str] = field(default_factory=list)
    unknown_end: str = "it was killed, or its node was lost: continue the job, or submit it again"
    facts: list[str] = field(default_factory=list)
    own_warning: int = 0
    goes_on_after: list[Cause] = field(default_factory=list)
    goes_on_unless: dict[str, KeepsFromGoingOn] = field(default_factory=dict)
    goes_on_warning: int = 0
    raises_memory: bool = False
    names: dict[str, str] = field(default_factory=dict)
    cancel_command: list[str] = field(default_factory=list)
    trial_command: list[str] = field(default_factory=list)
    partitions_command: list[str] = field(default_factory=list)
    partition_options: list[str] = field(default_factory=list)
    memory_per: Literal["node", "core", "rank", "none"] = "node"
    gpus_per: Literal["node", "core"] = "node"
    account_options: list[str] = field(default_factory=list)
    qos_options: list[str] = field(default_factory=list)
    account_variables: list[str] = field(default_factory=list)
    overriding: list[str] = field(default_factory=list)
    of_a_job: list[str] = field(default_factory=list)
    of_the_cluster: list[str] = field(default_factory=list)
    refused_options: list[str] = field(default_factory=list)
    own_options: list[str] = field(default_factory=list)
    gpu_options: list[str] = field(default_factory=list)
    mpi_types_command: list[str] = field(default_factory=list)
    mpi_option: str | None = None
    launch: list[str] = field(default_factory=list)
    launch_options: list[str] = field(default_factory=list)
    watcher: Watcher | None = None
    next_run: NextRun | None = None

    def can_ask_for(self, what: str) -> bool:
        """Whether jobs can ask for it: the name that its templates need is not empty.

        >>> Scheduler(submit_command=["board"], names={"memory": ""}).can_ask_for("memory")
        False
        """
        return self.names.get(what) != ""


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
