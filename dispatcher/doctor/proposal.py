"""What was measured on a partition's node, for the site's site.json."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..config import json_edit
from ..config.places import site_folder
from ..config.site import checked_site, load_site
from .checks.cards import cards_of, number_of_cards
from .facts import Facts

__all__ = ["merged", "proposal", "write_proposal"]


def proposal(facts: Facts) -> dict[str, int | str]:
    """What `partitions` of site.json can say of a node like this one; only what was measured.

    Cores and memory are the scheduler's to say: a node has more than it hands out.
    """
    found: dict[str, int | str] = {}
    if number := number_of_cards(facts):
        found["gpus"] = number
    sizes = [card.memory for card in cards_of(facts) if card.memory and card.mig != "Enabled"]
    if sizes:
        found["gpu_memory"] = f"{min(sizes)}M"
    return found


def write_proposal(measured: Mapping[str, Mapping[str, int | str]], force: bool) -> list[str]:
    """Add to site.json what was measured, by partition; a line for each key.

    What is there stays, unless `force`, or a comment calls it a guess. Order and comments of the
    file stay, but for comments on guesses that are replaced.

    Raises:
        ConfigError: the file is wrong, or would be wrong afterwards.
        WriteError: this user may not write the file.
    """
    path: Path = site_folder() / "site.json"
    json_edit.check_folder(path, "site's configuration")
    lines: list[str] = []
    with json_edit.edit(
        path,
        "site's configuration",
        load=lambda _: load_site(),
        check=lambda content: checked_site(content, path),
    ) as content:
        for name, values in measured.items():
            section = content.setdefault("partitions", {}).setdefault(name, {})
            lines += [f"{path}: {name}: {line}" for line in merged(section, values, force)]
    return lines


def _guesses(section: Mapping[str, Any], key: str) -> list[str]:
    """The comments of a partition that call the value of this key a guess."""
    found = section.get(json_edit.COMMENT, [])
    comments = found if isinstance(found, list) else [found]
    guess = re.compile(rf"\b{key}\b.*\ba guess\b", re.DOTALL)
    return [each for each in comments if isinstance(each, str) and guess.search(each)]


def _without(section: dict[str, Any], comments: list[str]) -> None:
    found = section.get(json_edit.COMMENT, [])
    left = [
        each for each in (found if isinstance(found, list) else [found]) if each not in comments
    ]
    if left:
        section[json_edit.COMMENT] = left
    else:
        section.pop(json_edit.COMMENT, None)


def merged(section: dict[str, Any], values: Mapping[str, int | str], force: bool) -> Iterator[str]:
    """Put the values into what site.json says of a partition; a clause for each key."""
    if "nodes" in section:
        yield (
            "stays as it is, because it has several kinds of nodes, of which one was looked at "
            f"({', '.join(f'{key}: {value}' for key, value in values.items())})"
        )
        return
    for key, value in values.items():
        before = section.get(key)
        if before == value:
            continue
        if before is None:
            section[key] = value
            yield f"{key}: {value}"
        elif force or _guesses(section, key):
            _without(section, _guesses(section, key))
            section[key] = value
            yield f"{key}: {value} (was {before})"
        else:
            yield f"{key} stays {before} (measured: {value}; --force writes that)"
