"""An explanation as one JSON object: docs/explain.md has its keys."""

from __future__ import annotations

from typing import Any

from ..errors import InputError
from ..jobs import entries
from .changed_words import changed_words
from .explain import Explanation

__all__ = ["as_json"]

_OF_THE_PLAN = (
    "label", "job_type", "lineage", "nproc", "nthread", "ngpu", "nodes", "mps", "gpu_fit", "image",
    "scheduler", "job_parameters", "reasons", "warnings", "run", "job_id", "user", "dispatched",
    "goes_on",
)  # fmt: skip


def as_json(found: Explanation) -> dict[str, Any]:
    """What :mod:`.sections` says in words."""
    plan = found.plan
    return {
        "job": found.job.name,
        "project": str(found.job.project),
        "state": found.state.word,
        "sentences": list(found.state.sentences),
        "status": found.state.status,
        "runs": [run.as_json() for run in found.record.runs] if found.record else [],
        "planned": None if plan is None else found.planned,
        "notes": list(found.notes),
        "plan": plan and {key: plan[key] for key in _OF_THE_PLAN if key in plan},
        "decided": None if found.decisions is None else found.decided,
        "decisions": found.decisions,
        "commands": [] if plan is None else _commands(plan),
    }


def _commands(plan: Any) -> list[dict[str, Any]]:
    try:
        before = entries.texts(plan, "original_commands") or ()
        after = [entries.text(now, "shell") for now in entries.objects_of(plan, "commands") or []]
        return [
            {
                "before": was,
                "after": now,
                "changes": [each._asdict() for each in changed_words(was, now or "")],
            }
            for was, now in zip(before, after, strict=False)
        ]
    except (InputError, IndexError, ValueError):  # of another's making: the screen says so
        return []
