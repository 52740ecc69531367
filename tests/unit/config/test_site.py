"""site.json."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from dispatcher.config.configuration import load_configuration
from dispatcher.config.json_files import read_json
from dispatcher.config.places import shipped_folder, template_folders
from dispatcher.config.site import Site, load_site
from dispatcher.errors import ConfigError
from dispatcher.units import bytes_of

from ...fixture_types import WriteSite


def test_a_sites_file_is_laid_upon_the_shipped_one_key_by_key(site: WriteSite) -> None:
    site("site.json", {"apptainer": {"bind": ["/scratch"]}, "scheduler": "slurm"})

    loaded = load_site()

    assert loaded.apptainer.bind == ["/scratch"]
    assert loaded.apptainer.program == "apptainer"
    assert loaded.scheduler == "slurm"
    assert "local" in loaded.schedulers


def test_the_shipped_file_and_the_code_have_the_same_defaults() -> None:
    shipped = read_json(shipped_folder() / "config" / "site.json")
    # The shipped file alone names variables, and fields of RELION's window.
    del shipped["apptainer"]["environment"], shipped["window"]

    of_code = asdict(Site())

    of_code["apptainer"] = {key: of_code["apptainer"][key] for key in shipped["apptainer"]}
    assert {key: of_code[key] for key in shipped} == shipped


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"partition": {}}, 'key "partition": unknown key; did you mean "partitions"?'),
        ({"schedular": "slurm"}, 'key "schedular": unknown key; did you mean "scheduler"?'),
        ({"apptainer": {"binds": []}}, 'key "apptainer.binds": unknown key; did you mean "bind"?'),
        ({"partitions": {"gpu": {"gpus": "four"}}}, "partitions.gpu.gpus"),
        ({"partitions": {"gpu": {"gpu_memory": "32 potatoes"}}}, "partitions.gpu.gpu_memory"),
        ({"schedulers": {"x": {"submit_command": []}}}, "schedulers.x.submit_command"),
        ({"schedulers": {"x": {"submit_command": ["x"], "job_id": "("}}}, "schedulers.x.job_id"),
        ({"schedulers": {"x": {"submit_command": ["x"], "job_id": "a"}}}, "needs a group"),
        ({"partitions": {"gpu": {"ranks_per_gpu": 0}}}, 'gpu.ranks_per_gpu": expected a whole'),
        ({"partitions": {"gpu": {"gpus": -1}}}, "from 0 to 128, found -1"),
        ({"mps": "perhaps"}, 'key "mps"'),
        ({"apptainer": {"signed_by": ["ab12 cd34"]}}, "must have 40 or 64 digits (0-9 and A-F)"),
    ],
)
def test_mistakes_in_site_json_are_named(
    content: dict[str, Any], says: str, site: WriteSite
) -> None:
    path = site("site.json", content)

    with pytest.raises(ConfigError) as caught:
        load_site()

    assert str(path) in str(caught.value)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("size", "expected"),
    [("32G", 32 * 2**30), ("1.5 T", 3 * 2**39), ("100MiB", 100 * 2**20), ("7", 7), (5, 5)],
)
def test_sizes(size: int | str, expected: int) -> None:
    assert bytes_of(size, "here") == expected


def link_to_nothing(path: Path) -> None:
    path.symlink_to("gone")


NAMES = ["site.json", "dispatch_config.json", "images.json", "job_template"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("put_there", "says"), [(link_to_nothing, "is a link to gone"), (os.mkfifo, "is no f")]
)
def test_what_is_no_file_is_not_quietly_replaced_by_the_shipped_one(
    name: str, put_there: Callable[[Path], None], says: str, tmp_path: Path
) -> None:
    put_there(tmp_path / "site" / name)

    with pytest.raises(ConfigError, match=rf"site/{name} {says}"):
        load_configuration()
        template_folders()


def test_a_link_to_a_file_is_the_sites_own(site: WriteSite, tmp_path: Path) -> None:
    site("elsewhere.json", {"mps": False})
    (tmp_path / "site" / "site.json").symlink_to("elsewhere.json")

    assert load_site().mps is False


def test_a_relative_folder_of_the_site_gives_absolute_paths(
    site: WriteSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site("images.json", {})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RELION_DISPATCH_SITE", "site")

    assert load_configuration().catalogue.path == tmp_path / "site" / "images.json"


@pytest.mark.parametrize("own", [{"bnd": []}, {"partitions": {"gpu": {"bnd": 4}}}])
def test_a_key_of_another_place_is_no_hint(own: dict[str, Any], site: WriteSite) -> None:
    """ "bind" belongs to "apptainer"."""
    site("site.json", own)

    with pytest.raises(ConfigError) as caught:
        load_site()

    assert str(caught.value).endswith('bnd": unknown key')
