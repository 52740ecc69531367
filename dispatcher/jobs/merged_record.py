"""A job's record, merged from the files of its writers.

The hook writes ``dispatch.json``, the job script ``dispatch.run.TOKEN`` (and more, if the job goes
on: runs.py), whoever submits the watcher ``.dispatch_watcher.TOKEN``, whoever queues next runs
``.dispatch_line.TOKEN``, and ``status`` after a hook that was killed ``.dispatch_id.TOKEN``.
docs/provenance.md has the table. Up to 0.1.0 all of it stood in ``dispatch.json``; such records can
still be read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from . import entries
from .claim import claiming_job
from .notes import read_job_id, read_line, read_watcher
from .run_file import read_run
from .runs import Run, read_runs, run_recorded

__all__ = ["merged_record"]

T = TypeVar("T")


def merged_record(
    written: dict[str, Any], folder: Path, with_watcher: bool, goes_on: bool
) -> tuple[dict[str, Any], tuple[Run, ...], tuple[str, ...]]:
    """The hook's part of the record with what the other writers know, the job's runs, and what is
    wrong in the files of these others.

    Raises:
        ValueError: the token, or what is recorded of a run, has another form than its writer gives
            it.
    """
    merged = dict(written)
    problems: list[str] = []

    def found(read: Callable[..., T | None], *which: int) -> T | None:
        try:
            return read(folder, token, *which)
        except ValueError as error:
            problems.append(str(error))
            return None

    token = entries.token(written, "token") or ""
    if with_watcher and token and "watcher" not in merged and (watcher := found(read_watcher)):
        merged["watcher"] = watcher
    if token and "run" not in merged and (run := found(read_run)):
        merged["run"] = run
    ended = entries.object_of(merged, "run")
    last = None if ended is None else run_recorded(ended)
    if not token:
        return merged, (last,) if last else (), ()
    if (said := written.get("goes_on")) and said.get("queued_ahead") and (line := found(read_line)):
        merged["jobs_in_line"] = list(line)
    runs, wrong = read_runs(folder, token, last, goes_on)
    problems += wrong
    if goes_on and (resumed := _resumed(runs, last, found)):
        if resumed[0] != merged.get("job_id"):
            merged |= {"job_id": resumed[0], "cluster": resumed[1]}
    elif merged.get("job_id") is None:  # the hook was killed before it knew the id
        known = (last and last.job_id) or found(claiming_job)
        noted, cluster = found(read_job_id) or (None, None)
        merged |= {"job_id": known or noted} if known or noted else {}
        merged |= {"cluster": cluster} if cluster else {}
    return merged, runs, tuple(problems)


def _resumed(
    runs: Sequence[Run], last: Run | None, found: Callable[..., tuple[str, str | None] | None]
) -> tuple[str, str | None] | None:
    """Id and cluster of the job that is the newest run after the first; None if there is none.

    It is another job than at first if ``resume`` has submitted it.
    """
    newest = runs[-1].number if runs else 0
    by_run = (runs[-1].job_id, None) if runs and runs[-1].job_id else None
    if last:
        return by_run if newest > 1 else None
    return (
        found(read_job_id, newest + 1) or (found(read_job_id, newest) if runs else None) or by_run
    )
