"""An exported site set up elsewhere: the same plans, images by digest, and what differs."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from dispatcher import __version__
from dispatcher.cli import main
from dispatcher.config.catalogue import load_catalogue
from dispatcher.config.json_edit import held
from dispatcher.site import rebuild as site_rebuild
from dispatcher.site.archive import SiteArchive, pack, read

from ..sif_file import write_sif
from ..unit.conftest import CORPUS
from .exported_site import Text, a_store, exporting, going_elsewhere, row, what_is_printed  # noqa: F401  (fixtures)

JOBS = sorted(str(path.relative_to(CORPUS)) for path in CORPUS.glob("*/*_job*"))


def plans(corpus_job: Callable[[str], Path], printed: Text) -> list[str]:
    found = []
    for name in JOBS:
        script = corpus_job(name)
        printed()
        for form in ("--json", "--script"):
            assert main(["plan", form, str(script)]) == 0
            found.append(printed())
    return found


@pytest.mark.usefixtures("store")
def test_an_imported_site_plans_every_submission_alike(
    corpus_job: Callable[[str], Path],
    site: Callable[..., Path],
    export: Callable[[], Path],
    elsewhere: Callable[[], Path],
    printed: Text,
) -> None:
    site("job_template/refine.sh.j2", '{% extends "gpu.sh.j2" %}\n')
    before = plans(corpus_job, printed)
    file = export()
    folder = elsewhere()

    assert main(["site", "import", str(file)]) == 0

    assert plans(corpus_job, printed) == before
    assert len(before) == 2 * len(JOBS) > 60
    assert any('"template": "refine.sh.j2"' in each for each in before)
    # Byte for byte, so that digests in records stay the same too.
    original = folder.parent / "site"
    for name in ("site.json", "images.json", "job_template/refine.sh.j2"):
        assert (folder / name).read_bytes() == (original / name).read_bytes()


def test_images_are_found_by_their_digest(
    store: Path,
    export: Callable[[], Path],
    elsewhere: Callable[[], Path],
    printed: Text,
    tmp_path: Path,
) -> None:
    file = export()
    disk = tmp_path / "disk"
    (disk / "deeper").mkdir(parents=True)
    for number, image in enumerate(sorted(store.iterdir())):
        shutil.copyfile(image, disk / "deeper" / f"{number}.img")
        os.utime(disk / "deeper" / f"{number}.img", ns=(0, number))
    shutil.rmtree(store)
    folder = elsewhere()

    assert main(["site", "import", str(file), "--images", str(disk)]) == 0

    catalogue = load_catalogue(folder / "images.json")
    cuda = catalogue.images["relion"].versions["3.1.3"][0]
    assert (cuda.variant, Path(cuda.path).name) == ("cuda", "1.img")
    assert cuda.mtime == 1
    text = (folder / "images.json").read_text()
    assert "ours" in text and "for all" in text
    table = printed()
    assert row(table, "site/images.json").startswith("equal")
    assert row(table, "image relion 3.1.3 (cuda)").endswith("1.img")


def test_images_in_the_sites_folder_keep_their_relative_path(
    store: Path,
    site: Callable[..., Path],
    export: Callable[[], Path],
    elsewhere: Callable[[], Path],
) -> None:
    write_sif(store.parent / "site" / "relion.sif")
    builds = [{"variant": "cpu", "path": "relion.sif"}]
    site("images.json", {"relion": {"default": "5.1.0", "versions": {"5.1.0": builds}}})
    file = export()
    original = store.parent / "site" / "images.json"
    folder = elsewhere()
    shutil.copyfile(original.with_name("relion.sif"), folder / "relion.sif")

    assert main(["site", "import", str(file)]) == 0

    assert (folder / "images.json").read_bytes() == original.read_bytes()


def test_images_that_are_other_or_missing_are_told(
    store: Path, export: Callable[[], Path], elsewhere: Callable[[], Path], printed: Text
) -> None:
    file = export()
    swapped = store / "relion-5.1.0-cuda.sif"
    before = hashlib.sha256(swapped.read_bytes()).hexdigest()
    write_sif(swapped, content=b"another")
    (store / "relion-5.1.0-cpu.sif").unlink()
    folder = elsewhere()

    assert main(["site", "import", str(file)]) == 3

    table = printed()
    after = hashlib.sha256(swapped.read_bytes()).hexdigest()
    assert row(table, "image relion 5.1.0 (cuda)").startswith("differs")
    assert f"{after} here, {before} there" in table
    assert row(table, "image relion 5.1.0 (cpu)").startswith("missing")
    assert row(table, "image relion 3.1.3 (cpu)").startswith("equal")
    assert (folder / "images.json").exists()


@pytest.mark.usefixtures("store")
def test_a_site_that_says_something_else_is_not_overwritten(
    export: Callable[[], Path], elsewhere: Callable[[], Path], printed: Text
) -> None:
    file = export()
    folder = elsewhere()
    (folder / "site.json").write_text('{"mps": false}')

    assert main(["site", "import", str(file)]) == 1

    assert f"{folder}/site.json is there already" in printed()
    assert {path.name for path in folder.iterdir()} == {"site.json", "images.json.lock"}


@pytest.mark.usefixtures("store")
def test_a_catalogue_that_another_admin_writes_is_waited_for(
    export: Callable[[], Path],
    elsewhere: Callable[[], Path],
    printed: Text,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = export()
    folder = elsewhere()
    monkeypatch.setattr(site_rebuild, "held", lambda path, what: held(path, what, seconds=0.1))

    with held(folder / "images.json", "catalogue"):
        assert main(["site", "import", str(file)]) == 1

    assert "images.json is being changed by" in printed()
    assert [path.name for path in folder.iterdir()] == ["images.json.lock"]


@pytest.mark.usefixtures("store")
def test_a_catalogue_with_several_mistakes_is_one_row(
    export: Callable[[], Path], site: Callable[..., Path], printed: Text
) -> None:
    file = export()
    site("images.json", '{"relion": {"default": 1, "version": {}}}')
    printed()

    assert main(["site", "compare", str(file)]) == 3

    table = printed()
    assert "; " in row(table, "images")
    assert row(table, "image relion 5.1.0 (cpu)").startswith("missing")
    assert all(line.startswith(("equal", "differs", "missing")) for line in table.splitlines()[:-1])


def test_importing_again_follows_the_images(
    store: Path, export: Callable[[], Path], elsewhere: Callable[[], Path], tmp_path: Path
) -> None:
    file = export()
    kept = store.rename(tmp_path / "kept")
    folder = elsewhere()
    assert main(["site", "import", str(file)]) == 3

    assert main(["site", "import", str(file), "--images", str(kept)]) == 0
    moved = kept.rename(tmp_path / "moved")
    assert main(["site", "import", str(file), "--images", str(moved)]) == 0

    (cuda, _) = load_catalogue(folder / "images.json").images["relion"].versions["5.1.0"]
    assert Path(cuda.path).parent == moved


@pytest.mark.usefixtures("store")
def test_a_new_installations_examples_give_way(
    export: Callable[[], Path], elsewhere: Callable[[], Path]
) -> None:
    file = export()
    folder = elsewhere()
    (folder / "site.json").write_text('{"__comment__": ["This site\'s settings"]}')

    assert main(["site", "import", str(file)]) == 0


@pytest.mark.usefixtures("store")
def test_what_is_not_equal_is_told(
    export: Callable[[], Path], elsewhere: Callable[[], Path], printed: Text
) -> None:
    file = export()
    exported = read(file)
    values = {**exported.values, "relion-dispatch": "0.0.9", "Apptainer": "1.0.0"}
    files = dict(exported.files)
    del files["shipped/job_template/gpu.sh.j2"]
    file.write_bytes(pack(SiteArchive(values, files)))
    folder = elsewhere()
    assert main(["site", "import", str(file)]) == 3
    no_apptainer = {"scheduler": "local", "apptainer": {"program": "/nowhere/apptainer"}}
    (folder / "site.json").write_text(json.dumps(no_apptainer))
    (folder / "job_template").mkdir()
    (folder / "job_template" / "gpu.sh.j2").write_text("")
    printed()

    assert main(["site", "compare", str(file)]) == 3

    table = printed()
    assert row(table, "relion-dispatch").startswith("differs")
    assert row(table, "relion-dispatch").endswith(f"{__version__} here, 0.0.9 there")
    assert row(table, "relion-dispatch's code").startswith("equal")
    assert row(table, "Apptainer").startswith("missing")
    assert row(table, "Apptainer").endswith("none here, 1.0.0 there")
    assert row(table, "site/site.json").startswith("differs")
    for name in ("site/job_template/gpu.sh.j2", "shipped/job_template/gpu.sh.j2"):
        assert row(table, name).startswith("differs")
        assert row(table, name).endswith("not in the export")
    assert row(table, "site/images.json").startswith("equal")


def test_weights_beside_an_image_are_compared(
    store: Path,
    site: Callable[..., Path],
    export: Callable[[], Path],
    elsewhere: Callable[[], Path],
    printed: Text,
    tmp_path: Path,
) -> None:
    weights = store / "weights"
    (weights / "hub").mkdir(parents=True)
    (weights / "hub" / "blush.ckpt").write_bytes(b"w")
    builds = [
        {
            "variant": "cpu",
            "path": str(store / "relion-5.1.0-cpu.sif"),
            "weights": str(weights),
        }
    ]
    site("images.json", {"relion": {"default": "5.1.0", "versions": {"5.1.0": builds}}})
    file = export()
    moved = store.rename(tmp_path / "moved")
    elsewhere()

    assert main(["site", "import", str(file), "--images", str(moved)]) == 0

    assert row(printed(), "weights of relion 5.1.0 (cpu)").endswith(str(moved / "weights"))
    (moved / "weights" / "hub" / "blush.ckpt").write_bytes(b"other")
    assert main(["site", "compare", str(file)]) == 3
    assert row(printed(), "weights of relion 5.1.0 (cpu)").startswith("differs")
