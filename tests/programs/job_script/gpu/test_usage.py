"""What each GPU of the node was used for, if the site wants to know."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .gpu_job import MPS, SMI, Run

pytestmark = pytest.mark.usefixtures("images")


WATCHED = {"watch_gpus": True}
UNTIL_SAMPLED = 'until [ -e "$SAMPLED" ]; do sleep 0.1; done'


@pytest.mark.parametrize("status", [0, 3])
def test_what_each_gpu_was_used_for_is_there_at_the_end(status: int, run: Run) -> None:
    """nvidia-smi is a stand-in: two samples of two GPUs, one of which tells no utilisation."""
    ran = run(
        SMI + MPS,
        fit={"bytes_per_rank": 4_000_000_000},
        settings=WATCHED,
        ON_RUN=f"{UNTIL_SAMPLED}; exit {status}",
    )

    node = os.uname().nodename
    assert ran.usage == [
        f"gpu {node} GPU-aaaa-0 2 {3000 * 2**20} 60 2 8000000000",
        f"gpu {node} GPU-bbbb-1 2 {2000 * 2**20} - 2 8000000000",
    ]


def test_gpus_are_watched_without_mps_as_well(run: Run) -> None:
    ran = run(SMI, settings={"mps": False, **WATCHED}, ON_RUN=UNTIL_SAMPLED)

    assert len(ran.usage) == 2
    assert "MPS" not in ran.err


def test_gpus_are_not_watched_unless_the_site_says_so(run: Run, tmp_path: Path) -> None:
    ran = run(SMI + MPS, SMI_LOG=str(tmp_path / "smi.log"))

    assert ran.usage == []
    (asked,) = (tmp_path / "smi.log").read_text().splitlines()
    assert "compute_mode" in asked


def test_a_keeper_that_is_killed_costs_no_figures_and_leaves_no_daemon(run: Run) -> None:
    kill = f'{UNTIL_SAMPLED}; kill -KILL "$(pgrep -f -o "keep_gpus $(dirname "$PIPE")")"; sleep 0.2'

    ran = run(
        SMI + MPS,
        settings=WATCHED,
        ON_RUN='PIPE="$APPTAINERENV_CUDA_MPS_PIPE_DIRECTORY"; ' + kill,
    )

    assert ran.status == 0, ran.err
    assert len(ran.usage) == 2
    assert ran.mps[-1] == "quit"
    assert not Path(ran.container["CUDA_MPS_PIPE_DIRECTORY"]).parent.exists()


def test_without_nvidia_smi_there_are_no_figures(run: Run) -> None:
    assert run(MPS, settings=WATCHED).usage == []
