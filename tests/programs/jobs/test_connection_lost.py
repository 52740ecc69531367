"""Nobody can ask the scheduler, because the machine on which its commands run is out of reach.

The connection is a real ssh's to a real sshd, and the queue behind it a stand-in.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from dispatcher.cli import main

from ...fixture_types import LoginNode, WriteSite
from ...ssh_server import LOSE_CONNECTION, SshServer
from ..stand_in_scheduler import StandIn
from .pipeline_jobs import TOKEN, AddJob, status

pytestmark = pytest.mark.usefixtures("quickly")


@pytest.fixture
def server(login_node: LoginNode) -> SshServer:
    return login_node()


@pytest.fixture
def slurm(tmp_path: Path, site: WriteSite, server: SshServer) -> StandIn:
    return StandIn(tmp_path / "slurm", site, through=server.through, timeout=40)


def ends(folder: Path) -> list[str]:
    return [path.name for path in folder.glob("RELION_JOB_EXIT_*")]


def test_a_job_is_not_lost_while_the_queue_is_out_of_reach(
    server: SshServer, slurm: StandIn, add_job: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = add_job()
    slurm.forgets()
    server.stop()

    (row,) = status(capsys)

    assert row["relion"] == "Running", row
    assert ends(folder) == []

    server.start()
    status(capsys)

    assert ends(folder) == ["RELION_JOB_EXIT_FAILURE"]


def test_nothing_is_told_if_the_question_how_a_job_ended_is_lost(
    slurm: StandIn, add_job: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = add_job()
    slurm.says_of_ends(f"{LOSE_CONNECTION}sleep 9")
    status(capsys)
    assert ends(folder) == []

    slurm.says_of_ends("echo JobState=TIMEOUT")
    status(capsys)

    assert ends(folder) == ["RELION_JOB_EXIT_FAILURE"]
    assert "it reached its time limit" in (folder / "run.err").read_text()


def test_a_cancel_of_which_nobody_knows_what_came_tells_relion_nothing(
    slurm: StandIn, add_job: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = add_job()
    slurm.has("17", "RUNNING", TOKEN)
    slurm.does("scancel", f"{LOSE_CONNECTION}sleep 9")

    assert main(["cancel", "Refine3D/job019"]) == 1

    assert "the connection to login1 was lost): try again." in capsys.readouterr().err
    assert ends(folder) == []
