"""site.json, images.json and the pins of a project."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dispatcher.errors import ConfigError, ImageError
from dispatcher.images import Catalogue, Choice, choose, load_catalogue
from dispatcher.pins import PIN_FILE, pin, pinned_versions
from dispatcher.site import bytes_of, load_site

WriteSite = Callable[..., Path]


def test_a_sites_file_is_laid_upon_the_shipped_one_key_by_key(site: WriteSite) -> None:
    site("site.json", {"apptainer": {"bind": ["/scratch"]}, "scheduler": "slurm"})

    loaded = load_site()

    assert loaded.apptainer.bind == ["/scratch"]
    assert loaded.apptainer.program == "apptainer"
    assert loaded.scheduler == "slurm"
    assert "local" in loaded.schedulers


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"schedular": "slurm"}, 'key "schedular": unknown key; did you mean "scheduler"?'),
        ({"apptainer": {"binds": []}}, 'key "apptainer.binds": unknown key; did you mean "bind"?'),
        ({"partitions": {"gpu": {"gpus": "four"}}}, "partitions.gpu.gpus"),
        ({"partitions": {"gpu": {"gpu_memory": "32 potatoes"}}}, "partitions.gpu.gpu_memory"),
        ({"schedulers": {"x": {"submit_command": []}}}, "schedulers.x.submit_command"),
        ({"schedulers": {"x": {"submit_command": ["x"], "job_id": "("}}}, "schedulers.x.job_id"),
        ({"schedulers": {"x": {"submit_command": ["x"], "job_id": "a"}}}, "needs a group"),
        ({"mps": "perhaps"}, 'key "mps"'),
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


def test_a_remembered_config_is_checked_again_when_it_changes(site: WriteSite) -> None:
    site("site.json", {"mps": False})
    assert load_site().mps is False
    assert load_site().mps is False
    site("site.json", {"mps": "perhaps"})

    with pytest.raises(ConfigError):
        load_site()


def test_a_damaged_memory_of_a_config_is_made_again(
    site: WriteSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    site("site.json", {"mps": False})
    load_site()
    for path in (tmp_path / "cache" / "relion-dispatch" / "configs").iterdir():
        path.write_bytes(b"damaged")

    assert load_site().mps is False


def test_a_cache_that_others_could_write_is_not_read(
    tmp_path: Path, site: WriteSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "cache" / "relion-dispatch" / "configs"
    folder.mkdir(parents=True)
    folder.chmod(0o777)

    load_site()

    assert list(folder.iterdir()) == []


def catalogue_of(site: WriteSite, builds: list[dict[str, Any]]) -> Catalogue:
    versions = {"5.1.0": builds}
    return load_catalogue(
        site("images.json", {"relion": {"default": "5.1.0", "versions": versions}})
    )


def chosen(catalogue: Catalogue, gpu: bool, partition: str | None = None) -> Choice:
    return choose(catalogue, "relion", {}, gpu, partition, Path(PIN_FILE))


CPU = {"variant": "cpu", "path": "cpu.sif"}
CUDA = {"variant": "cuda", "path": "cuda.sif", "gpu": "nvidia"}


def test_the_variant_follows_the_jobs_need_for_gpus(site: WriteSite) -> None:
    catalogue = catalogue_of(site, [CUDA, CPU])

    assert chosen(catalogue, gpu=True).variant == "cuda"
    assert chosen(catalogue, gpu=False).variant == "cpu"


def test_a_build_for_gpus_serves_other_jobs_where_there_is_no_other(site: WriteSite) -> None:
    assert chosen(catalogue_of(site, [CUDA]), gpu=False).variant == "cuda"


def test_a_gpu_job_gets_no_build_without_gpu(site: WriteSite) -> None:
    with pytest.raises(ImageError, match=r"relion 5\.1\.0 has no variant for GPUs.*cpu"):
        chosen(catalogue_of(site, [CPU]), gpu=True)


def test_the_variant_follows_the_partition(site: WriteSite) -> None:
    new = {**CUDA, "variant": "cuda12", "partitions": ["h100"]}
    catalogue = catalogue_of(site, [new, CUDA])

    assert chosen(catalogue, gpu=True, partition="h100").variant == "cuda12"
    assert chosen(catalogue, gpu=True, partition="v100").variant == "cuda"


def test_relative_paths_start_at_the_catalogue(site: WriteSite, tmp_path: Path) -> None:
    assert chosen(catalogue_of(site, [CPU]), gpu=False).path == tmp_path / "site" / "cpu.sif"


def test_an_unknown_default_is_an_error(site: WriteSite) -> None:
    path = site("images.json", {"relion": {"default": "5.2", "versions": {"5.1.0": [CPU]}}})

    with pytest.raises(ConfigError, match=r'default version "5\.2"'):
        load_catalogue(path)


def test_the_first_use_pins_and_a_later_default_changes_nothing(
    site: WriteSite, tmp_path: Path
) -> None:
    first = chosen(catalogue_of(site, [CPU]), gpu=False)
    pin(tmp_path, first)
    later = Choice("relion", "6.0", "cpu", Path("x"), None, "")
    pin(tmp_path, later)

    assert pinned_versions(tmp_path) == {"relion": "5.1.0"}
    assert json.loads((tmp_path / PIN_FILE).read_text())["images"]["relion"]["sha256"] is None
    assert not list(tmp_path.glob(f"{PIN_FILE}.*"))


def test_pins_of_other_images_stay(tmp_path: Path) -> None:
    pin(tmp_path, Choice("relion", "5.1.0", "cpu", Path("x"), None, ""))
    pin(tmp_path, Choice("topaz", "0.3", "cpu", Path("x"), None, ""))

    assert pinned_versions(tmp_path) == {"relion": "5.1.0", "topaz": "0.3"}
