"""One job of ``status JOB``: what is known of it, and the last lines of run.out and run.err."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from ..jobs.run_words import lines_on
from ..jobs.status import JobStatus
from ..printable import printable
from .job_rows import HEADS, as_row, clock_of, colour_of, reason_of

if TYPE_CHECKING:
    from rich.text import Text

__all__ = ["job_card"]

_LINES = ("job", "RELION", "run")  # stand in the first line, or have lines of their own
_MARGIN = "  "


def job_card(
    status: JobStatus, printed: Mapping[str, Sequence[str] | None], now: datetime | None = None
) -> list[Text]:
    """The lines; `printed` has the last lines of each file by its name, None for no such file.

    `now` is this machine's time.
    """
    from rich.text import Text

    now = now or datetime.now()
    first = Text(f"{printable(status['job'])}  ")
    first.append(printable(status["relion"]), colour_of(status) or "bold")
    entries = [(head, printable(cell)) for head, cell in _entries(status, now)]
    width = max((len(head) for head, _ in entries), default=0)
    return [
        first,
        *(Text(f"{_MARGIN}{head:<{width}}  {cell}") for head, cell in entries),
        *(line for name, lines in printed.items() for line in _file(name, lines)),
    ]


def _entries(status: JobStatus, now: datetime) -> Iterator[tuple[str, str]]:
    cells = dict(zip(HEADS, as_row(status, now), strict=True))
    for head in HEADS[:-1]:
        if head not in _LINES and cells[head] != "-":
            yield head, cells[head]
    if status["scheduler"]:
        at = f" (cluster {status['cluster']})" if status["cluster"] else ""
        yield "scheduler", f"{status['scheduler']}{at}"
    if submitted := clock_of(status["dispatched"], now):
        yield "submitted", submitted
    runs, following = status["runs"], status["next_run"]
    if len(runs) > 1 or following:
        runs_now = status["relion"] == "Running" and following is None
        yield from lines_on(runs, lambda time: clock_of(time, now), runs_now)
    if status["waiting_since"]:
        yield "waits", reason_of(status, now).removeprefix("waits ")
    elif reason := reason_of(status, now):
        yield "reason", " ".join(reason.split())


def _file(name: str, lines: Sequence[str] | None) -> Iterator[Text]:
    from rich.text import Text

    yield Text()
    if lines is None:
        yield Text(f"There is no {name}.", "dim")
    elif not lines:
        yield Text(f"{name} is empty.", "dim")
    else:
        yield Text(f"The end of {name}:", "bold")
        yield from (Text(f"{_MARGIN}{printable(line.expandtabs())}") for line in lines)
