"""What a container sees by the site's options and variables, and by Apptainer's configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from dispatcher.config.site import Apptainer
from dispatcher.images.container_view import view_of_container

HOME = "/home/me"
USUAL = {HOME, "/tmp", "/var/tmp"}
CONF = """# bind path = /commented
mount home = yes
bind path = /etc/localtime
 bind path = /gpfs/data:/data:ro
bind path=/ssd
"""


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", HOME)


def seen(apptainer: Apptainer) -> set[str]:
    """The folders, without those that a container always has."""
    always = {"/dev", "/proc", "/sys", "/etc/hosts", "/etc/localtime"}
    view = view_of_container(apptainer)
    assert view.home == (Path(HOME) in view.folders)
    assert always <= set(map(str, view.folders))
    return set(map(str, view.folders)) - always


@pytest.mark.parametrize(
    ("options", "bound"),
    [
        ([], set()),
        (["--bind=/d"], {"/d"}),
        (["--bind", "/d,/e:/f:ro"], {"/d", "/f"}),
        (["-B", "/x:/y,/d", "-B=/z"], {"/y", "/d", "/z"}),
        (["-B/d"], {"/d"}),
        (["-eB/d"], {"/d"}),
        (["-e", "-B", "/d"], {"/d"}),
        (["--mount", "type=bind,source=/d,dst=/d"], {"/d"}),
        (["--mount=type=bind,src=/d,target=/e,ro"], {"/e"}),
        (["--mount", 'type=bind,"source=/a,b","destination=/a,b"'], {"/a,b"}),
        (["--env", "A=--bind=/d", "--pwd=/d"], set()),
        (["--bind"], set()),
    ],
)
def test_what_the_options_bind_is_seen(options: list[str], bound: set[str]) -> None:
    assert seen(Apptainer(program="/gone/apptainer", options=options)) == USUAL | bound


@pytest.mark.parametrize(
    ("options", "usual"),
    [
        (["--contain"], set()),
        (["--containall"], set()),
        (["--compat"], set()),
        (["-c"], set()),
        (["-eC"], set()),
        (["--contain=false"], USUAL),
        (["--no-home"], USUAL - {HOME}),
        (["--no-mount", "home,tmp"], set()),
        (["--no-mount=tmp"], {HOME}),
        (["--no-mount=proc"], USUAL),
        (["--home", "/scratch/me"], USUAL - {HOME} | {"/scratch/me"}),
        (["-H", f"/scratch/me:{HOME}"], USUAL - {HOME}),
        ([f"--home={HOME}:{HOME}", "--contain"], {HOME}),
    ],
)
def test_what_apptainer_mounts_by_itself_may_be_left_out(
    options: list[str], usual: set[str]
) -> None:
    assert seen(Apptainer(program="/gone/apptainer", options=options)) == usual


@pytest.mark.parametrize(
    ("variables", "folders"),
    [
        ({"APPTAINER_BINDPATH": "/d,/e:/f"}, USUAL | {"/d", "/f"}),
        ({"SINGULARITY_BIND": "/d"}, USUAL | {"/d"}),
        ({"APPTAINER_MOUNT": "type=bind,source=/d,destination=/d"}, USUAL | {"/d"}),
        ({"APPTAINER_CONTAIN": "1"}, set()),
        ({"APPTAINER_CONTAIN": ""}, USUAL),
        ({"APPTAINER_NO_HOME": "true"}, USUAL - {HOME}),
        ({"APPTAINER_NO_MOUNT": "tmp"}, {HOME}),
        ({"APPTAINERENV_BIND": "/d", "BIND": "/d"}, USUAL),
    ],
)
def test_variables_of_apptainers_own_count_if_the_site_lists_them(
    variables: dict[str, str], folders: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert seen(Apptainer(program="/gone/apptainer", environment=list(variables))) == folders
    assert seen(Apptainer(program="/gone/apptainer")) == USUAL


@pytest.fixture(params=["etc", "x86_64/etc"])
def installed(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """An Apptainer's program, reached by a link, and the folder of its configuration."""
    folder = tmp_path / "an apptainer" / request.param / "apptainer"
    folder.mkdir(parents=True)
    program = tmp_path / "an apptainer" / "bin" / "apptainer"
    program.parent.mkdir()
    program.touch(0o755)
    (tmp_path / "link").symlink_to(program)
    return folder / "apptainer.conf"


@pytest.mark.parametrize(
    ("conf", "options", "folders"),
    [
        (CONF, [], USUAL | {"/data", "/ssd"}),
        (CONF, ["--contain"], set()),
        (CONF, ["--no-mount=bind-paths"], USUAL),
        (CONF, ["--no-mount", "/data"], USUAL | {"/ssd"}),
        (CONF.replace("yes", "no") + "mount tmp = no\n", [], {"/data", "/ssd"}),
        (CONF.replace("yes", "no"), ["--home=/h"], USUAL - {HOME} | {"/data", "/ssd", "/h"}),
    ],
)
def test_the_configuration_beside_the_program_is_read(
    conf: str, options: list[str], folders: set[str], installed: Path, tmp_path: Path
) -> None:
    installed.write_text(conf)

    assert seen(Apptainer(program=str(tmp_path / "link"), options=options)) == folders


def test_mounted_file_systems_are_seen_if_the_configuration_says_so(
    installed: Path, tmp_path: Path
) -> None:
    """Without those of the system: proc is mounted wherever this test runs."""
    installed.write_text("mount hostfs = yes\n")
    with open("/proc/self/mountinfo") as lines:
        mounted = {line.split()[4].encode().decode("unicode_escape") for line in lines}

    found = seen(Apptainer(program=str(tmp_path / "link")))

    system = ("/proc", "/sys", "/dev", "/run", "/boot", "/var")
    assert (
        found - USUAL
        == {each for each in mounted if each != "/" and not each.startswith(system)} - USUAL
    )
    without = Apptainer(program=str(tmp_path / "link"), options=["--no-mount=hostfs"])
    assert seen(without) == USUAL
