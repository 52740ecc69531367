"""Whatever stands in a site's files: a sentence that names the file, and never a traceback."""

from __future__ import annotations

import copy
import dataclasses
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dispatcher.config.catalogue import Image, ImageFile
from dispatcher.config.configuration import load_configuration
from dispatcher.config.endings import Ending, load_endings
from dispatcher.config.job_types import DECIDING_PARAMETERS, JobType
from dispatcher.config.jobs_behind import Watcher
from dispatcher.config.scheduler import Scheduler
from dispatcher.config.site import Apptainer, Partition, Site
from dispatcher.errors import ConfigError
from dispatcher.site.check import problems

WriteSite = Callable[..., Path]

# A small site that says something in each file.
FILES: dict[str, Any] = {
    "site.json": {
        "apptainer": {
            "program": "/nowhere/apptainer",
            "environment": ["A"],
            "signed_by": ["AB12" * 10],
        },
        "mpi": {"mpirun": ["mpirun"]},
        "scheduler": "far",
        "schedulers": {"slurm": {"watcher": {"partition": "tiny"}}, "local": {"timeout": 5}},
        "partitions": {"long": {"cores": 4, "memory": "40G"}},
        "job_parameters": {"refine": {"partitions": ["long"], "scheduler_options": ["-x"]}},
        "gpu_constants": {"context": 5},
    },
    "dispatch_config.json": {
        "submit": {"match_command": "None", "job_parameters": {"nproc": 1, "partition": "long"}},
        "refine": {"inherits": "submit", "match_command": "relion_refine", "image": "relion"},
    },
    "images.json": {
        "relion": {
            "default": "5.1.0",
            "versions": {"5.1.0": [{"variant": "cpu", "path": "a.sif", "partitions": ["long"]}]},
        }
    },
    "endings.json": {"own": {"pattern": "lost", "cause": "it was lost", "advice": "find it"}},
    "schedulers/slurm.json": {"timeout": 5, "ends": {"A": "it ended"}},
    "schedulers/far.json": {"inherits": "slurm", "submit_command": ["true"]},
}
KINDS: dict[str, tuple[type[Any], ...]] = {
    "site.json": (Site, Apptainer, Partition, Scheduler),
    "dispatch_config.json": (JobType,),
    "images.json": (Image, ImageFile),
    "endings.json": (Ending,),
    "schedulers/slurm.json": (Scheduler, Watcher),
    "schedulers/far.json": (Scheduler, Watcher),
}
KEYS = {
    file: sorted(
        {field.name for kind in kinds for field in dataclasses.fields(kind)}
        | DECIDING_PARAMETERS
        | {"local", "relion", "new", "", "__comment__", "\0", "\ud800", "../x", "x" * 300}
    )
    for file, kinds in KINDS.items()
}
TEXTS = ["", "(", "'", "relion", "slurm", "far", "5 G", "{ranks}", "a b", "a\n", "\0", "\ud800",
         "\udce9", "../x", "x" * 300]  # fmt: skip


def values(names: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    """Small values of JSON, whose objects have these names."""
    numbers = st.integers(-2, 9) | st.sampled_from([10**40, -0.5, 1e308, math.inf, math.nan])
    single = st.none() | st.booleans() | numbers | st.sampled_from(TEXTS)
    return st.recursive(
        single,
        lambda each: st.lists(each, max_size=3) | st.dictionaries(names, each, max_size=3),
        max_leaves=5,
    )


def places(content: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The steps to each value."""
    yield above
    if isinstance(content, dict | list):
        inside = content.items() if isinstance(content, dict) else enumerate(content)
        for step, value in inside:
            yield from places(value, (*above, step))


@st.composite
def odd_files(draw: st.DrawFn) -> tuple[str, Any]:
    """A file's name, and its content with something else somewhere."""
    file = draw(st.sampled_from(sorted(FILES)))
    content = [copy.deepcopy(FILES[file])]
    *above, last = (0, *draw(st.sampled_from(list(places(FILES[file])))))
    parent: Any = content
    names = st.sampled_from(KEYS[file])
    for step in above:
        parent = parent[step]
    if isinstance(parent[last], dict) and draw(st.booleans()):
        parent, last = parent[last], draw(names)
    parent[last] = draw(values(names))
    return file, content[0]


@given(odd_files())
@example(("site.json", {"schedulers": {"local": None}}))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_stands_somewhere_the_file_is_named(site: WriteSite, odd: tuple[str, Any]) -> None:
    for name, content in {**FILES, odd[0]: odd[1]}.items():
        site(name, json.dumps(content))

    found = problems()

    for load in (load_configuration, load_endings):
        try:
            load()
        except ConfigError as error:
            # What site.json says of a job type may be wrong because the type is no longer there.
            assert odd[0] in str(error) or "/site.json: key" in str(error)
            assert set(str(error).splitlines()) <= set(found)
