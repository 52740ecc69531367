"""What the job script does for GPUs on the node: MPS for its ranks, and what keeps it from that.

There is no GPU, driver or container here: stand-ins (``tests/stand_ins/gpu``) answer for
nvidia-smi, for NVIDIA's control daemon (``tests/system/mps`` has the real one) and for
Apptainer.
"""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path
from typing import Any

import pytest

from .gpu_job import MPS, SMI, Run

pytestmark = pytest.mark.usefixtures("images")


def test_ranks_find_the_daemon_and_name_the_devices_as_it_does(run: Run) -> None:
    ran = run(
        SMI + MPS,
        CUDA_VISIBLE_DEVICES="1,0",
        ON_RUN='stat -c %a "${APPTAINERENV_CUDA_MPS_PIPE_DIRECTORY%/pipe}" >> "$MPS_LOG"',
    )

    assert ran.status == 0, ran.err
    assert ran.mps == ["start GPU-bbbb-1,GPU-aaaa-0", "700", "quit"]
    assert ran.container["CUDA_VISIBLE_DEVICES"] == "GPU-bbbb-1,GPU-aaaa-0"
    pipe = Path(ran.container["CUDA_MPS_PIPE_DIRECTORY"])
    assert pipe.name == "pipe"
    assert not pipe.parent.exists()
    assert not list(ran.job.glob("mps_log*"))


def test_ranks_and_daemon_count_the_gpus_as_nvidia_smi_does(run: Run, tmp_path: Path) -> None:
    """Whatever the user's own variable says, outside the container as well."""
    ran = run(
        SMI + MPS,
        CUDA_DEVICE_ORDER="FASTEST_FIRST",
        ON_RUN='echo "outside: $CUDA_DEVICE_ORDER"',
    )

    assert ran.container["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    assert "outside: PCI_BUS_ID" in ran.out
    assert (tmp_path / "mps.log.order").read_text() == "PCI_BUS_ID\n"


@pytest.mark.parametrize(
    ("visible", "found"),
    [
        (None, "GPU-aaaa-0,GPU-bbbb-1"),
        ("1", "GPU-bbbb-1"),
        ("GPU-bbbb", "GPU-bbbb-1"),
        ("GPU-bbbb-1,GPU-aaaa-0", "GPU-bbbb-1,GPU-aaaa-0"),
    ],
)
def test_the_daemon_sees_the_jobs_devices_only(visible: str | None, found: str, run: Run) -> None:
    variables = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}

    assert run(SMI + MPS, **variables).mps[0] == f"start {found}"


def test_without_nvidia_smi_ranks_and_daemon_keep_their_numbers(run: Run) -> None:
    ran = run(MPS, CUDA_VISIBLE_DEVICES="1,0")

    assert ran.mps[0] == "start none"
    assert ran.container["CUDA_VISIBLE_DEVICES"] == "1,0"
    assert "CUDA_MPS_PIPE_DIRECTORY" in ran.container


def test_a_failed_job_keeps_the_daemons_log(run: Run) -> None:
    ran = run(SMI + MPS, ON_RUN="exit 3")

    assert ran.status == 3
    assert ran.mps[-1] == "quit"
    (logs,) = ran.job.glob("mps_log_*")
    assert (logs / "daemon.log").exists()


def test_without_the_daemons_program_the_ranks_run_all_the_same_and_it_is_said(run: Run) -> None:
    ran = run(SMI)

    assert (ran.status, ran.ranks) == (0, 5)
    assert "run without MPS" in ran.err
    assert "the program nvidia-cuda-mps-control is missing" in ran.err
    assert "CUDA_MPS_PIPE_DIRECTORY" not in ran.container


def test_a_daemon_that_ends_at_once_is_named_with_its_last_words(run: Run) -> None:
    ran = run(SMI + MPS, MPS_FAILS="no such device")

    assert (ran.status, ran.ranks) == (0, 5)
    assert "run without MPS" in ran.err
    assert "the MPS daemon ended: no such device" in ran.err
    (logs,) = ran.job.glob("mps_log_*")
    assert "no such device" in (logs / "daemon.log").read_text()


