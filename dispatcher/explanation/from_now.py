"""What does a plan that is made now tell of a job whose record lacks the decisions?

Only what holds for the recorded plan: figures of another partition, or of other cards, would
contradict it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ..config.window import FIELDS
from ..config.window_field import is_unset
from ..jobs import entries

__all__ = ["MAY_DIFFER", "decisions_from_now", "typed_but_unknown"]

MAY_DIFFER = (
    "The site's files, its images, the project's pin, the inputs, the fields of RELION's window "
    "and the user are those of now, and may have been others when the job was submitted"
)
_OF_THE_TYPE = ("takes", "other_types")
_NUMBERS = {"nproc": "ranks", "nthread": "threads", "ngpu": "GPUs"}
_UNTOLD = "not told"


def decisions_from_now(
    recorded: Mapping[str, Any], plan: Mapping[str, Any], decisions: Mapping[str, Any]
) -> tuple[Mapping[str, Any] | None, str]:
    """The `decisions` of a `plan` made now that hold for the recorded one, and a sentence on them.

    Raises:
        ValueError: the record's entries have another form than their writer gives them.
    """
    was = entries.text(recorded, "job_type")
    if was is None:
        return None, "It does not tell the job's type, so nothing is taken from a plan made now."
    if was != plan["job_type"]:
        return None, f"Now the job would be of type {plan['job_type']}, which explains nothing."
    then, now = _outcome(recorded), _outcome(plan)
    differ = [f"{what} {then[what]}, now {now[what]}" for what in then if then[what] != now[what]]
    if differ:
        return {key: decisions[key] for key in _OF_THE_TYPE if key in decisions}, (
            f"A plan made now is another ({'; '.join(differ)}), so that only the job types are "
            f"taken from it. {MAY_DIFFER}."
        )
    return decisions, (
        "What was passed over, what would give more ranks, and who says what, are those of a plan "
        f"made now. {MAY_DIFFER}."
    )


def typed_but_unknown(plan: Mapping[str, Any]) -> str:
    """A sentence on what was typed in RELION's window, and a `plan` made now takes no account of:
    which field has which number, only the environment of RELION tells."""
    texts = {key: text for key, text in plan["extra_fields"].items() if not is_unset(text)}
    if not texts or os.environ.get(FIELDS):
        return ""
    typed = ", ".join(f"{key}: {text}" for key, text in texts.items())
    return (
        f"What was typed in RELION's window ({typed}) is not in the plan of now: {FIELDS} is not "
        "set in this shell. Load the site's environment file, and run the command again."
    )


def _outcome(plan: Mapping[str, Any]) -> dict[str, str]:
    """What was decided, as words to compare."""
    asked = entries.object_of(plan, "job_parameters")
    partition = _UNTOLD if asked is None else str(asked.get("partition") or "none")
    numbers = {what: entries.number(plan, key) for key, what in _NUMBERS.items()}
    image = entries.object_of(plan, "image")
    words = (entries.text(image, key) for key in ("name", "version")) if image else ()
    none = "none" if "image" in plan else _UNTOLD
    return {
        "scheduler": entries.text(plan, "scheduler") or _UNTOLD,
        "partition": partition,
        **{what: _UNTOLD if each is None else str(each) for what, each in numbers.items()},
        "image": " ".join(filter(None, words)) or none,
    }
