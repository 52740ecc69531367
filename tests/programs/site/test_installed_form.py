"""What deploy/install.sh remembers between installs, takes from an export, and removes.

The installations here are folders with the links and files that install.sh looks at;
tests/system/installation makes real ones.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from .exported_site import Sites

DEPLOY = Path(__file__).parents[3] / "deploy"
CHOOSE = """
say() { echo "install.sh: $*" >&2; }
fail() { say "$*"; exit 1; }
. "$1/install/reach.sh"
. "$1/install/form.sh"
users='' closed_prefix=''
prefix=$2 current=$3 site_file=$4 form=$5 base=$6 image='' wanted_python=''
choose_form
[[ $form != appliance ]] || find_base
echo "$form${base:+ on $base}"
"""
ONCE_MORE = "--rollback once more returns to"


def installed(prefix: Path, *versions: str, form: str = "venv") -> Path:
    """A prefix with these versions: the last is in use, and the one before that was before."""
    for name in versions:
        (prefix / "versions" / name / form).mkdir(parents=True)
        (prefix / "versions" / name / "MANIFEST").touch()
    for link, name in zip(("current", "previous"), reversed(versions), strict=False):
        (prefix / link).symlink_to(f"versions/{name}")
    (prefix / ".relion-dispatch").write_text("A folder of relion-dispatch\n")
    return prefix


def run(prefix: Path, action: str) -> str:
    command = [DEPLOY / "install.sh", "--prefix", prefix, action]
    return subprocess.run(command, check=True, capture_output=True, text=True).stderr


def prune(prefix: Path) -> str:
    return run(prefix, "--prune")


def rollback(prefix: Path) -> list[str]:
    return run(prefix, "--rollback").splitlines()


def chosen(
    prefix: Path, *, site: Path | str = "", form: str = "", base: str = "", **programs: str
) -> tuple[str, str]:
    """The form that is chosen and its base, and what is said."""
    current = prefix / "current"
    version = current.readlink().name if current.is_symlink() else ""
    arguments = (DEPLOY, prefix, version, site, form, base)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", CHOOSE, "bash", *arguments],
        env={"PATH": "/usr/bin:/bin", "RELION_DISPATCH_APPTAINER": "/bin/true", **programs},
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return done.stdout.strip(), done.stderr


def test_pruning_says_what_went_and_what_stays(tmp_path: Path) -> None:
    prefix = installed(tmp_path, "0.1.0-a", "0.1.7-b", "0.2.0-c", "0.2.1-d")
    (prefix / "versions/0.1.0-a/venv/file").write_bytes(bytes(3 << 20))

    said = prune(prefix).splitlines()

    assert said[0].startswith("install.sh: removed the version 0.1.0-a (3.")
    assert said[1].startswith("install.sh: removed the version 0.1.7-b (")
    assert said[2] == "install.sh: kept: 0.2.1-d, which is in use, and 0.2.0-c, for --rollback"
    assert ": removed 0.1.0-a 0.1.7-b\n" in (prefix / "MANIFEST").read_text()
    assert sorted(path.name for path in (prefix / "versions").iterdir()) == ["0.2.0-c", "0.2.1-d"]


def test_pruning_where_there_is_nothing_says_so(tmp_path: Path) -> None:
    assert prune(installed(tmp_path, "0.2.1-d")).splitlines() == [
        "install.sh: there is no old version to remove",
        "install.sh: kept: 0.2.1-d, which is in use",
    ]


COMMAND = """#!/bin/sh
case "$0 $*" in
    */0.2.0-old/*" site "*) exit 2 ;;
    *" --help") ;;
    *" site environment") mkdir -p "@WINDOW@" && touch "@WINDOW@/window.txt" ;;
    */0.2.0-old/*" check") printf "%s\\n" "site.json: key: unknown key"; exit 1 ;;
esac
"""


def test_a_rollback_makes_the_window_of_that_version_and_says_what_it_finds_wrong(
    tmp_path: Path,
) -> None:
    prefix = installed(tmp_path, "0.3.0-new", "0.2.0-old")
    window = prefix / "etc/relion-dispatch/window"
    for version in (prefix / "versions").iterdir():
        command = version / "bin/relion-dispatch"
        command.parent.mkdir()
        command.write_text(COMMAND.replace("@WINDOW@", str(window)))
        command.chmod(0o755)

    forth, back = rollback(prefix), rollback(prefix)

    assert forth == [f"install.sh: 0.3.0-new is in use again; {ONCE_MORE} 0.2.0-old."]
    assert f"# made    {window.relative_to(prefix)}/window.txt" in (prefix / "MANIFEST").read_text()
    assert back == [
        f"install.sh: 0.2.0-old is in use again; {ONCE_MORE} 0.3.0-new.",
        "install.sh: `relion-dispatch check` names 1 problem:",
        "site.json: key: unknown key",
    ]


class TestTheBaseOfAnAppliance:
    """An upgrade builds on what the version in use was built on."""

    @pytest.fixture
    def prefix(self, tmp_path: Path) -> Path:
        (tmp_path / "debian.sif").touch()
        prefix = installed(tmp_path / "prefix", "0.2.0-c", form="appliance")
        (prefix / "current/appliance/base").write_text(f"{tmp_path}/debian.sif\n")
        return prefix

    def test_it_is_remembered(self, prefix: Path, tmp_path: Path) -> None:
        form, said = chosen(prefix)

        assert form == f"appliance on {tmp_path}/debian.sif"
        assert f"base: {tmp_path}/debian.sif, as before (choose with --base)" in said

    def test_another_one_goes_before_it(self, prefix: Path) -> None:
        assert chosen(prefix, base="docker")[0] == "appliance on docker"

    def test_docker_hub_is_remembered_too(self, prefix: Path) -> None:
        (prefix / "current/appliance/base").write_text("docker\n")

        assert chosen(prefix)[0] == "appliance on docker"

    def test_one_that_has_gone_is_told(self, prefix: Path, tmp_path: Path) -> None:
        (tmp_path / "debian.sif").unlink()

        form, said = chosen(prefix)

        assert form == "appliance"
        assert f"{tmp_path}/debian.sif, on which an earlier install built the appliance, no" in said

    def test_an_appliance_that_was_built_elsewhere_has_none(self, prefix: Path) -> None:
        (prefix / "current/appliance/base").unlink()

        assert chosen(prefix)[0] == "appliance"


class TestTheFormOfAnExportedSite:
    """A site is set up in the form that it had, unless somebody wants another."""

    @pytest.mark.parametrize("form", ["venv", "appliance"])
    def test_it_is_taken(
        self, form: str, sites: Sites, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("dispatcher.site.export.in_appliance", lambda: form == "appliance")
        other = "venv" if form == "appliance" else "appliance"
        site = sites.export()

        assert chosen(tmp_path / "new", site=site) == (
            form,
            f"install.sh: form: {form}, as the exported site had it (choose with --venv or "
            "--appliance)\n",
        )
        assert chosen(tmp_path / "new", site=site, form=other)[0] == other
        assert chosen(installed(tmp_path / "old", "0.2.0-c", form=other), site=site)[0] == other

    def test_one_that_this_machine_cannot_have_is_told(
        self, sites: Sites, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("dispatcher.site.export.in_appliance", lambda: True)

        form, said = chosen(tmp_path, site=sites.export(), RELION_DISPATCH_APPTAINER="/none")

        assert form == "venv"
        assert "had the form appliance, and there is no Apptainer here: taking the other" in said

    @pytest.mark.parametrize("content", [b"", b"no tar", b"relion-dispatch-site/MANIFEST"])
    def test_an_archive_that_tells_none_is_as_before(self, content: bytes, tmp_path: Path) -> None:
        (tmp_path / "site.tar").write_bytes(content)

        assert chosen(tmp_path, site=tmp_path / "site.tar")[0] == "venv"

    def test_it_is_no_difference_between_two_sites(
        self, sites: Sites, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as inside:
            inside.setattr("dispatcher.site.export.in_appliance", lambda: True)
            site = sites.export()

        compared = sites.run("site", "compare", site)[1]

        assert "form" not in compared.split()
