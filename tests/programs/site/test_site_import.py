"""An exported site set up elsewhere: the same plans, images by digest, and what differs."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from dispatcher import __version__
from dispatcher.config.catalogue import load_catalogue
from dispatcher.config.json_edit import held
from dispatcher.config.places import shipped_folder
from dispatcher.site import rebuild
from dispatcher.site.archive import SiteArchive, pack, read

from ...corpus import CORPUS
from ...digest import sha256
from ...fixture_types import CorpusJob
from ...sif_file import write_sif
from .exported_site import Sites, row

JOBS = sorted(str(path.relative_to(CORPUS)) for path in CORPUS.glob("*/*_job*"))


def plans(corpus_job: CorpusJob, sites: Sites) -> list[str]:
    found = []
    for script in map(corpus_job, JOBS):
        for form in ("--json", "--script"):
            status, text = sites.run("plan", form, script)
            assert status == 0, text
            found.append(text)
    return found


def test_an_imported_site_plans_every_submission_alike(corpus_job: CorpusJob, sites: Sites) -> None:
    for name, content in {
        "job_template/refine.sh.j2": b'{% extends "gpu.sh.j2" %}\r\n',
        "containers/patch": bytes(range(256)),  # a definition may copy what is no text
    }.items():
        (sites.here / name).parent.mkdir()
        (sites.here / name).write_bytes(content)
    (sites.here / "containers" / "patch").chmod(0o750)
    before = plans(corpus_job, sites)
    file = sites.export()
    folder = sites.go_there()

    status, text = sites.run("site", "import", file)

    assert status == 0, text
    assert plans(corpus_job, sites) == before
    assert len(before) == 2 * len(JOBS) > 60
    assert any('"template": "refine.sh.j2"' in each for each in before)
    # Byte for byte, so that digests in records stay the same too.
    names = ("site.json", "images.json", "job_template/refine.sh.j2", "containers/patch")
    for name in names:
        assert (folder / name).read_bytes() == (sites.here / name).read_bytes()
        assert f"wrote: {folder / name}" in text.splitlines()
    modes = [(folder / name).stat().st_mode & 0o777 for name in names]
    assert modes == [0o644, 0o644, 0o644, 0o755]


def test_images_are_found_by_their_digest(sites: Sites, tmp_path: Path) -> None:
    file = sites.export()
    disk = tmp_path / "disk"
    (disk / "deeper").mkdir(parents=True)
    for number, image in enumerate(sorted(sites.store.iterdir())):
        shutil.copyfile(image, disk / "deeper" / f"{number}.img")
        os.utime(disk / "deeper" / f"{number}.img", ns=(0, number))
    shutil.rmtree(sites.store)
    folder = sites.go_there()

    status, table = sites.run("site", "import", file, "--images", disk)

    assert status == 0
    cuda = load_catalogue(folder / "images.json").images["relion"].versions["3.1.3"][0]
    assert (cuda.variant, Path(cuda.path).name) == ("cuda", "1.img")
    assert cuda.mtime == 1
    text = (folder / "images.json").read_text()
    assert "ours" in text and "for all" in text
    assert row(table, "site/images.json").startswith("equal")
    assert row(table, "image relion 3.1.3 (cuda)").endswith("1.img")


def test_images_in_the_sites_folder_keep_their_relative_path(sites: Sites) -> None:
    write_sif(sites.here / "relion.sif")
    sites.list_build(variant="cpu", path="relion.sif")
    file = sites.export()
    folder = sites.go_there()
    shutil.copyfile(sites.here / "relion.sif", folder / "relion.sif")

    assert sites.run("site", "import", file)[0] == 0

    assert (folder / "images.json").read_bytes() == (sites.here / "images.json").read_bytes()


@pytest.mark.parametrize("build", [(), ("--build",)])
def test_no_program_that_the_site_names_is_run(
    build: tuple[str, ...], sites: Sites, tmp_path: Path
) -> None:
    program = tmp_path / "apptainer"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/canary\n")
    own = {"apptainer": {"program": str(program)}, "scheduler": "odd"}
    commands = ("submit_command", "queue_command", "cancel_command", "end_command")
    odd = {"inherits": "slurm", **{key: [str(program), "x"] for key in commands}}
    (sites.here / "site.json").write_text(json.dumps({**own, "schedulers": {"odd": odd}}))
    file = sites.export()
    program.chmod(0o755)
    shutil.rmtree(sites.store)
    folder = sites.go_there()

    status, text = sites.run("site", "import", file, *build)

    assert status == 3
    assert (folder / "site.json").exists()
    assert not (tmp_path / "canary").exists()
    assert f"names these programs: {program}, " in text
    assert ("images build relion 5.1.0 --variant cpu" in text) == bool(build)


def test_what_an_import_writes_is_read_by_all(sites: Sites) -> None:
    file = sites.export()
    folder = sites.go_there()
    before = os.umask(0o077)
    try:
        assert sites.run("site", "import", file)[0] == 0
        assert os.umask(0o077) == 0o077
    finally:
        os.umask(before)

    assert (folder / "site.json").stat().st_mode & 0o777 == 0o644


def test_images_that_are_other_or_missing_are_told(sites: Sites) -> None:
    file = sites.export()
    swapped = sites.store / "relion-5.1.0-cuda.sif"
    before = sha256(swapped)
    write_sif(swapped, content=b"another")
    after = sha256(swapped)
    (sites.store / "relion-5.1.0-cpu.sif").unlink()
    folder = sites.go_there()

    status, table = sites.run("site", "import", file, "--build")

    assert status == 3
    assert "relion 5.1.0 (cpu) was not built: " in table  # there is no Apptainer
    assert row(table, "image relion 5.1.0 (cuda)").startswith("differs")
    assert row(table, "image relion 5.1.0 (cuda)").endswith(f"{after} here, {before} there")
    assert row(table, "image relion 5.1.0 (cpu)").startswith("missing")
    assert row(table, "image relion 3.1.3 (cpu)").startswith("equal")
    assert (folder / "images.json").exists()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("site.json", '{"mps": false}'),
        ("site.json", "[" * 200_000),
        ("job_template/refine.sh.j2", '{"mps": false}'),
        ("job_template", "text"),
        ("link", ""),
    ],
    ids=lambda word: word[:30],
)
def test_a_site_that_says_something_else_is_not_overwritten(
    name: str, text: str, sites: Sites
) -> None:
    (sites.here / "job_template").mkdir()
    (sites.here / "job_template" / "refine.sh.j2").write_text("")
    file = sites.export()
    folder = sites.go_there()
    present = folder / ("images.json" if name == "link" else name)
    present.parent.mkdir(exist_ok=True)
    if name == "link":
        present.symlink_to("gone")
    else:
        present.write_text(text)

    status, said = sites.run("site", "import", file)

    assert (status, f"{present} already exists" in said) == (1, True), said
    found = {path for path in folder.rglob("*") if path.is_symlink() or path.is_file()}
    assert found - {folder / "images.json.lock"} == {present}


def test_a_catalogue_that_another_admin_writes_is_waited_for(sites: Sites) -> None:
    file = sites.export()
    folder = sites.go_there()
    sites.monkeypatch.setattr(rebuild, "held", lambda path, what: held(path, what, seconds=0.1))

    with held(folder / "images.json", "catalogue"):
        status, text = sites.run("site", "import", file)

    assert (status, "images.json is locked, because " in text) == (1, True)
    assert [path.name for path in folder.iterdir()] == ["images.json.lock"]


def test_a_catalogue_with_several_mistakes_is_one_row(sites: Sites) -> None:
    file = sites.export()
    (sites.here / "images.json").write_text('{"relion": {"default": 1, "version": {}}}')

    status, table = sites.run("site", "compare", file)

    assert status == 3
    assert "; " in row(table, "images")
    assert row(table, "image relion 5.1.0 (cpu)").startswith("missing")
    assert all(line.startswith(("equal", "differs", "missing")) for line in table.splitlines()[:-1])


def test_importing_again_follows_the_images(sites: Sites, tmp_path: Path) -> None:
    file = sites.export()
    kept = sites.store.rename(tmp_path / "kept")
    folder = sites.go_there()
    assert sites.run("site", "import", file)[0] == 3

    assert sites.run("site", "import", file, "--images", kept)[0] == 0
    moved = kept.rename(tmp_path / "moved")
    assert sites.run("site", "import", file, "--images", moved)[0] == 0

    (cuda, _) = load_catalogue(folder / "images.json").images["relion"].versions["5.1.0"]
    assert Path(cuda.path).parent == moved


def test_a_new_installations_examples_give_way(sites: Sites) -> None:
    file = sites.export()
    folder = sites.go_there()
    (folder / "site.json").write_text('{"__comment__": ["This site\'s settings"]}')

    assert sites.run("site", "import", file)[0] == 0

    assert (folder / "site.json").read_bytes() == (sites.here / "site.json").read_bytes()


def test_what_is_not_equal_is_told(sites: Sites) -> None:
    file = sites.export()
    values, files = read(file)
    values = {**values, "relion-dispatch": "0.0.9", "Apptainer": "1.0.0"}
    files = {name: files[name] for name in files if name != "shipped/job_template/gpu.sh.j2"}
    file.write_bytes(pack(SiteArchive(values, files)))
    folder = sites.go_there()
    assert sites.run("site", "import", file)[0] == 3
    no_apptainer = {"scheduler": "local", "apptainer": {"program": "/nowhere/apptainer"}}
    (folder / "site.json").write_text(json.dumps(no_apptainer))
    (folder / "job_template").mkdir()
    (folder / "job_template" / "gpu.sh.j2").write_text("")

    status, table = sites.run("site", "compare", file)

    assert status == 3
    for what, state, note in (
        ("relion-dispatch", "differs", f"{__version__} here, 0.0.9 there"),
        ("relion-dispatch's code", "equal", ""),
        ("Apptainer", "missing", "none here, 1.0.0 there"),
        ("site/site.json", "differs", " there"),
        ("site/job_template/gpu.sh.j2", "differs", "not in the export"),
        ("shipped/job_template/gpu.sh.j2", "differs", "not in the export"),
        ("site/images.json", "equal", ""),
    ):
        assert row(table, what).startswith(state), what
        assert row(table, what).endswith(note), what


def test_weights_beside_an_image_are_compared(sites: Sites, tmp_path: Path) -> None:
    weights = sites.store / "weights"
    (weights / "hub").mkdir(parents=True)
    (weights / "hub" / "blush.ckpt").write_bytes(b"w")
    image = sites.store / "relion-5.1.0-cpu.sif"
    sites.list_build(variant="cpu", path=str(image), weights=str(weights))
    file = sites.export()
    moved = sites.store.rename(tmp_path / "moved")
    sites.go_there()

    status, table = sites.run("site", "import", file, "--images", moved)

    assert status == 0
    assert row(table, "weights of relion 5.1.0 (cpu)").endswith(str(moved / "weights"))
    (moved / "weights" / "hub" / "blush.ckpt").write_bytes(b"other")
    status, table = sites.run("site", "compare", file)
    assert status == 3
    assert row(table, "weights of relion 5.1.0 (cpu)").startswith("differs")


@pytest.mark.parametrize("definition", ["evil.def", "SHIPPED"])
def test_an_import_builds_by_no_recipe_of_the_site(
    definition: str, sites: Sites, tmp_path: Path
) -> None:
    """%pre and %setup of a definition run on the machine, and its arguments stand in them."""
    canary = tmp_path / "canary"
    folder = sites.here / "containers"
    folder.mkdir()
    shipped = shipped_folder() / "containers" / "relion-debian.def"
    named = str(shipped) if definition == "SHIPPED" else definition
    (folder / "evil.def").write_text(
        f"Bootstrap: docker\nFrom: debian\n%setup\n touch {canary}\n%test\n true\n"
        "%labels\n relion.version 5.1.0\n"
    )
    content = json.loads((sites.here / "site.json").read_text())
    (sites.here / "site.json").write_text(json.dumps(content | {"apptainer": {}}))
    recipe = {"versions": "*", "definition": named, "arguments": {"suite": f"$(touch {canary})"}}
    recipes = [{**recipe, "variant": variant} for variant in ("cuda", "cpu")]
    (folder / "recipes.json").write_text(json.dumps({"relion": recipes}))
    file = sites.export()
    shutil.rmtree(sites.store)
    sites.go_there()
    programs = tmp_path / "programs"
    programs.mkdir()
    apptainer = programs / "apptainer"
    apptainer.write_text(
        f'#!/bin/bash\n[ "$1" != build ] || touch {canary}\necho apptainer version 1.4.5\n'
    )
    apptainer.chmod(0o755)
    sites.monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    sites.monkeypatch.setattr(os, "geteuid", lambda: 1000)

    status, text = sites.run("site", "import", file, "--build")

    assert status == 3
    assert not canary.exists()
    for variant in ("cuda", "cpu"):
        assert f"images build relion 5.1.0 --variant {variant}" in text
    assert "the site has its own recipe" in text
