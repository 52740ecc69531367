"""Does an option of the site's own ask for a job's GPUs? Then no directive of ours does.

A scheduler may refuse two requests for GPUs in one script, or heed one of them alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..config.scheduler import Scheduler

__all__ = ["gpu_option", "gpu_option_reason"]


def gpu_option(scheduler: Scheduler, parameters: Mapping[str, Any]) -> str | None:
    """The last of the job's further options that asks for GPUs; None if none does.

    >>> ferry = Scheduler(submit_command=["board"], gpu_options=["--cards=.*"])
    >>> gpu_option(ferry, {"scheduler_options": ["--lab", "--cards=a100:4"]})
    '--cards=a100:4'
    """
    options = reversed(parameters.get("scheduler_options") or [])
    return next((each for each in options if _asks(scheduler, each)), None)


def gpu_option_reason(
    scheduler: Scheduler, parameters: Mapping[str, Any], ngpu: int
) -> Iterator[str]:
    """A sentence for a job on `ngpu` GPUs of each node, if a site's option asks for them."""
    option = gpu_option(scheduler, parameters)
    if ngpu and option:
        yield (
            f'"{option}" of the site asks for the GPUs, so the job script has no other request for '
            f"them: the job is planned for {ngpu} per node."
        )


def _asks(scheduler: Scheduler, option: str) -> bool:
    return any(re.fullmatch(each, option) for each in scheduler.gpu_options)
