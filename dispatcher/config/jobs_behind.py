"""The jobs that wait in the queue behind a job, for its end: its watcher, and its next runs."""

from __future__ import annotations

from dataclasses import field

from .json_files import strict

__all__ = ["NextRun", "Watcher"]


@strict
class Watcher:
    """A second, small job that tells RELION the end of the first if its own script could not.

    Attributes:
        submit_command: the arguments before the watcher's script: they make it wait for the end.
        partition: where the watcher runs; the job's own partition if unset.
        scheduler_options: further directives that it gets, after those of the job that hold for it.
        again_command: submits the same script to be started at ``{later}``, whatever becomes of
            the job: for a scheduler that does not always start what waits for a job's end. While
            the job is in the queue, that script comes again. Empty if it is not needed.
        again_after: seconds from the submission to that time at first. Later, the script comes
            again after a quarter of the time since the submission, if that is longer.
        again_format: how ``{later}`` is written, as strftime(3) has it.
    """

    submit_command: list[str]
    partition: str | None = None
    scheduler_options: list[str] = field(default_factory=list)
    again_command: list[str] = field(default_factory=list)
    again_after: int = 600
    again_format: str = "%Y%m%d%H%M"


@strict
class NextRun:
    """How the next runs of a job that goes on are queued behind it, each behind the one before.

    They are submitted by the job's own submit command, so that all that a site or a job type says
    there holds for them as well.

    Attributes:
        options: further arguments of that command: they make a copy of the job's script wait for
            the end of the job ``{job_id}``, and give the copy a name by which users know it. A
            script that gets no arguments gets that id in the variable ``dispatch_follows``.
        queued_ahead: how many are queued at the submission unless ``goes_on`` says so; 0 if the
            scheduler, or the job's script, starts a job again.
    """

    options: list[str]
    queued_ahead: int = 0
