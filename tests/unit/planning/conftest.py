"""A job whose user has typed something into the site's fields of RELION's window."""

from __future__ import annotations

from typing import Any

import pytest

from dispatcher.config.window import FIELDS
from dispatcher.planning.plan import Plan

from ...fixture_types import CorpusJob, WriteSite
from .planned import REFINE, SHAPE, Typed, plan
from .test_extra_fields import with_options


@pytest.fixture
def typed(site: WriteSite, corpus_job: CorpusJob, monkeypatch: pytest.MonkeyPatch) -> Typed:
    """The plan of a job on a Slurm site, whose window has these fields with these texts."""

    def call(fields: dict[str, str], job: str = REFINE, **content: Any) -> Plan:
        offered = content.pop("offered", {name: {} for name in fields})
        content.setdefault("scheduler", "slurm")
        content.setdefault("partitions", {"gpu": SHAPE, "other": SHAPE})
        content.setdefault("job_parameters", {"submit": {"partition": "gpu"}})
        site("site.json", {"window": {"fields": offered}, **content})
        monkeypatch.setenv(FIELDS, ",".join(fields))
        lines = [f'qsub_extra{n} "{text}"' for n, text in enumerate(fields.values(), 1)]
        return plan(with_options(corpus_job(job), *lines))

    return call
