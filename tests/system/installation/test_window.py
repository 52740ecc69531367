"""RELION's window of an installation: its variables follow the site's site.json."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from .conftest import assert_as_in_manifest, environment, install, run

FILES = {"window.sh", "window.csh", "window.txt"}


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation whose site these tests change."""
    prefix = tmp_path_factory.mktemp("window") / "prefix"
    done = install(prefix, "--venv")
    assert done.returncode == 0, done.stderr
    return prefix


def describe(prefix: Path, text: str) -> None:
    (prefix / "etc" / "relion-dispatch" / "site.json").write_text(text)


def loaded(prefix: Path) -> dict[str, str]:
    """What a new login has."""
    done = subprocess.run(
        ["sh", "-c", f". {prefix}/share/relion-dispatch.sh; env"],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    pairs = (line.partition("=") for line in done.stdout.splitlines())
    return {name: value for name, _, value in pairs}


def remark(prefix: Path) -> str:
    """What `check` says of the window; it also says that there are no images yet."""
    done = subprocess.run(
        [prefix / "bin" / "relion-dispatch", "check"],
        env=environment(),
        capture_output=True,
        text=True,
    )
    found = re.search("^remark: (What users load for RELION's window.*)$", done.stdout, re.M)
    return found[1] if found else ""


def test_a_new_installation_has_the_shipped_fields(prefix: Path) -> None:
    seen = loaded(prefix)

    assert seen["RELION_DISPATCH_FIELDS"] == "time,gpus,memory,account,options"
    assert seen["RELION_QSUB_EXTRA1"] == "Time limit:"
    assert {path.name for path in (prefix / "etc/relion-dispatch/window").iterdir()} == FILES
    manifest = (prefix / "MANIFEST").read_text()
    assert set(re.findall("^# made +etc/relion-dispatch/window/(\\S+)", manifest, re.M)) == FILES
    assert_as_in_manifest(prefix)
    assert not remark(prefix)


def test_a_change_of_site_json_is_told_and_then_made(prefix: Path) -> None:
    partitions = {"gpu": {"cores": 48, "gpus": 4, "gpu_memory": "48G"}}
    window = {"fields": {"time": {"default": "24h"}, "account": None}}
    describe(prefix, json.dumps({"partitions": partitions, "window": window}))
    assert "run `relion-dispatch site environment`" in remark(prefix)
    assert "account" in loaded(prefix)["RELION_DISPATCH_FIELDS"]

    said = run(prefix, "site", "environment")

    assert "4 fields beside its own: time, gpus, memory, options\n" in said
    seen = loaded(prefix)
    assert seen["RELION_QSUB_EXTRA1_DEFAULT"] == "24h"
    assert seen["RELION_MPI_MAX"] == "48"
    assert not remark(prefix)


def test_the_next_install_makes_them_from_what_site_json_says_by_then(prefix: Path) -> None:
    describe(prefix, json.dumps({"window": {"fields": {"beamline": {"label": "Beamline:"}}}}))

    done = install(prefix, "--venv")

    assert done.returncode == 0, done.stderr
    assert loaded(prefix)["RELION_QSUB_EXTRA6"] == "Beamline:"
    assert_as_in_manifest(prefix)


def test_a_site_json_with_a_mistake_leaves_them_as_they_are(prefix: Path) -> None:
    before = loaded(prefix)
    describe(prefix, '{"window": {"felds": {}}}')

    done = install(prefix, "--venv")

    assert done.returncode == 0
    assert "the fields of RELION's window are not as site.json says: " in done.stderr
    assert 'did you mean "fields"' in done.stderr
    assert loaded(prefix) == before
