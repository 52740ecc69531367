"""Writes docs/schemas: what each configuration file may say, as JSON Schemas for editors.

Usage: python -m docs.making.schemas      (docs/update.sh calls it)

The keys and their types are those that the loaders check, the words those of their docstrings, and
of the table of job parameters in docs/dispatch_config.md. What such a schema refuses, the loader
refuses too, but for numbers and switches in quotes, which the loader understands.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from dispatcher.config.catalogue import Image
from dispatcher.config.endings import Ending
from dispatcher.config.gpu_vendors import GpuName
from dispatcher.config.job_types import JobType
from dispatcher.config.json_files import SCHEMA
from dispatcher.config.scheduler import Scheduler
from dispatcher.config.site import Site
from dispatcher.images.building.recipes import Recipe
from dispatcher.site.init.cards import CardRow
from docs.making.schema_words import described, job_parameters, with_comments

__all__ = ["FOLDER", "schemas"]

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "schemas"

_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_OF_THE_FILE = {"type": "string", "description": "Where the schema of this file is, for editors."}
# In these conditions of a job type, one text is as good as a list of one.
_TEXT_OR_LIST = (
    "match_command", "match_parameter", "nomatch_parameter", "match_label",
    "relion_remove_parameter",
)  # fmt: skip


def schemas() -> dict[str, dict[str, Any]]:
    """The schemas by the first part of their names, such as "site"."""
    return {
        name: {"$schema": _DRAFT, "title": title, "description": words, **make()}
        for name, (title, words, make) in _SCHEMAS.items()
    }


def _whole(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a file, with what may stand in each of its objects."""
    schema = with_comments(schema)
    schema.pop("description", None)  # each file has its own
    schema["properties"] = {SCHEMA: _OF_THE_FILE, **schema.get("properties", {})}
    return schema


def _of(kind: Any) -> dict[str, Any]:
    return described(TypeAdapter(kind).json_schema(), kind)


def _plain(kind: Any) -> Callable[[], dict[str, Any]]:
    return lambda: _whole(_of(kind))


def _site() -> dict[str, Any]:
    schema = _of(Site)
    shipped = json.loads((ROOT / "config" / "site.json").read_text("utf-8"))
    _laid_upon(schema, schema, shipped)
    _of_schedulers(schema)
    parameters = schema["properties"]["job_parameters"]["additionalProperties"]
    parameters["properties"] = job_parameters(parameters["additionalProperties"])
    return _whole(schema)


def _laid_upon(schema: dict[str, Any], whole: dict[str, Any], shipped: dict[str, Any]) -> None:
    """Make the defaults those of the shipped file."""
    for key, value in shipped.items():
        held = schema["properties"].get(key)
        if held is None:
            continue
        if "$ref" in held:
            _laid_upon(whole["$defs"][held["$ref"].rpartition("/")[2]], whole, value)
        else:
            held["default"] = value


def _of_schedulers(schema: dict[str, Any]) -> None:
    """What a file leaves out, a shipped one or a parent may say."""
    for name in ("Scheduler", "Watcher"):
        schema["$defs"][name].pop("required")


def _scheduler() -> dict[str, Any]:
    schema = _of(Scheduler)
    schema.pop("required")
    schema["$defs"]["Watcher"].pop("required")
    return _whole(schema)


def _job_types() -> dict[str, Any]:
    schema = _of(dict[str, JobType])
    keys = schema["$defs"]["JobType"]["properties"]
    for key in _TEXT_OR_LIST:
        held = keys[key]
        several = {each: held.pop(each) for each in ("type", "items")}
        held["anyOf"] = [{"type": "string"}, several]
    parameters = keys["job_parameters"]
    parameters["properties"] = job_parameters(parameters["additionalProperties"])
    return _whole(schema)


def _endings() -> dict[str, Any]:
    """Of an ending that is shipped, a site's file may change a part."""
    schema = _of(dict[str, Ending])
    whole = schema["$defs"]["Ending"]
    schema["$defs"]["ShippedEnding"] = {k: v for k, v in whole.items() if k != "required"}
    shipped = json.loads((ROOT / "config" / "endings.json").read_text("utf-8"))
    part = {"$ref": "#/$defs/ShippedEnding"}
    schema["properties"] = {name: part for name in shipped if name[0] not in "$_"}
    return _whole(schema)


def _pins() -> dict[str, Any]:
    """Of a project's pins all is read that is known; their file has no comments."""
    digests = {"type": "object", "additionalProperties": {"type": "string"}}
    pin = {
        "type": "object",
        "required": ["version"],
        "properties": {
            "version": {"type": "string", "description": "The version that the project uses."},
            "sha256": {
                "anyOf": [digests, {"enum": [None, False, "", 0, []]}],
                "description": "The digests of the version's variants that were used so far.",
            },
        },
    }
    images = {
        "type": "object",
        "additionalProperties": pin,
        "description": "By the image's name, what is pinned of it.",
    }
    keys = {SCHEMA: {"description": _OF_THE_FILE["description"]}, "images": images}
    return {"type": "object", "required": ["images"], "properties": keys}


_SCHEMAS: dict[str, tuple[str, str, Callable[[], dict[str, Any]]]] = {
    "site": ("site.json", "The site; docs/site.md explains each key.", _site),
    "scheduler": (
        "schedulers/NAME.json",
        "What is known of one scheduler; docs/site.md explains each key.",
        _scheduler,
    ),
    "dispatch_config": (
        "dispatch_config.json",
        "Job types by their names; docs/dispatch_config.md explains each key.",
        _job_types,
    ),
    "images": (
        "images.json",
        "The images by their names; docs/images.md explains each key.",
        _plain(dict[str, Image]),
    ),
    "recipes": (
        "containers/recipes.json",
        "How images are built, by their names; docs/images.md explains each key.",
        _plain(dict[str, list[Recipe]]),
    ),
    "endings": (
        "endings.json",
        "Why jobs fail, and what helps; docs/endings.md explains each key.",
        _endings,
    ),
    "gpu_cards": (
        "gpu_cards.json",
        "Cards' memory by name, for `relion-dispatch site init`.",
        _plain(dict[GpuName, list[CardRow]]),
    ),
    "pins": (
        ".relion_dispatch.json",
        "The image versions that a project uses; docs/images.md explains each key.",
        _pins,
    ),
}


def main() -> None:
    """Write the files anew."""
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.json"):
        old.unlink()
    for name, schema in schemas().items():
        text = json.dumps(schema, indent=1, ensure_ascii=False) + "\n"
        (FOLDER / f"{name}.schema.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
