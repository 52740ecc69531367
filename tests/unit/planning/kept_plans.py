"""The plans of 0.1.0, and what was changed in them on purpose since (tests/data/plans-0.1.0)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

__all__ = ["INTENDED", "KEPT", "SITES", "changes", "kept", "write_changes"]

KEPT = Path(__file__).parents[2] / "data" / "plans-0.1.0"
INTENDED: list[dict[str, str]] = json.loads((KEPT / "intended.json").read_text())
SITES = ("readme", "shipped", "two_nodes")

Plans = dict[str, dict[str, Any]]


def kept(site: str, but: str = "") -> tuple[dict[str, Any], Plans]:
    """A site's settings, and the plans of 0.1.0 by job with the differences intended since.

    Without those of the file ``but``.
    """
    everything = json.loads((KEPT / "readme.json").read_text())["plans"]
    content = json.loads((KEPT / f"{site}.json").read_text())
    plans = {job: {**everything[job], **plan} for job, plan in content["plans"].items()}
    for each in INTENDED:
        file = each.get("changes")
        if file is None:
            for plan in plans.values():
                _replaced(plan, each)
        elif file != but:
            _changed(plans, changes(file).get(site, {}))
    return content["site"], plans


def changes(file: str) -> dict[str, dict[str, dict[str, list[list[str]]]]]:
    """By site, job and key: pieces of text that were, and what is there instead."""
    return dict(json.loads((KEPT / file).read_text()))


def write_changes(file: str, site: str, today: Plans) -> None:
    """Make what is different today the changes of ``file`` for this site."""
    path = KEPT / file
    content = changes(file) if path.exists() else {}
    _, plans = kept(site, but=file)
    content[site] = {
        job: {
            key: list(_pieces(_text(was), _text(today[job][key])))
            for key, was in plan.items()
            if was != today[job][key]
        }
        for job, plan in plans.items()
        if any(was != today[job][key] for key, was in plan.items())
    }
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n")


def _replaced(plan: dict[str, Any], each: dict[str, str]) -> None:
    if each["key"] in plan:
        text = re.sub(each["was"], each["is"], _text(plan[each["key"]]))
        plan[each["key"]] = json.loads(text)


def _changed(plans: Plans, jobs: dict[str, dict[str, list[list[str]]]]) -> None:
    for job, keys in jobs.items():
        for key, pieces in keys.items():
            text = _text(plans[job][key])
            for was, now in pieces:
                assert text.count(was) == 1, (job, key, was)
                text = text.replace(was, now)
            plans[job][key] = json.loads(text)


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _pieces(was: str, now: str) -> Iterator[list[str]]:
    """The differences of two texts, each with as many words before it as make it the only one."""
    old, new = re.split(r"(?<=[ ,])", was), re.split(r"(?<=[ ,])", now)
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    done = ""  # of the text as changed so far
    for kind, start, end, at, to in matcher.get_opcodes():
        if kind != "equal":
            rest = "".join(old[end:])
            before = 0
            while True:
                context = "".join(old[start - before : start])
                piece = context + "".join(old[start:end])
                if piece and (done + "".join(old[start:end]) + rest).count(piece) == 1:
                    break
                before += 1
            yield [piece, context + "".join(new[at:to])]
        done += "".join(new[at:to])
