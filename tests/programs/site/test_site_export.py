"""A site as one archive: what stands in it, and what is refused."""

from __future__ import annotations

import os
import subprocess
import tarfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dispatcher import __version__
from dispatcher.errors import ConfigError
from dispatcher.site import archive
from dispatcher.site.archive import SiteArchive, StoredFile, pack, read

from ...digest import sha256
from ...sif_file import write_sif
from .exported_site import Sites

TOP = "relion-dispatch-site"


def test_tar_unpacks_an_export_and_sha256sum_checks_it(sites: Sites, tmp_path: Path) -> None:
    (sites.here / "job_template").mkdir()
    (sites.here / "job_template" / "refine.sh.j2").write_text('{% extends "gpu.sh.j2" %}')

    subprocess.run(["tar", "-x", "-f", sites.export()], cwd=tmp_path, check=True)

    unpacked = tmp_path / TOP
    check = ["sha256sum", "--check", "--strict", "--quiet", "MANIFEST"]
    subprocess.run(check, cwd=unpacked, check=True)
    own = {str(path.relative_to(unpacked / "site")) for path in (unpacked / "site").rglob("*.*")}
    assert own == {"images.json", "job_template/refine.sh.j2", "site.json"}
    assert (unpacked / "shipped/job_template/gpu.sh.j2").is_file()
    manifest = (unpacked / "MANIFEST").read_text().splitlines()
    assert f"# relion-dispatch: {__version__}" in manifest
    digest = sha256(sites.store / "relion-3.1.3-cpu.sif")
    assert f"# image relion 3.1.3 (cpu): {digest}" in manifest


def test_a_broken_site_is_not_exported(sites: Sites, tmp_path: Path) -> None:
    (sites.here / "site.json").write_text('{"schedular": "slurm"}')

    status, text = sites.run("site", "export", tmp_path / "file")

    assert (status, 'did you mean "scheduler"?' in text) == (1, True)
    assert not (tmp_path / "file").exists()


def test_files_that_are_no_part_of_a_site_are_named(sites: Sites, tmp_path: Path) -> None:
    for name in ("notes.txt", "images.json.lock", "projects/1", "projects/2"):
        path = sites.here / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
    (sites.here / "job_template").mkdir()
    (sites.here / "job_template" / "gpu.sh.j2").symlink_to("gone")

    _, text = sites.run("site", "export", tmp_path / "file")

    assert [line for line in text.splitlines() if line.startswith("left out")] == [
        f"left out: {sites.here}/job_template/gpu.sh.j2 (a link to gone, which is not a file)",
        f"left out: {sites.here}/notes.txt",
        f"left out: {sites.here}/projects",
    ]


@pytest.mark.parametrize(
    ("name", "largest", "message"),
    [
        ("a\\b", archive.LARGEST, r"a\\b' cannot be exported"),
        ("a\nb", archive.LARGEST, r"a\nb' cannot be exported"),
        ("large", 999_999, "move the largest file, site/containers/large, out of"),
    ],
)
def test_files_that_no_import_would_take_are_not_exported(
    name: str, largest: int, message: str, sites: Sites, tmp_path: Path
) -> None:
    sites.monkeypatch.setattr(archive, "LARGEST", largest)
    (sites.here / "containers").mkdir()
    (sites.here / "containers" / name).write_text("x" * 999_999)

    status, text = sites.run("site", "export", tmp_path / "file")

    assert (status, message in text) == (1, True), text


def test_an_image_that_was_swapped_is_exported_as_listed(sites: Sites, tmp_path: Path) -> None:
    path, file = sites.store / "relion-5.1.0-cuda.sif", tmp_path / "file"
    listed = sha256(path)
    write_sif(path, content=b"another")

    _, text = sites.run("site", "export", file)

    assert read(file).values["image relion 5.1.0 (cuda)"] == listed
    assert f"{path} is not the file that images.json lists" in text


