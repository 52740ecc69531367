"""The JSON Schemas of the configuration files say what the loaders take."""

from __future__ import annotations

import copy
import functools
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from dispatcher.config.configuration import load_configuration
from dispatcher.config.endings import load_endings
from dispatcher.config.json_files import read_json
from dispatcher.errors import ConfigError
from dispatcher.images.building.recipes import load_recipes
from dispatcher.images.pins import PIN_FILE, pins
from dispatcher.site.init.cards import read_cards
from docs.making.schemas import FOLDER, schemas

from ...fixture_types import WriteSite

ROOT = Path(__file__).parents[3]
# The files of each schema: all that are shipped, all examples, and files as sites have them.
FILES = {
    "site": [
        ROOT / "config" / "site.json",
        *sorted((ROOT / "docs" / "sites").glob("*.json")),
        *sorted((ROOT / "tests" / "data").glob("*/**/site.json")),
    ],
    "scheduler": sorted((ROOT / "config" / "schedulers").glob("*.json")),
    "dispatch_config": [
        ROOT / "config" / "dispatch_config.json",
        ROOT / "tests" / "data" / "classic-site" / "dispatch_config.json",
    ],
    "images": [ROOT / "config" / "images.json", *sorted(ROOT.glob("tests/data/**/images.json"))],
    "recipes": [ROOT / "containers" / "recipes.json"],
    "endings": [ROOT / "config" / "endings.json"],
    "gpu_cards": [ROOT / "config" / "gpu_cards.json"],
    "pins": sorted(ROOT.glob(f"tests/data/**/{PIN_FILE}")),
}


def test_the_schemas_are_up_to_date() -> None:
    there = {
        path.name.removesuffix(".schema.json"): json.loads(path.read_text("utf-8"))
        for path in FOLDER.iterdir()
    }

    assert there == schemas(), "run docs/update.sh"


@pytest.mark.parametrize("name", FILES)
def test_each_file_agrees_with_its_schema(name: str) -> None:
    assert FILES[name]
    schema = str(FOLDER / f"{name}.schema.json")
    command = [sys.executable, "-m", "check_jsonschema", "--schemafile", schema]
    done = subprocess.run([*command, *map(str, FILES[name])], capture_output=True, text=True)

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", FILES)
def test_each_file_that_is_shipped_names_its_schema(name: str) -> None:
    shipped = [path for path in FILES[name] if ROOT / "tests" not in path.parents]
    for path in shipped:
        address = json.loads(path.read_text("utf-8"))["$schema"]
        assert (path.parent / address).resolve() == FOLDER / f"{name}.schema.json", path


