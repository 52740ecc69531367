"""Which scheduler, or else this machine, tells what the site is?"""

from __future__ import annotations

from collections.abc import Mapping

from ...config.job_types import load_job_types
from ...config.places import config_path
from ...config.scheduler import Scheduler
from ...errors import InputError
from ...scheduler.survey import asked_as, can_be_surveyed, survey
from .content import NewSite, of_cluster
from .here import of_this_machine

__all__ = ["LOCAL", "new_site", "schedulers_to_ask"]

LOCAL = "local"


def schedulers_to_ask(wanted: str | None, schedulers: Mapping[str, Scheduler]) -> list[str]:
    """The schedulers whose commands are to be tried.

    Raises:
        InputError: `wanted` is none that can be asked, and not this machine.
    """
    known = can_be_surveyed()
    if wanted is None or wanted == LOCAL:
        return [] if wanted else known
    if asked_as(wanted, schedulers) is None:
        raise InputError(
            f'There is no way to ask a scheduler "{wanted}": name one of '
            f"{', '.join([*known, LOCAL])}, or write site.json by hand (docs/site.md)."
        )
    return [wanted]


def new_site(wanted: str | None, schedulers: Mapping[str, Scheduler]) -> tuple[str, NewSite]:
    """Who told it, in words, and the site.

    Raises:
        InputError: the wanted scheduler does not answer, or several do and none is wanted, or none
            does and the commands of one are here.
        ConfigError: the site's job types cannot be read.
    """
    answers, failed = survey(schedulers, schedulers_to_ask(wanted, schedulers))
    if len(answers) > 1:
        raise InputError(
            f"These schedulers answer here: {', '.join(sorted(answers))}. Name the one that jobs "
            "go to: --scheduler NAME."
        )
    for name, told in answers.items():
        if not any(partition.nodes for partition in told.partitions):
            raise InputError(
                f"{told.title} answers here, and names no partition with nodes: ask its admin, or "
                "write site.json by hand (docs/site.md)."
            )
        types = load_job_types(config_path("dispatch_config.json")).types
        return told.title, of_cluster(name, told, types)
    if failed:
        said = ". ".join(f"{name}: {words.rstrip('.')}" for name, words in sorted(failed.items()))
        raise InputError(
            f"The commands of a scheduler are here, and it does not answer. {said}. Try again when "
            "it answers, or where its commands work, such as on a login node. If jobs are to run "
            f"on this machine, without a scheduler, add --scheduler {LOCAL}."
        )
    if wanted not in (None, LOCAL):
        raise InputError(
            f"The scheduler {wanted} does not answer here: run this command where its commands "
            "work, such as on a login node."
        )
    return "this machine", of_this_machine()
