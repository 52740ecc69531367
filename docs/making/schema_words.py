"""The words of the JSON Schemas: what docstrings and the documentation say of each key."""

from __future__ import annotations

import copy
import inspect
import re
from collections.abc import Iterator
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

from dispatcher.config.job_types import ADDED, BOUNDS

__all__ = ["attribute_words", "described", "job_parameters", "with_comments"]

_PAGE = Path(__file__).parents[2] / "docs" / "dispatch_config.md"
_COMMENT = {"description": "A comment, which is not read; it may stand anywhere."}
_TEXTS: dict[str, Any] = {"type": "array", "items": {"type": "string"}}
_SECTION = re.compile(r"^Attributes:\n((?:    .*\n?|\n)+)", re.MULTILINE)
_ATTRIBUTE = re.compile(r"^    (\w[\w, ]*): ((?:.*\n?)(?: {8}.*\n?)*)", re.MULTILINE)
_ROW = re.compile(r"^\| (`\w+`(?:, `\w+`)*) \| (.*) \|$", re.MULTILINE)
_OTHER_PARAMETERS: dict[str, dict[str, Any]] = {
    **dict.fromkeys(ADDED, _TEXTS),
    "partitions": _TEXTS,
    **{
        key: {"type": "string"}
        for key in ("account", "qos", "constraint", "gpu_type", "submit_command", "mem_per_rank")
    },
}


def described(schema: dict[str, Any], kind: Any) -> dict[str, Any]:
    """The schema of the type `kind`, with a description of each key that a docstring explains."""
    kinds = {each.__name__: each for each in _dataclasses(kind)}
    parts = {**schema.get("$defs", {}), getattr(kind, "__name__", ""): schema}
    for name, part in parts.items():
        if name in kinds:
            words = attribute_words(kinds[name])
            part["description"] = _first_sentence(kinds[name])
            for key, held in part["properties"].items():
                if key in words:
                    held["description"] = words[key]
    _drop_titles(schema)
    return schema


def attribute_words(kind: type) -> dict[str, str]:
    """What the docstrings of a dataclass and its bases say of each attribute, in Markdown."""
    found: dict[str, str] = {}
    for each in reversed(kind.__mro__[:-1]):
        for section in _SECTION.findall(_doc(each)):
            for names, text in _ATTRIBUTE.findall(section):
                each_name = names.split(", ")
                words = _in_json(text)
                if len(each_name) > 1:
                    words = f"{' and '.join(f'`{name}`' for name in each_name)}: {words}"
                found |= dict.fromkeys(each_name, words[:1].upper() + words[1:])
    return found


def _in_json(text: str) -> str:
    """A docstring's words in one line of Markdown, with JSON's name of Python's None."""
    words = re.sub(r":\w+:`([^`]+)`", r"`\1`", " ".join(text.split())).replace("``", "`")
    return re.sub(r'(?<!")\bNone\b', "null", words)


def job_parameters(others: dict[str, Any]) -> dict[str, Any]:
    """The schemas of the job_parameters by name, as docs/dispatch_config.md describes them.

    `others` is the schema of those that templates alone read.
    """
    known: dict[str, dict[str, Any]] = {
        name: {"type": "integer", "minimum": least, "maximum": most}
        for name, (least, most) in BOUNDS.items()
    }
    known |= _OTHER_PARAMETERS
    table = _PAGE.read_text("utf-8").partition("| job parameter |")[2].partition("\n\n")[0]
    found = {}
    for names, words in _ROW.findall(table):
        text = re.sub(r"\[([^]]+)\]\([^)]*\)", r"\1", words)
        for name in re.findall(r"\w+", names):
            held = known.get(name)
            of = {"anyOf": [held, {"type": "null"}]} if held else others
            found[name] = {**of, "description": text[:1].upper() + text[1:]}
    return found


def with_comments(schema: Any) -> Any:
    """The schema, whose objects may all have comments."""
    if isinstance(schema, list):
        return [with_comments(each) for each in schema]
    if not isinstance(schema, dict):
        return copy.copy(schema)
    found = {
        key: {name: with_comments(each) for name, each in value.items()}
        if key in ("properties", "$defs")
        else value
        if key == "default"
        else with_comments(value)
        for key, value in schema.items()
    }
    if found.get("type") == "object":
        found["properties"] = {**found.get("properties", {}), "__comment__": _COMMENT}
        if names := found.pop("propertyNames", None):
            # Only these, and comments.
            values = found.pop("additionalProperties")
            keys = dict.fromkeys(names["enum"], values)
            found |= {"properties": {**keys, **found["properties"]}, "additionalProperties": False}
    return found


def _dataclasses(kind: Any) -> Iterator[type]:
    if isinstance(kind, type) and is_dataclass(kind):
        yield kind
        for each in get_type_hints(kind).values():
            yield from _dataclasses(each)
    for each in get_args(kind):
        yield from _dataclasses(each)


def _drop_titles(schema: Any) -> None:
    """Pydantic's titles say the key once more, and null stands for what is not said."""
    for part in (schema, *schema.get("$defs", {}).values()):
        part.pop("title", None)
        for held in part.get("properties", {}).values():
            held.pop("title", None)
            if held.get("default", "") is None:
                held.pop("default")


def _doc(kind: type) -> str:
    return inspect.cleandoc(kind.__doc__ or "") + "\n"


def _first_sentence(kind: type) -> str:
    return " ".join(_doc(kind).partition("\n\n")[0].split()).replace("``", "`")