def test_without_mps_memory_is_counted_as_it_is_then(run: Run) -> None:
    ran = run(SMI, fit={"bytes_per_rank_without_mps": 20_000_000_000, "usable_percent": 97})

    assert ran.ranks == 3
    assert "3 instead of 5 ranks" in ran.out


def test_ranks_of_an_unknown_box_use_the_daemon_all_the_same(run: Run) -> None:
    """The particles' path is to be expanded on the node."""
    ran = run(SMI + MPS, particles="$DATA/particles.star", MIB="2000")

    assert (ran.status, ran.ranks) == (0, 5), ran.err
    assert "CUDA_MPS_PIPE_DIRECTORY" in ran.container
    assert "command not found" not in ran.err
    assert ran.mps[-1] == "quit"


def test_a_daemon_that_hangs_holds_the_job_up_for_some_seconds_only(run: Run) -> None:
    """It would hang for longer than `run` waits for the job."""
    ran = run(SMI + MPS, MPS_HANGS="yes", MIB="6000")

    assert "the MPS daemon did not answer within 5 s" in ran.err
    assert ran.ranks == 3, "the card's memory is known all the same"


def test_the_folder_of_a_job_that_is_just_starting_is_left_alone(run: Run, tmp_path: Path) -> None:
    """It has no owners for a moment."""
    folder = Path(f"/tmp/relion-mps.{secrets.token_hex(8)}")
    (folder / "pipe").mkdir(parents=True)
    (folder / "owners").touch()
    try:
        assert run(SMI + MPS).status == 0

        assert (folder / "pipe").is_dir()
    finally:
        shutil.rmtree(folder)


def test_a_sites_own_template_of_version_0_1_0_runs(run: Run, site: Any) -> None:
    """Its blocks have the same moments, and the same variables."""
    site(
        "job_template/refine.sh.j2",
        """{% extends "gpu.sh.j2" %}
{% block environment %}
{{ super() }}
export APPTAINERENV_CUDA_OWN={{ job.ngpu }}
{% endblock %}
{% block prologue %}
{{ super() }}
echo "prologue: ${dispatch_ranks} ranks, $([ -d "$dispatch_scratch" ] && echo scratch)"
{% endblock %}
{% block epilogue %}
{{ super() }}
    echo "epilogue: $(ls {{ job.name }} | grep EXIT)"
    [ -d "$dispatch_scratch" ] || echo "no scratch"
    ls {{ job.name }} | grep -c dispatch.run
{% endblock %}
""",
    )

    ran = run(SMI + MPS, MIB="6000")

    assert ran.status == 0, ran.err
    assert "prologue: 3 ranks, scratch\n" in ran.out
    assert ran.out.endswith("epilogue: RELION_JOB_EXIT_SUCCESS\nno scratch\n0\n")
    assert ran.container["CUDA_OWN"] == "2"


def test_amds_gpus_need_neither(run: Run, amd: dict[str, Any], tmp_path: Path) -> None:
    ran = run([], settings=amd)

    assert (ran.status, ran.ranks) == (0, 5), ran.err
    text = (tmp_path / "job_script").read_text()
    assert "nvidia" not in text.lower()
    assert "--rocm" in text


@pytest.mark.parametrize(
    "given",
    [
        {"ROCR_VISIBLE_DEVICES": "2,3"},
        {"HIP_VISIBLE_DEVICES": "2,3"},
        {"ROCR_VISIBLE_DEVICES": "2,3", "HIP_VISIBLE_DEVICES": "0,1"},
    ],
)
def test_amds_variables_pass_as_the_scheduler_set_them(
    given: dict[str, str], run: Run, amd: dict[str, Any]
) -> None:
    """Slurm may set CUDA's beside them, with the same numbers, which HIP would count once more."""
    ran = run([], settings=amd, CUDA_VISIBLE_DEVICES="2,3", **given)

    assert ran.status == 0, ran.err
    assert ran.container == given
