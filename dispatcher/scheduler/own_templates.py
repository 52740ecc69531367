"""What a scheduler says of the end of a job whose script tells RELION nothing."""

from __future__ import annotations

from dataclasses import replace

from ..config.scheduler import Scheduler

__all__ = ["of_own_template"]


def of_own_template(scheduler: Scheduler) -> Scheduler:
    """The scheduler of a job whose script, of a site's own template, is without the library."""
    own = scheduler.ends_of_own_templates
    others = {text: says for text, says in scheduler.ends.items() if text not in own}
    return replace(scheduler, ends={**own, **others})
