"""What a report calls users, projects, jobs, types and versions.

A record may be of anyone's making. So where no name of a person or a project may stand, types,
versions and partitions are those that the site's files know.
"""

from __future__ import annotations

from typing import NamedTuple

from ..config.configuration import Configuration
from .job_folders import KINDS
from .job_row import JobRow
from .record_row import ON_THE_HOST

__all__ = ["Known", "Names"]

_UNKNOWN = "unknown"  # a record that tells no type


class Known(NamedTuple):
    """The names of job types, image versions and partitions in the site's files."""

    types: frozenset[str] = frozenset()
    versions: frozenset[str] = frozenset()
    partitions: frozenset[str] = frozenset()

    @classmethod
    def of(cls, configuration: Configuration) -> Known:
        """Those of this site."""
        site, job_types, catalogue = configuration
        types = job_types.types
        parameters = [each.job_parameters for each in types.values()]
        parameters += site.job_parameters.values()
        named = [each.get("partition") for each in parameters]
        return cls(
            frozenset({*types, _UNKNOWN}),
            frozenset(
                {ON_THE_HOST, *(f"{each.name} {each.version}" for each in catalogue.builds())}
            ),
            frozenset({"", *site.partitions, *(each for each in named if isinstance(each, str))}),
        )


class Names:
    """Gives rows their names; anonymous ones are numbered as they come: ``user 1``."""

    def __init__(self, anonymous: bool, known: Known) -> None:
        self.anonymous = anonymous
        self.known = known
        self._users: dict[str, str] = {}
        self._projects: dict[str, str] = {}
        self._jobs: dict[tuple[str, str], str] = {}
        self._nodes: dict[str, str] = {}

    def given(self, row: JobRow) -> JobRow:
        """The row as the report may show it."""
        if not self.anonymous:
            return row
        user = self._users.setdefault(row.user, f"user {len(self._users) + 1}")
        project = self._projects.setdefault(row.project, f"project {len(self._projects) + 1}")
        job = row.job
        if job.partition("/")[0] not in KINDS:
            job = self._jobs.setdefault((project, job), f"job {len(self._jobs) + 1}")
        runs = tuple(run._replace(host=self._node(run.host), job_id=None) for run in row.noted_runs)
        return self.labelled(row)._replace(
            user=user, project=project, job=job, job_id=None, noted_runs=runs
        )

    def _node(self, host: str | None) -> str | None:
        """Workstations have names of people, too."""
        return host and self._nodes.setdefault(host, f"node {len(self._nodes) + 1}")

    def labelled(self, row: JobRow) -> JobRow:
        """The row with a type, a version and a partition that the site knows, or others. A
        partition that the accounting has told is one."""
        known = self.known
        is_partition = row.accounted or row.partition in known.partitions
        return row._replace(
            type=row.type if row.type in known.types else "another type",
            version=row.version if row.version in known.versions else "another version",
            partition=row.partition if is_partition else "another partition",
        )
