"""The names of users and projects in a report, or numbers in their place."""

from __future__ import annotations

from .job_row import JobRow

__all__ = ["Names"]


class Names:
    """Gives rows their names; anonymous ones are numbered as they come: ``user 1``."""

    def __init__(self, anonymous: bool) -> None:
        self.anonymous = anonymous
        self._users: dict[str, str] = {}
        self._projects: dict[str, str] = {}

    def given(self, row: JobRow) -> JobRow:
        """The row as the report may show it."""
        if not self.anonymous:
            return row
        user = self._users.setdefault(row.user, f"user {len(self._users) + 1}")
        project = self._projects.setdefault(row.project, f"project {len(self._projects) + 1}")
        return row._replace(user=user, project=project, job_id=None)
