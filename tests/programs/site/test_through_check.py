"""``relion-dispatch check`` of a scheduler whose commands run on another machine.

That machine is a real sshd, with stand-ins for the scheduler's commands. One that sees other files
is played by a program that changes the names of folders on their way.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

from dispatcher.config.configuration import load_configuration
from dispatcher.site.check import problems
from dispatcher.site.named_programs import named_programs
from dispatcher.site.through_check import through_problems

from ...fixture_types import LoginNode, WriteSite
from ...ssh_server import SshServer

SINFO = "#!/bin/sh\necho 'partition=gpu nodes: 2'\n"
SBATCH = """#!/bin/sh
echo "$MACHINE $*" >> "${0%/*}/asked"
"""

pytestmark = pytest.mark.usefixtures("images", "programs")


@pytest.fixture
def commands(tmp_path: Path) -> Path:
    """A folder with the scheduler's commands, which only the other machine finds on its path."""
    folder = tmp_path / "commands"
    folder.mkdir()
    for name in ("sbatch", "sinfo", "squeue", "scontrol", "scancel"):
        (folder / name).write_text(SINFO if name == "sinfo" else SBATCH)
        (folder / name).chmod(0o755)
    return folder


@pytest.fixture
def server(
    login_node: LoginNode, commands: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> SshServer:
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return login_node(PATH=f"{commands}:/usr/bin:/bin", MACHINE="there")


def configure(site: WriteSite, through: list[str], **slurm: Any) -> None:
    site(
        "site.json",
        {
            "scheduler": "slurm",
            "schedulers": {"slurm": {"through": through, **slurm}},
            "partitions": {"gpu": {"cores": 64, "gpus": 4, "gpu_memory": "24G"}},
            "job_parameters": {"submit": {"partition": "gpu"}},
        },
    )


def found() -> list[str]:
    return list(through_problems(load_configuration().site))


def test_the_jobs_of_a_site_are_tried_there(
    site: WriteSite, server: SshServer, commands: Path
) -> None:
    configure(site, server.through)

    assert "ssh" in named_programs(load_configuration().site)
    assert problems() == []

    asked = (commands / "asked").read_text().splitlines()
    assert asked
    assert all(line.startswith("there --test-only ") for line in asked), asked
    assert list(Path.cwd().iterdir()) == []


def test_what_is_wrong_with_the_connection_is_said_once(site: WriteSite, server: SshServer) -> None:
    (server.folder / "authorized").write_text("")
    configure(site, server.through)

    (problem,) = problems()

    assert problem.startswith('Scheduler "slurm", key "through": login1 does not let this account')
    assert problem.endswith("asks nothing.")


def test_what_may_pass_is_looked_at_later(site: WriteSite, server: SshServer) -> None:
    configure(site, server.through)
    server.stop()

    (problem,) = found()

    assert problem.startswith('Scheduler "slurm", key "through": login1 cannot be reached (')
    assert problem.endswith("refused): run `relion-dispatch check` again later.")


def test_programs_that_are_missing_there_are_named(site: WriteSite, server: SshServer) -> None:
    configure(
        site, server.through, submit_command=["embark"], cancel_command=["disembark", "{job_id}"]
    )

    of_cancel, of_submit = sorted(problems())

    assert 'the program "disembark" is not found on login1: the scheduler' in of_cancel
    assert 'the submit command "embark" is not found on login1: install it, or' in of_submit


@pytest.mark.usefixtures("server")
def test_a_machine_that_sees_other_files_is_named(site: WriteSite, tmp_path: Path) -> None:
    reach = tmp_path / "reach"
    reach.write_text(f"#!/bin/bash\nsed 's|{tmp_path}|/nowhere|' | \"${{@:2}}\"\n")
    reach.chmod(0o755)
    configure(site, [str(reach), "login9"])

    (problem,) = found()

    folders = f"{tmp_path}/here and {tmp_path}/home"
    assert f"login9 does not see what is in {folders}: mount the file system" in problem


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
@pytest.mark.usefixtures("server")
def test_another_user_there_is_named(site: WriteSite) -> None:
    configure(site, ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"])

    (problem,) = found()

    assert re.search(r"jobs would belong to another user \(.*: uid 65534, here: uid 0\)", problem)
