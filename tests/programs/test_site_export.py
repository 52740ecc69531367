"""A site as one archive: what stands in it, and what is refused."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tarfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dispatcher import __version__
from dispatcher.cli import main
from dispatcher.errors import ConfigError
from dispatcher.site import archive
from dispatcher.site.archive import SiteArchive, StoredFile, pack, read

from ..sif_file import write_sif
from .exported_site import Text, a_store, exporting, going_elsewhere, what_is_printed  # noqa: F401  (fixtures)

TOP = "relion-dispatch-site"


def test_tar_unpacks_an_export_and_sha256sum_checks_it(
    store: Path, export: Callable[[], Path], site: Callable[..., Path], tmp_path: Path
) -> None:
    site("job_template/refine.sh.j2", '{% extends "gpu.sh.j2" %}')
    program = site("containers/add.sh", "").write_bytes(bytes(range(256)))

    subprocess.run(["tar", "-x", "-f", export()], cwd=tmp_path, check=True)

    check = ["sha256sum", "--check", "--strict", "--quiet", "MANIFEST"]
    subprocess.run(check, cwd=tmp_path / TOP, check=True)
    own = sorted(str(p.relative_to(tmp_path / TOP)) for p in (tmp_path / TOP / "site").rglob("*.*"))
    assert own == [
        "site/containers/add.sh",
        "site/images.json",
        "site/job_template/refine.sh.j2",
        "site/site.json",
    ]
    assert (tmp_path / TOP / "site/containers/add.sh").stat().st_size == program
    assert (tmp_path / TOP / "shipped/job_template/gpu.sh.j2").is_file()
    manifest = (tmp_path / TOP / "MANIFEST").read_text().splitlines()
    assert f"# relion-dispatch: {__version__}" in manifest
    digest = hashlib.sha256((store / "relion-3.1.3-cpu.sif").read_bytes()).hexdigest()
    assert f"# image relion 3.1.3 (cpu): {digest}" in manifest


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
    link = site("job_template/gpu.sh.j2", "")
    link.unlink()
    link.symlink_to("gone")
    for number in range(3):
        site(f"projects/{number}", "/data/project")

    export()

    told = [line for line in printed().splitlines() if line.startswith("left out")]
    folder = path.parent
    assert told == [
        f"left out: {link} (a link to gone, which is no file)",
        f"left out: {path}",
        f"left out: {folder}/projects",
    ]


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize(
    ("name", "largest", "message"),
    [
        ("job_template/a\\b", archive.LARGEST, r"a\\b' cannot be exported"),
        ("job_template/a\nb", archive.LARGEST, r"a\nb' cannot be exported"),
        ("containers/large", 999_999, "move the largest, site/containers/large, out of"),
    ],
)
def test_files_that_no_import_would_take_are_not_exported(
    name: str,
    largest: int,
    message: str,
    site: Callable[..., Path],
    tmp_path: Path,
    printed: Text,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(archive, "LARGEST", largest)
    site(name, "x" * 999_999)

    assert main(["site", "export", str(tmp_path / "file")]) == 1

    assert message in printed()


def test_an_image_that_was_swapped_is_exported_as_listed(
    store: Path, export: Callable[[], Path], printed: Text
) -> None:
    path = store / "relion-5.1.0-cuda.sif"
    listed = hashlib.sha256(path.read_bytes()).hexdigest()
    write_sif(path, content=b"another")

    assert read(export()).values["image relion 5.1.0 (cuda)"] == listed

    assert f"{path} is not the file that images.json lists" in printed()


@pytest.mark.usefixtures("store")
def test_an_export_that_cannot_be_written_says_nothing_of_jobs(
    tmp_path: Path, printed: Text
) -> None:
    assert main(["site", "export", str(tmp_path / "nowhere" / "file")]) == 1

    assert "permissions, or name another file." in printed()


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize(
    ("name", "kind", "size"),
    [
        ("../evil", tarfile.REGTYPE, 0),
        ("site/../evil", tarfile.REGTYPE, 0),
        ("site/containers/../../../evil", tarfile.REGTYPE, 0),
        ("/site/site.json", tarfile.REGTYPE, 0),
        ("site/projects/evil", tarfile.REGTYPE, 0),
        ("site/job_template", tarfile.REGTYPE, 0),
        ("site/job_template/.evil", tarfile.REGTYPE, 0),
        ("site/containers/a\nwrote: b", tarfile.REGTYPE, 0),
        ("site/site.json", tarfile.REGTYPE, 0),
        ("site/site.json/below", tarfile.REGTYPE, 0),
        ("site/containers/link", tarfile.SYMTYPE, 0),
        ("site/containers/link", tarfile.LNKTYPE, 0),
        ("site/containers/null", tarfile.CHRTYPE, 0),
        ("site/containers/pipe", tarfile.FIFOTYPE, 0),
        ("site/containers/large", tarfile.REGTYPE, archive.LARGEST),
    ],
)
def test_nothing_of_an_archive_with_more_than_a_site_is_written(
    name: str,
    kind: bytes,
    size: int,
    export: Callable[[], Path],
    elsewhere: Callable[[], Path],
    printed: Text,
) -> None:
    file = export()
    member = tarfile.TarInfo(name if name[0] == "/" else f"{TOP}/{name}")
    member.type, member.size, member.linkname = kind, size, "/etc/passwd"
    with tarfile.open(file, "a") as tar:
        tar.addfile(member)
    folder = elsewhere()

    assert main(["site", "import", str(file)]) == 1

    assert f"{file} has {member.name!r} in it, which is too large or nothing that" in printed()
    assert list(folder.iterdir()) == []


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("change", ["changed", "added", "removed"])
def test_an_export_that_was_changed_is_refused(
    change: str, export: Callable[[], Path], elsewhere: Callable[[], Path], printed: Text
) -> None:
    file = export()
    with tarfile.open(file) as tar:
        tar.extractall(file.parent)
    template = file.parent / TOP / "shipped/job_template/gpu.sh.j2"
    if change == "removed":
        template.unlink()
    else:
        template.with_name("gpu.sh.j2" if change == "changed" else "more").write_text("other")
    subprocess.run(["tar", "-c", "-f", file, TOP], cwd=file.parent, check=True)
    folder = elsewhere()

    assert main(["site", "import", str(file)]) == 1

    assert "is not as MANIFEST lists it, so it was changed or damaged" in printed()
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"relion": {}}', "is no export of a site that this version reads"),
        (b"", "is no export of a site that this version reads"),
        (b'{\n  "format": "relion-dispatch site, format 1",', "is an export of version 0.1.0"),
    ],
)
def test_a_file_that_is_no_export_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)

    with pytest.raises(ConfigError, match=message):
        read(file)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(ConfigError, match="is no export"):
        read(tmp_path / "pipe")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(content=st.binary(), place=st.floats(0, 1, exclude_max=True), byte=st.integers(0, 255))
def test_an_archive_is_read_as_it_was_packed_or_refused(
    content: bytes, place: float, byte: int, tmp_path: Path
) -> None:
    file = tmp_path / "site.tar"
    site = SiteArchive(
        {"Apptainer": "none", "image a: b 1 (c)": ""},
        {"site/site.json": StoredFile(content), "site/containers/é": StoredFile(b"", True)},
    )
    packed = bytearray(pack(site))
    file.write_bytes(packed)
    assert read(file) == site

    packed[int(place * len(packed))] = byte
    file.write_bytes(packed)
    with suppress(ConfigError):
        assert {name: each.content for name, each in read(file).files.items()} == {
            name: each.content for name, each in site.files.items()
        }
