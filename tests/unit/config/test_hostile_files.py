"""Site files that are no files, have no end, or hold what no script can have: one sentence each."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pydantic  # noqa: F401 - what it costs to load is not the files' fault
import pytest

from dispatcher.config.configuration import load_configuration
from dispatcher.config.endings import load_endings
from dispatcher.config.json_files import read_json

from ...fixture_types import WriteSite
from ...limits import sentence_within_limits

FILES = (
    "site.json",
    "dispatch_config.json",
    "images.json",
    "endings.json",
    "schedulers/slurm.json",
)


def load() -> None:
    load_configuration()
    load_endings()


def sparse(path: Path, beginning: bytes = b"") -> None:
    path.write_bytes(beginning)
    os.truncate(path, 3_000_000_000)


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "zeros", "zeros behind {"])
def test_what_is_no_file_or_has_no_end_is_refused_at_once(
    site: WriteSite, file: str, kind: str
) -> None:
    path = site(file, {})
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "folder":
        path.mkdir()
    else:
        sparse(path, b"{" if "{" in kind else b"")

    said = sentence_within_limits(load)

    if kind in ("pipe", "folder") and file.startswith("schedulers/"):
        assert not said  # such a name is passed over in a folder
    elif kind != "device" or not file.startswith("schedulers/"):
        assert str(path) in said


@pytest.mark.parametrize(
    "path", ["/dev/zero", "/proc/self/fd", "a\0b", "x" * 5000, "/proc/self/mem"]
)
def test_a_path_that_names_no_file_is_refused_in_a_sentence(path: str) -> None:
    assert sentence_within_limits(lambda: read_json(Path(path)))


KEYS = [
    *("[x]", "str", "int", "list[union[bool,int,float,str]]", "list[str]", "", "function-after[]"),
    *("a\nb", "\x1b[2J", "\x9b", "\x7f", "\0", "half \ud800", "byte \udcff", "\u202egpj.exe"),
    *("k" * 999, "k" * 1001, "k" * 100_000),
]
VALUES: list[Any] = [
    *("[x]", "", "a\0b", "\ud800", "\udcff", "\x1b]0;x\x07", "9" * 5000, "1_000", "²", "inf"),
    *(True, 10**30, -(10**30), 0.5, -1, {}, [], {"int": 5}, [[[]]], {"[x]": {"str": []}}, None),
]
PLACES: list[tuple[str, tuple[str, ...]]] = [
    ("site.json", ()),
    ("site.json", ("apptainer",)),
    ("site.json", ("mpi",)),
    ("site.json", ("schedulers",)),
    ("site.json", ("schedulers", "slurm")),
    ("site.json", ("schedulers", "slurm", "ends")),
    ("site.json", ("partitions",)),
    ("site.json", ("partitions", "gpu")),
    ("site.json", ("job_parameters", "refine")),
    ("site.json", ("gpu_constants",)),
    ("dispatch_config.json", ()),
    ("dispatch_config.json", ("refine",)),
    ("dispatch_config.json", ("refine", "job_parameters")),
    ("dispatch_config.json", ("refine", "relion_add_parameter")),
    ("images.json", ()),
    ("images.json", ("relion",)),
    ("images.json", ("relion", "versions")),
    ("endings.json", ()),
    ("endings.json", ("own",)),
    ("schedulers/slurm.json", ()),
]


def within(steps: tuple[str, ...], content: dict[str, Any]) -> dict[str, Any]:
    for step in reversed(steps):
        content = {step: content}
    return content


@pytest.mark.parametrize(("file", "steps"), PLACES)
def test_odd_keys_and_values_get_a_sentence_with_the_file_that_no_terminal_acts_on(
    site: WriteSite, file: str, steps: tuple[str, ...]
) -> None:
    def load_each() -> None:
        for key in KEYS:
            for value in VALUES[:: 2 if len(key) < 5 else 7]:
                path = site(file, json.dumps(within(steps, {key: value})))
                try:
                    load()
                except Exception as error:
                    said = str(error)
                    assert type(error).__name__ == "ConfigError", (key, value, said)
                    assert str(path) in said, (key, value)
                    assert all(line.isprintable() for line in said.splitlines()), (key, value)
                    assert len(said) < 5000

    load_each()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"partitions": {"[x]": {"memory": []}}}, 'key "partitions.[x].memory": expected a valid'),
        ({"partitions": {"int": {"cores": "x"}}}, 'key "partitions.int.cores": expected a valid'),
        ({"partitions": {"str": 5}}, 'key "partitions.str": expected a JSON object {…}, found 5'),
        ({"mpi": {"[x]": 5}}, 'key "mpi.[x]": expected a valid list, found 5'),
        ({"schedulers": {"[x]": {"y": 1}}}, 'key "schedulers.[x].y": unknown key'),
        (
            {"job_parameters": {"int": {"str": {"bool": 1}}}},
            'key "job_parameters.int.str": expected a valid boolean or integer or number or string '
            'or list, found {"bool": 1}',
        ),
        ({"job_parameters": {"a": {"b": [5, [6]]}}}, 'key "job_parameters.a.b.1": expected a vali'),
    ],
)
def test_a_key_that_looks_like_a_type_is_named_as_it_is(
    content: dict[str, Any], says: str, site: WriteSite
) -> None:
    path = site("site.json", content)

    assert f"{path}: {says}" in sentence_within_limits(load)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('{"schedulers": {"slurm": {"timeout": 1e400}}}', 'key "schedulers.slurm.timeout": expect'),
        ('{"schedulers": {"slurm": {"timeout": NaN}}}', 'key "schedulers.slurm.timeout": expected'),
        ('{"schedulers": {"slurm": {"timeout": 1e300}}}', "slurm.timeout: expected seconds, at mo"),
        ('{"schedulers": {"slurm": {"retry": "inf"}}}', "slurm.retry: expected seconds, at most"),
        ('{"schedulers": {"slurm": {"retry": -5}}}', "slurm.retry: expected seconds, at most"),
        ('{"partitions": {"p": {"cores": true}}}', '"partitions.p.cores": expected a number, foun'),
        ('{"partitions": {"p": {"memory": true}}}', '"partitions.p.memory": expected a number, fo'),
        ('{"partitions": {"p": {"cores": 1000000000}}}', "a whole number from 1 to 1000000, found"),
        ('{"partitions": {"p": {"gpus": 100000000000000000000}}}', "is 2^63 (9.2e18) or more"),
        ('{"partitions": {"p": {"gpus": 9223372036854775808}}}', "is 2^63 (9.2e18) or more"),
        (
            '{"partitions": {"p": {"gpus": 9223372036854775807}}}',
            "from 0 to 128, found 92233720368547",
        ),
        ('{"partitions": {"p": {"memory": "9999999999T"}}}', '"partitions.p.memory": expected byt'),
        ('{"partitions": {"p": {"memory": -5}}}', '"partitions.p.memory": expected bytes or a siz'),
        ('{"partitions": {"p": {"memory": "24\u212a"}}}', "expected bytes or a size"),
        ('{"gpu_constants": {"texture_pitch": 1000000000000000000}}', "texture_pitch must be from"),
        ('{"job_parameters": {"refine": {"nproc": 1000000000}}}', "a whole number from 1 to 4096"),
        ('{"job_parameters": {"refine": {"nthread": 1e3}}}', "a whole number from 1 to 1024, foun"),
    ],
)
def test_a_number_that_no_site_has_is_named(content: str, says: str, site: WriteSite) -> None:
    path = site("site.json", content)

    said = sentence_within_limits(load)

    assert str(path) in said
    assert says.replace(".timeout:", '.timeout":').replace(".retry:", '.retry":') in said


@pytest.mark.parametrize(
    "content",
    [
        {f"k{n}": {} for n in range(100_000)},
        {f"k{n}": 5 for n in range(60_000)},
        {"mpi": {f"m{n}": [] for n in range(50_000)}},
        {"apptainer": {"bind": [5] * 100_000}},
        {"apptainer": {"bind": [[]] * 300_000}},
        {"partitions": {f"p{n}": {"cores": 0} for n in range(50_000)}},
        {"schedulers": {"slurm": {f"s{n}": 1 for n in range(100_000)}}},
    ],
)
def test_many_mistakes_are_told_in_a_few_sentences(
    content: dict[str, Any], site: WriteSite
) -> None:
    path = site("site.json", content)

    said = sentence_within_limits(load)

    assert str(path) in said
    assert len(said.splitlines()) <= 21


def test_a_catalogue_of_a_thousand_images_is_loaded(site: WriteSite) -> None:
    programs = [f"relion_program_{n}" for n in range(100)]
    builds = [{"variant": "cpu", "path": f"{n}.sif", "programs": programs} for n in range(1000)]
    versions = {str(n): [build] for n, build in enumerate(builds)}
    path = site("images.json", {"relion": {"default": "7", "versions": versions}})

    assert path.stat().st_size > 2 << 20
    assert sentence_within_limits(load) == ""
