"""All that the doctor has to say: of each place what the checks say, the facts, and a proposal."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .. import __version__
from ..config.configuration import Configuration
from ..errors import ConfigError, InputError
from ..host.shell_words import split
from .asked import Asked
from .check_table import Task, findings
from .examine import examine
from .facts import Facts
from .finding import Finding, skipped
from .places import Place, all_partitions, here, partition_place
from .proposal import proposal

__all__ = ["PlaceReport", "Report", "examined"]


class PlaceReport(NamedTuple):
    """A place, what the checks say of it, and the facts by the job that found them."""

    asked: Asked
    findings: tuple[Finding, ...]
    answers: dict[Task, Facts]

    @property
    def measured(self) -> dict[str, int | str]:
        """What site.json can say of the place; nothing where nothing was seen."""
        known = self.asked.is_partition and "everything" in self.answers
        return proposal(self.answers["everything"]) if known else {}


class Report(NamedTuple):
    """All places, in the order in which they were asked for."""

    places: tuple[PlaceReport, ...]

    @property
    def failed(self) -> bool:
        """Whether there is a failure."""
        return any(each.status == "failure" for place in self.places for each in place.findings)

    @property
    def measured(self) -> dict[str, dict[str, int | str]]:
        """What was measured, by the partitions' names."""
        return {each.asked.place: each.measured for each in self.places if each.measured}

    def as_json(self) -> dict[str, Any]:
        """The report as one JSON object."""
        return {
            "dispatcher_version": __version__,
            "host": os.uname().nodename,
            "time": time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime()),
            "places": [
                {
                    "place": place.asked.place,
                    "scheduler": place.asked.scheduler,
                    "image": place.asked.image,
                    "findings": [
                        {"check": each.check, "status": each.status, "sentence": each.sentence}
                        for each in place.findings
                    ],
                    "facts": {task: facts.as_json() for task, facts in place.answers.items()},
                    "measured": place.measured,
                }
                for place in self.places
            ],
        }


def examined(
    configuration: Configuration,
    project: Path,
    partitions: Sequence[str] | None,
    *,
    seconds: int,
    nodes: int = 0,
    long: bool = False,
    scratch: str | None = None,
) -> Report:
    """Look at these partitions, at all if None, or at this machine if there are none.

    Jobs that have not started after `seconds` are cancelled. `nodes` is 2 to start ranks on two
    nodes, 0 to do so where job types have several; `long` waits for the signal before a limit.

    Raises:
        ConfigError, InputError: a partition that is named, or the scratch folder, is not possible.
        WriteError: the project's folder cannot be written.
    """
    folder = _shell_text(scratch)
    names = all_partitions(configuration) if partitions is None else [*dict.fromkeys(partitions)]
    places: list[Place] = []
    passed: dict[str | None, PlaceReport] = {}  # partitions to which nothing can be sent
    for name in names:
        try:
            places.append(partition_place(name, configuration, project, nodes, folder))
        except ConfigError as error:
            if partitions is not None:
                raise
            why = skipped(str(error))._replace(check="start")
            passed[name] = PlaceReport(Asked(str(name)), (why,), {})
    if not names:
        places = [here(configuration, project, folder)]
    tasks: list[Task] = ["everything", "nodes", "cancelled"]
    if long:
        tasks.append("warned")
    seen = iter(
        PlaceReport(place.asked, tuple(findings(facts, place.asked)), facts)
        for place, facts in zip(places, examine(places, project, tasks, seconds), strict=True)
    )
    return Report(tuple(passed.get(name) or next(seen) for name in names or [None]))


def _shell_text(scratch: str | None) -> str | None:
    """The folder as the shell on the node is to read it: variables in it are the node's."""
    if scratch is None:
        return None
    words = split(scratch)
    if len(words) != 1:
        raise InputError(
            f"--scratch needs one folder, such as /scratch or $TMPDIR; found {scratch!r}."
        )
    return words[0].shell()
