"""What a submit command's answer means: the job was taken, refused, or nobody can say."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from ..config.scheduler import Scheduler
from ..host.programs import Finished

__all__ = ["Answer", "read_answer"]


class Answer(NamedTuple):
    """What became of one attempt.

    Attributes:
        outcome: "taken"; "refused" for good; or "unclear": not taken, or taken and not said so.
        job_id: the scheduler's id where it is known.
        sentence: what happened, without a full stop.
    """

    outcome: Literal["taken", "refused", "unclear"]
    job_id: str | None
    sentence: str


def read_answer(scheduler: Scheduler, program: str, done: Finished) -> Answer:
    """Read what the submit command `program` printed, and its exit status.

    Commands can print warnings before the job id, or end with status 0 and still have failed.
    """
    everything = re.sub(r"\s+", " ", done.stdout + done.stderr).strip()
    printed = everything[:400]
    found = re.search(scheduler.job_id or r"(\d+)", done.stdout, re.MULTILINE)
    if done.status == 0 and found:
        return Answer("taken", found[1], f'"{program}" named job {found[1]}')
    if done.status == 0:
        what = f'the submit command "{program}" named no job id (it printed: "{printed}")'
        return Answer("unclear", None, what)
    what = (
        f'the submit command "{program}" failed with status {done.status}: '
        f"{printed or 'it printed nothing'}"
    )
    passing = any(re.search(each, everything, re.IGNORECASE) for each in scheduler.transient)
    return Answer("unclear" if passing or done.status < 0 else "refused", None, what)
