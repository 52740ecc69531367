"""A site as one file, and the same site from it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dispatcher.catalogue.catalogue_file import held
from dispatcher.cli import main
from dispatcher.errors import ConfigError, InputError
from dispatcher.images import load_catalogue
from dispatcher.site_copy import site_rebuild
from dispatcher.site_copy.site_export import export_site
from dispatcher.site_copy.site_file import ExportedText, SiteFile, as_text, read

from ..sif_file import write_sif
from .conftest import CORPUS

JOBS = sorted(str(path.relative_to(CORPUS)) for path in CORPUS.glob("*/*_job*"))
SITE = {
    "scheduler": "slurm",
    "apptainer": {"program": "/nowhere/apptainer"},
    "partitions": {"gpu": {"cores": 64, "gpus": 4, "gpu_memory": "32G"}},
    "job_parameters": {"gpu": {"partition": "gpu"}, "submit": {"time": "12:00:00"}},
}


@pytest.fixture
def store(tmp_path: Path, site: Callable[..., Path]) -> Path:
    """A site with four images in a folder of their own; returns that folder."""
    folder = tmp_path / "store"
    folder.mkdir()
    versions: dict[str, list[dict[str, Any]]] = {}
    for version in ("5.1.0", "3.1.3"):
        for variant, gpu in (("cuda", "nvidia"), ("cpu", None)):
            path = folder / f"relion-{version}-{variant}.sif"
            write_sif(path, content=path.name.encode())
            raw, mtime = path.read_bytes(), path.stat().st_mtime_ns
            entry = {"variant": variant, "path": str(path), "gpu": gpu, "mtime": mtime}
            entry |= {"sha256": hashlib.sha256(raw).hexdigest(), "size": len(raw)}
            versions.setdefault(version, []).append(entry)
    text = json.dumps({"relion": {"default": "5.1.0", "versions": versions}}, indent=1)
    site("images.json", '{"__comment__": "ours", "__comment__": "for all",' + text[1:])
    site("site.json", SITE)
    return folder


@pytest.fixture
def export(tmp_path: Path) -> Callable[[], Path]:
    """Export the site: ``export()`` returns the file."""

    def write() -> Path:
        file = tmp_path / "site.export"
        assert main(["site", "export", str(file)]) == 0
        return file

    return write


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Path]:
    """Go to another, empty site: ``elsewhere()`` returns its folder."""

    def go() -> Path:
        folder = tmp_path / "elsewhere"
        folder.mkdir()
        monkeypatch.setenv("RELION_DISPATCH_SITE", str(folder))
        return folder

    return go


Text = Callable[[], str]


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Text:
    """What was printed since the last call, on both streams."""

    def read() -> str:
        captured = capsys.readouterr()
        return captured.out + captured.err

    return read


def row(text: str, what: str) -> str:
    """The row of the table that is about `what`."""
    (found,) = [line for line in text.splitlines() if f"  {what}  " in f"{line}  "]
    return found


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


@pytest.mark.usefixtures("store")
def test_what_the_file_says(export: Callable[[], Path], site: Callable[..., Path]) -> None:
    template = '{% extends "gpu.sh.j2" %}\n{# line two #}'
    site("job_template/refine.sh.j2", template)

    content = json.loads(export().read_text())

    assert content["dispatcher"] == "0.1.0"
    own = {text["path"]: text["text"] for text in content["site"]}
    assert own["job_template/refine.sh.j2"] == template.split("\n")
    assert set(own) == {"site.json", "images.json", "job_template/refine.sh.j2"}
    shipped = {text["path"] for text in content["shipped"]}
    assert {"config/dispatch_config.json", "job_template/gpu.sh.j2"} <= shipped
    (cpu,) = [
        image
        for image in content["images"]
        if (image["version"], image["variant"]) == ("3.1.3", "cpu")
    ]
    image = Path(cpu["path"])
    assert cpu["name"] == "relion"
    assert cpu["sha256"] == hashlib.sha256(image.read_bytes()).hexdigest()
    assert cpu["size"] == image.stat().st_size


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text())
def test_every_text_survives(text: str, tmp_path: Path) -> None:
    original = tmp_path / "original"
    original.write_bytes(text.encode())
    file = tmp_path / "site.export"
    exported = ExportedText.of("job_template/original", original)
    file.write_text(as_text(empty_site(exported)))

    (found,) = read(file).site

    assert found.raw == original.read_bytes()


@pytest.mark.parametrize("raw", [b"", b"a", b"a\n", b"a\r\nb", b"\n\n", b"\xef\xbb\xbfa", b"\0"])
def test_line_ends_survive(raw: bytes, tmp_path: Path) -> None:
    file = tmp_path / "text"
    file.write_bytes(raw)

    assert ExportedText.of("text", file).raw == raw


def empty_site(*texts: ExportedText) -> SiteFile:
    return SiteFile(
        format="relion-dispatch site, format 1",
        exported="",
        folder="",
        dispatcher="0.1.0",
        code="",
        apptainer=None,
        site=list(texts),
        shipped=[],
        images=[],
    )


@pytest.mark.usefixtures("store")
def test_a_template_that_is_no_text_is_refused(site: Callable[..., Path]) -> None:
    site("job_template/refine.sh.j2", "").write_bytes(b"caf\xe9")

    with pytest.raises(InputError, match=r"refine\.sh\.j2 is not a text in UTF-8 \(byte 3\)"):
        export_site()


@pytest.mark.usefixtures("store")
def test_what_a_definition_copies_goes_along_byte_for_byte(
    export: Callable[[], Path], elsewhere: Callable[[], Path], site: Callable[..., Path]
) -> None:
    raw = bytes(range(256)) * 9
    site("containers/patch.tar.gz", "").write_bytes(raw)
    file = export()
    folder = elsewhere()

    assert main(["site", "import", str(file)]) == 0

    assert (folder / "containers" / "patch.tar.gz").read_bytes() == raw


@pytest.mark.usefixtures("store")
def test_a_broken_site_is_not_exported(
    site: Callable[..., Path], tmp_path: Path, printed: Text
) -> None:
    site("site.json", '{"schedular": "slurm"}')

    assert main(["site", "export", str(tmp_path / "file")]) == 1

    assert 'did you mean "scheduler"?' in printed()
    assert not (tmp_path / "file").exists()


@pytest.mark.usefixtures("store")
def test_files_that_are_no_part_of_a_site_are_named(
    export: Callable[[], Path], site: Callable[..., Path], printed: Text
) -> None:
    path = site("notes.txt", "see the wiki")
    site("images.json.lock", "")
    site("job_template/gpu.sh.j2", "").unlink()
    (path.parent / "job_template" / "gpu.sh.j2").symlink_to("gone")
    for number in range(3):
        site(f"projects/{number}", "/data/project")

    export()

    told = [line for line in printed().splitlines() if line.startswith("left out")]
    link = "job_template/gpu.sh.j2 (a link to gone, which is not there)"
    folder = path.parent
    assert told == [
        f"left out: {each}" for each in (f"{folder}/{link}", path, f"{folder}/projects")
    ]


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content.update(format="relion-dispatch site, format 9"), "is no export"),
        (lambda content: content.pop("images"), 'key "images" is missing'),
        (
            lambda content: content["site"][0].update(base64=True, text=["a"]),
            'the text "site.json" was changed or damaged: its sha256 is none (',
        ),
        (
            lambda content: content["site"][0]["text"].append("more"),
            'the text "site.json" was changed or damaged: its sha256 is',
        ),
        (
            lambda content: content["site"][0].update(path="../site.json"),
            '"../site.json" is no path below',
        ),
        (
            lambda content: content["site"][0].update(path="/etc/passwd"),
            '"/etc/passwd" is no path below',
        ),
    ],
)
def test_an_export_that_was_changed_is_refused(
    change: Callable[[Any], object],
    message: str,
    export: Callable[[], Path],
    elsewhere: Callable[[], Path],
    printed: Text,
) -> None:
    file = export()
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))
    folder = elsewhere()

    assert main(["site", "import", str(file)]) == 1

    assert message in printed()
    assert list(folder.iterdir()) == []


def test_a_file_that_is_no_export_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text('{"relion": {}}')

    with pytest.raises(ConfigError, match="is no export of a site that this version reads"):
        read(file)


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
    assert row(table, "site's images.json").startswith("equal")
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
    assert f"sha256 {after} here, {before} there" in table
    assert row(table, "image relion 5.1.0 (cpu)").startswith("missing")
    assert row(table, "image relion 3.1.3 (cpu)").startswith("equal")
    assert (folder / "images.json").exists()


def test_an_image_that_was_swapped_is_exported_as_listed(
    store: Path, export: Callable[[], Path], printed: Text
) -> None:
    path = store / "relion-5.1.0-cuda.sif"
    listed = hashlib.sha256(path.read_bytes()).hexdigest()
    write_sif(path, content=b"another")

    (found,) = [image for image in read(export()).images if image.path == str(path)]

    assert found.sha256 == listed
    assert "is not the one that" in printed()


@pytest.mark.usefixtures("store")
def test_a_site_that_says_something_else_is_not_overwritten(
    export: Callable[[], Path], elsewhere: Callable[[], Path], printed: Text
) -> None:
    file = export()
    folder = elsewhere()
    (folder / "site.json").write_text('{"mps": false}')

    assert main(["site", "import", str(file)]) == 1

    assert f"{folder}/site.json is there already" in printed()
    assert [path.name for path in folder.iterdir()] == ["site.json"]


@pytest.mark.usefixtures("store")
def test_a_catalogue_that_another_admin_writes_is_waited_for(
    export: Callable[[], Path],
    elsewhere: Callable[[], Path],
    printed: Text,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = export()
    folder = elsewhere()
    monkeypatch.setattr(site_rebuild, "held", lambda path: held(path, seconds=0.1))

    with held(folder / "images.json"):
        assert main(["site", "import", str(file)]) == 1

    assert "images.json is being changed by" in printed()
    assert not (folder / "images.json").exists()


@pytest.mark.usefixtures("store")
def test_a_catalogue_with_several_mistakes_is_one_row(
    export: Callable[[], Path], site: Callable[..., Path], printed: Text
) -> None:
    file = export()
    site("images.json", '{"relion": {"default": 1, "version": {}}}')
    printed()

    assert main(["site", "compare", str(file)]) == 3

    table = printed()
    assert "; " in row(table, "image relion 5.1.0 (cpu)")
    assert all(line.startswith(("equal", "differs", "missing")) for line in table.splitlines()[:-1])


@pytest.mark.usefixtures("store")
def test_an_export_that_cannot_be_written_says_nothing_of_jobs(
    tmp_path: Path, printed: Text
) -> None:
    assert main(["site", "export", str(tmp_path / "nowhere" / "file")]) == 1

    assert "permissions, or name another file." in printed()


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
    content = json.loads(file.read_text())
    content |= {"dispatcher": "0.0.9", "apptainer": "1.0.0"}
    removed = content["shipped"].pop()
    file.write_text(json.dumps(content))
    folder = elsewhere()
    main(["site", "import", str(file)])
    no_apptainer = {"scheduler": "local", "apptainer": {"program": "/nowhere/apptainer"}}
    (folder / "site.json").write_text(json.dumps(no_apptainer))
    (folder / "job_template").mkdir()
    (folder / "job_template" / "gpu.sh.j2").write_text("")
    printed()

    assert main(["site", "compare", str(file)]) == 3

    table = printed()
    assert (
        row(table, "relion-dispatch").startswith("differs") and "0.1.0 here, 0.0.9 there" in table
    )
    assert row(table, "Apptainer").startswith("missing") and "none here, 1.0.0 there" in table
    assert row(table, "site's site.json").startswith("differs")
    extra = row(table, "site's job_template/gpu.sh.j2")
    assert extra.startswith("differs") and extra.endswith("not in the export")
    assert row(table, f"shipped {removed['path']}").endswith("not in the export")
    assert row(table, "site's images.json").startswith("equal")


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
    assert "hub/blush.ckpt" in row(printed(), "weights of relion 5.1.0 (cpu)")
