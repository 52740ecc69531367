"""The record of a run that could not write it, as ``write_lost_run`` of library/runs.sh writes it.

Of a run that the scheduler starts again, the next run's script writes it. ``resume`` writes it
itself: by this record the script knows that it may claim the next number.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ..host.shared_files import SharedFolder
from .claim import read_claim
from .record import Record
from .run_file import GOES_ON, read_lease
from .run_names import lease_file, run_file, unfinished_run_file
from .runs import utc

__all__ = ["write_lost_run"]

_OF_THE_LEASE_ALONE = ("", "token", "run", "process")
_REASON = (
    "The run ended without a word, because its node was lost or switched off, or it was killed "
    "there."
)


def write_lost_run(opened: SharedFolder, record: Record) -> None:
    """Write the record of the newest run, in the place of its lease: what the lease says, or the
    run's claim if it had no lease yet.

    Raises:
        OSError: the folder cannot be written.
        ValueError: the lease or the claim is not what it should be.
    """
    token, number = record.token, record.newest
    values = _lost_run(opened.path, record)
    text = "".join(f"{key} {value}\n" for key, value in values if value)
    name = run_file(opened.path, token, number).name
    opened.replace(name, text.encode(errors="surrogateescape"))
    for file in (lease_file, unfinished_run_file):
        with suppress(FileNotFoundError):
            opened.remove(file(opened.path, token, number).name)


def _lost_run(folder: Path, record: Record) -> Iterator[tuple[str, str | None]]:
    yield "token", record.token
    yield "run", str(record.newest)
    lease = read_lease(folder, record.token, record.newest)
    claim = read_claim(folder, record.token, record.newest)
    if lease:
        # The next run needs of it what this version may not know.
        yield from (each for each in lease.values.items() if each[0] not in _OF_THE_LEASE_ALONE)
        yield "ended", utc(lease.renewed)
    elif claim:
        yield from (("started", utc(claim.made)), ("host", claim.host))
        yield from (("scheduler_job_id", claim.job_id), ("ended", utc(claim.made)))
    yield from (("ending", GOES_ON), ("why", "lost_node"), ("reason", _REASON))
