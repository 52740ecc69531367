"""A site as one file: what stands in it, and what is refused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dispatcher.cli import main
from dispatcher.errors import ConfigError, InputError
from dispatcher.site.export import export_site
from dispatcher.site.file import ExportedText, SiteFile, as_text, read

from ..sif_file import write_sif
from .exported_site import Text, a_store, exporting, going_elsewhere, row, what_is_printed  # noqa: F401  (fixtures)


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
def test_an_export_that_cannot_be_written_says_nothing_of_jobs(
    tmp_path: Path, printed: Text
) -> None:
    assert main(["site", "export", str(tmp_path / "nowhere" / "file")]) == 1

    assert "permissions, or name another file." in printed()