@pytest.mark.parametrize(
    "page", ["README.md", *(f"docs/schedulers/{name}.md" for name in ("slurm", "pbs", "lsf"))]
)
def test_the_sites_of_the_documentation_agree_with_the_schema(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    first = re.findall(r"```json\n(.*?)```", text, re.DOTALL)[0]

    Draft202012Validator(schemas()["site"]).validate(json.loads(first))


def test_every_key_that_a_loader_knows_is_described() -> None:
    for name, schema in schemas().items():
        parts = schema["$defs"].values() if "$defs" in schema else [schema]
        for part in parts:
            for key, held in part["properties"].items():
                assert len(held.get("description", "")) > 5, (name, key)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("site", {"partitons": {}}),
        ("site", {"partitions": {"gpu": {"gpu_memry": "24G"}}}),
        ("site", {"schedulers": {"slurm": {"watcher": {"partiton": "cpu"}}}}),
        ("scheduler", {"submit_comand": ["sbatch"]}),
        ("dispatch_config", {"refine": {"match_comand": "relion_refine"}}),
        ("dispatch_config", {"refine": {"job_parameters": {"nproc": "four"}}}),
        ("images", {"relion": {"default": "5", "versions": {"5": [{"variant": "a", "pth": "b"}]}}}),
        ("recipes", {"relion": [{"versions": "5.*", "variant": "a", "defnition": "b"}]}),
        ("endings", {"new": {"pattern": "a", "cause": "b", "advise": "c"}}),
        ("endings", {"new": {"pattern": "a", "cause": "b"}}),
        ("gpu_cards", {"nvidea": []}),
        ("pins", {"imges": {}}),
    ],
)
def test_a_slip_of_the_pen_is_marked(name: str, content: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "file.json"
    file.write_text(json.dumps(content))
    schema = str(FOLDER / f"{name}.schema.json")
    command = [sys.executable, "-m", "check_jsonschema", "--schemafile", schema, str(file)]

    assert subprocess.run(command, capture_output=True).returncode == 1


def _of_site(write: WriteSite, name: str, content: Any) -> Path:
    return write(name, json.dumps(content))


# What the loaders make of a file's content, which they refuse with ConfigError.
LOADERS: dict[str, Callable[[WriteSite, Any], object]] = {
    "site": lambda write, content: (_of_site(write, "site.json", content), load_configuration()),
    "scheduler": lambda write, content: (
        _of_site(write, "schedulers/own.json", content),
        load_configuration(),
    ),
    "dispatch_config": lambda write, content: (
        _of_site(write, "site.json", {}),
        _of_site(write, "dispatch_config.json", content),
        load_configuration(),
    ),
    "images": lambda write, content: (
        _of_site(write, "images.json", content),
        load_configuration(),
    ),
    "recipes": lambda write, content: (
        _of_site(write, "containers/recipes.json", content),
        load_recipes(),
    ),
    "endings": lambda write, content: (_of_site(write, "endings.json", content), load_endings()),
    "gpu_cards": lambda write, content: read_cards(_of_site(write, "cards.json", content)),
    "pins": lambda write, content: pins(_of_site(write, PIN_FILE, content).parent),
}


def contents(name: str) -> list[dict[str, Any]]:
    """What the files of a schema say, without comments, as the loader takes it anywhere."""
    found = [read_json(path) for path in FILES[name]]
    for path, content in zip(FILES[name], found, strict=True) if name == "scheduler" else []:
        if "inherits" not in content:  # under another name
            content["directives"] = path.stem
    for recipe in found[0]["relion"] if name == "recipes" else []:
        recipe["definition"] = str(ROOT / "containers" / recipe["definition"])
    return found


@pytest.mark.parametrize("name", LOADERS)
def test_the_files_load(name: str, site: WriteSite) -> None:
    for content in contents(name):
        LOADERS[name](site, content)


@pytest.mark.parametrize("name", LOADERS)
def test_the_address_of_a_schema_is_taken_and_says_nothing(name: str, site: WriteSite) -> None:
    content = contents(name)[0]
    LOADERS[name](site, {**content, "$schema": "../any/where.json"})

    if name != "pins":  # which take whatever else is in their file
        with pytest.raises(ConfigError, match=r"\$schema"):
            LOADERS[name](site, {**content, "$schema": 5})


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Each object or list in a value, with each of its keys."""
    if isinstance(value, dict | list):
        for key, held in list(value.items() if isinstance(value, dict) else enumerate(value)):
            yield value, key
            yield from _places(held)


# Not what a loader understands as well: numbers in quotes, and 0, 1 or words for true and false.
ANY_VALUE = st.recursive(
    st.none()
    | st.booleans()
    | st.sampled_from([-3, 2, 7, 4096, 2**70, 0.25, -1.5])
    | st.sampled_from(["", "x", "a100", "48G", "gpu", "/data", "{user}", "end", "nvidia"]),
    lambda held: st.lists(held, max_size=2) | st.dictionaries(st.sampled_from(["a", "mem"]), held),
    max_leaves=4,
)


@st.composite
def changed(draw: st.DrawFn, contents: list[dict[str, Any]]) -> dict[str, Any]:
    """A file's content in which a few places were changed."""
    found = copy.deepcopy(draw(st.sampled_from(contents)))
    for _ in range(draw(st.integers(1, 2))):
        places = list(_places(found)) or [(found, "x")]
        parent, key = draw(st.sampled_from(places))
        what = draw(st.sampled_from(["value", "rename", "remove", "add", "comment"]))
        if what == "value":
            parent[key] = draw(ANY_VALUE)
        elif what == "remove":
            parent.pop(key, None) if isinstance(parent, dict) else parent.pop(key)
        elif isinstance(parent, list):
            parent.append(draw(ANY_VALUE))
        elif what == "rename":
            parent[f"{key}x"] = parent.pop(key, None)
        else:
            parent["__comment__" if what == "comment" else "new"] = draw(ANY_VALUE)
    return found


@pytest.mark.parametrize("name", LOADERS)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_what_a_schema_refuses_the_loader_refuses(
    name: str, site: WriteSite, data: st.DataObject
) -> None:
    content = data.draw(changed(contents(name)))
    refused = next(Draft202012Validator(schemas_once()[name]).iter_errors(content), None)
    if refused:
        with pytest.raises(ConfigError):
            LOADERS[name](site, content)


@functools.cache
def schemas_once() -> dict[str, Any]:
    return schemas()
