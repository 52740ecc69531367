"""What users load for RELION's window follows from site.json: written, printed, and checked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dispatcher import cli
from dispatcher.site.check import remarks
from dispatcher.site.window import files

from .exported_site import Sites


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a site whose users load an installation."""
    folder = tmp_path / "ours"
    folder.mkdir()
    monkeypatch.setenv("RELION_DISPATCH_SITE", str(folder))
    monkeypatch.setenv("RELION_DISPATCH_TEMPLATE", "/software/rd/share/relion_template.sh")
    return folder


def describe(site: Path, **fields: object) -> None:
    shipped = dict.fromkeys(["time", "gpus", "memory", "account", "options"])
    (site / "site.json").write_text(json.dumps({"window": {"fields": {**shipped, **fields}}}))


def contents(site: Path) -> dict[str, tuple[bytes, int]]:
    paths = (site / "window").iterdir()
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in paths}


def test_the_files_are_written_and_only_when_they_change(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    describe(site, time={"label": "Hours:"})
    assert cli.main(["site", "environment"]) == 0

    said = capsys.readouterr().out.splitlines()
    made = [f"made: {site / 'window' / name}" for name in ("window.sh", "window.csh", "window.txt")]
    assert said[:3] == made
    assert "RELION's window gets 1 field beside its own: time" in said
    assert "  RELION_QUEUE_NAME=auto" in said
    before = contents(site)
    assert all(b"Hours:" in content for content, _ in before.values())

    assert cli.main(["site", "environment"]) == 0
    assert f"unchanged: {site / 'window'}" in capsys.readouterr().out
    assert contents(site) == before


def test_a_wrong_site_json_keeps_the_files(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    describe(site, time={})
    cli.main(["site", "environment"])
    before = contents(site)
    describe(site, time={"defalt": "12h"})

    assert cli.main(["site", "environment"]) == 1

    assert 'did you mean "default"' in capsys.readouterr().err
    assert contents(site) == before


@pytest.mark.parametrize(
    ("language", "line"),
    [
        ("sh", "export RELION_QSUB_EXTRA1='Hours:'"),
        ("csh", "setenv RELION_QSUB_EXTRA1 'Hours:'"),
        ("lua", 'setenv("RELION_QSUB_EXTRA1", "Hours:")'),
        ("tcl", 'setenv RELION_QSUB_EXTRA1 "Hours:"'),
    ],
)
def test_what_is_printed_is_for_files_of_the_sites_own(
    language: str, line: str, site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    describe(site, time={"label": "Hours:"})

    assert cli.main(["site", "environment", "--print", language]) == 0

    assert line in capsys.readouterr().out.splitlines()
    assert not (site / "window").exists()


def test_another_language_is_not_guessed(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["site", "environment", "--print", "fish"]) == 1
    assert "give one of sh, csh, lua, tcl" in capsys.readouterr().err


def test_no_folder_is_made_where_the_site_has_none(
    site: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = site / "none"  # in the place of /etc/relion-dispatch
    monkeypatch.setattr(files, "site_folder", lambda: gone)

    assert cli.main(["site", "environment"]) == 1
    assert "make it with `relion-dispatch site init`" in capsys.readouterr().err
    assert not gone.exists()


def outdated() -> list[str]:
    return [each for each in remarks() if "RELION's window" in each]


def test_check_says_when_users_load_another_window(site: Path) -> None:
    describe(site, time={})
    (remark,) = outdated()  # nothing was written yet
    assert f"({site / 'window'})" in remark and "run `relion-dispatch site environment`" in remark
    cli.main(["site", "environment"])
    assert not outdated()

    describe(site, time={}, gpus={})
    assert outdated()
    cli.main(["site", "environment"])
    (site / "window" / "window.csh").unlink()
    assert outdated()


def test_check_is_silent_where_no_installation_reads_them(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RELION_DISPATCH_TEMPLATE")
    describe(site, time={})

    assert not outdated()


def test_an_imported_site_has_its_window_at_once(
    sites: Sites, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RELION_DISPATCH_TEMPLATE", "/software/rd/share/relion_template.sh")
    status, text = sites.run("site", "environment")
    assert status == 0, text
    file = sites.export()
    assert "left out" not in sites.run("site", "export", file)[1]  # it is made from site.json
    folder = sites.go_there()

    status, text = sites.run("site", "import", file)

    assert status == 0, text
    assert f"made: {folder / 'window' / 'window.sh'}" in text
    assert not outdated()