def test_an_export_that_cannot_be_written_says_nothing_of_jobs(
    sites: Sites, tmp_path: Path
) -> None:
    status, text = sites.run("site", "export", tmp_path / "nowhere" / "file")

    assert (status, "permissions, or name another file." in text) == (1, True)


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
        ("site/containers/own", tarfile.REGTYPE, 0),
        ("site/containers/own/own.def/below", tarfile.REGTYPE, 0),
        ("site/containers/link", tarfile.SYMTYPE, 0),
        ("site/containers/link", tarfile.LNKTYPE, 0),
        ("site/containers/null", tarfile.CHRTYPE, 0),
        ("site/containers/pipe", tarfile.FIFOTYPE, 0),
        ("site/containers/large", tarfile.REGTYPE, archive.LARGEST),
    ],
)
def test_nothing_of_an_archive_with_more_than_a_site_is_written(
    name: str, kind: bytes, size: int, sites: Sites
) -> None:
    (sites.here / "containers" / "own").mkdir(parents=True)
    (sites.here / "containers" / "own" / "own.def").write_text("")
    file = sites.export()
    member = tarfile.TarInfo(name if name[0] == "/" else f"{TOP}/{name}")
    member.type, member.size, member.linkname = kind, size, "/etc/passwd"
    with tarfile.open(file, "a") as tar:
        tar.addfile(member)
    folder = sites.go_there()

    status, text = sites.run("site", "import", file)

    assert status == 1
    assert f"for {member.name!r} in it has a name, kind or size that no file" in text
    assert list(folder.iterdir()) == []


def test_an_archive_of_very_many_files_is_refused(
    sites: Sites, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = sites.export()
    monkeypatch.setattr(archive, "MOST", 10)
    folder = sites.go_there()

    assert "or size that no file" in sites.run("site", "import", file)[1]
    assert list(folder.iterdir()) == []


def test_an_archive_without_end_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    os.truncate(file, 3 << 30)

    with pytest.raises(ConfigError, match="it is longer than"):
        read(file)


def test_a_sparse_file_in_an_archive_is_refused(tmp_path: Path) -> None:
    """Some bytes of an archive that would be many in memory."""
    (tmp_path / TOP / "site" / "containers").mkdir(parents=True)
    (tmp_path / TOP / "site" / "containers" / "zeros").touch()
    os.truncate(tmp_path / TOP / "site" / "containers" / "zeros", 200 << 20)
    file = tmp_path / "file"
    subprocess.run(["tar", "-c", "-S", "-f", file, TOP], cwd=tmp_path, check=True)

    with pytest.raises(ConfigError, match="or size that no file"):
        read(file)


def test_headers_that_announce_headers_are_no_traceback(tmp_path: Path) -> None:
    file = tmp_path / "file"
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 0
    file.write_bytes(header.tobuf() * 5000)

    with pytest.raises(ConfigError, match="is not an export"):
        read(file)


@pytest.mark.parametrize("name", ["gpu.sh.j2", "added", None])
def test_an_export_that_was_changed_is_refused(
    name: str | None, sites: Sites, tmp_path: Path
) -> None:
    file = sites.export()
    subprocess.run(["tar", "-x", "-f", file], cwd=tmp_path, check=True)
    templates = tmp_path / TOP / "shipped" / "job_template"
    if name:
        (templates / name).write_text("other")
    else:
        (templates / "gpu.sh.j2").unlink()
    subprocess.run(["tar", "-c", "-f", file, TOP], cwd=tmp_path, check=True)
    folder = sites.go_there()

    status, text = sites.run("site", "import", file)

    assert (status, "is not the file that MANIFEST lists, so it was changed" in text) == (
        1,
        True,
    ), text
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"relion": {}}', "is not an export of a site that this version can read"),
        (b"", "is not an export of a site that this version can read"),
        (b'{\n  "format": "relion-dispatch site, format 1",', "is an export of version 0.1.0"),
        (None, "is not an export of a site that this version can read"),
    ],
)
def test_a_file_that_is_no_export_is_refused(
    content: bytes | None, message: str, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    if content is None:
        os.mkfifo(file)  # it is not waited for
    else:
        file.write_bytes(content)

    with pytest.raises(ConfigError, match=message):
        read(file)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"file cannot be read \(No such file or directory\)"):
        read(tmp_path / "file")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(content=st.binary(), place=st.floats(0, 1, exclude_max=True), byte=st.integers(0, 255))
def test_an_archive_is_read_as_it_was_packed_or_refused(
    content: bytes, place: float, byte: int, tmp_path: Path
) -> None:
    file = tmp_path / "site.tar"
    values = {"Apptainer": "none", "image a: b 1 (c)": ""}
    files = {"site/site.json": StoredFile(content), "site/containers/é": StoredFile(b"", True)}
    packed = bytearray(pack(SiteArchive(values, files)))
    file.write_bytes(packed)
    assert read(file) == (values, files)

    packed[int(place * len(packed))] = byte
    file.write_bytes(packed)
    with suppress(ConfigError):
        contents = {name: each.content for name, each in read(file).files.items()}
        assert contents == {name: each.content for name, each in files.items()}
