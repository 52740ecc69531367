"""What the job script does for GPUs on the node: MPS, smaller cards than planned, what was used.

There is no GPU, driver or container here: stand-ins (``tests/stand_ins/gpu``) answer for
nvidia-smi, for NVIDIA's control daemon (``tests/system/test_mps.py`` has the real one) and for
Apptainer.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from dispatcher.config.configuration import load_configuration
from dispatcher.job_script.variables import NO_TOKEN, job_script
from dispatcher.planning.make_plan import plan_script
from dispatcher.planning.plan import Plan

from ...fixture_types import CorpusJob
from .running_job import STAND_INS, write_job_script

pytestmark = pytest.mark.usefixtures("images")

JOB = "relion-5.0.1/Refine3D_job011"

TOKEN = "0123456789ab"


class Ran:
    """How a job script ran, and what it left."""

    def __init__(self, status: int, folder: Path, script: Path) -> None:
        self.status = status
        self.out = (script.parent / "run.out").read_text()
        self.err = (script.parent / "run.err").read_text()
        self.job = script.parent
        recorded = folder / "recorded"
        self.recorded = recorded.read_text().splitlines() if recorded.exists() else []
        mps = folder / "mps.log"
        self.mps = mps.read_text().splitlines() if mps.exists() else []

    @property
    def ranks(self) -> int:
        """The number after mpirun's -n."""
        words = self.recorded[0].split()
        return int(words[words.index("-n") + 1])

    @property
    def usage(self) -> list[str]:
        """The GPUs in what the job script has written about its run."""
        lines = (self.job / f"dispatch.run.{TOKEN}").read_text().splitlines()
        return [line for line in lines if line.startswith("gpu ")]

    @property
    def container(self) -> dict[str, str]:
        """CUDA's variables in the container."""
        pairs = (line.removeprefix("APPTAINERENV_").split("=", 1) for line in self.recorded[1:])
        return dict(pairs)


Run = Callable[..., Ran]


@pytest.fixture
def run(tmp_path: Path, project: Path, corpus_job: CorpusJob, site: Any) -> Run:
    """Plan a refinement for two GPUs of 24 GB, and run its script with the stand-ins asked for.

    `fit` is laid upon the plan's ``gpu_fit``, `planned` upon the plan; further keywords are
    environment variables.
    """
    partition = {"cores": 64, "gpus": 2, "gpu_memory": "24564M"}
    parameters = {"gpu": {"partition": "gpu", "ngpu": 2, "nproc": 5}}

    def run(
        programs: Sequence[str],
        fit: Mapping[str, Any] | None = None,
        planned: Mapping[str, Any] | None = None,
        job: str = JOB,
        particles: str = "",
        settings: Mapping[str, Any] | None = None,
        **variables: str,
    ) -> Ran:
        content = {"partitions": {"gpu": partition}, "job_parameters": parameters}
        site("site.json", content | dict(settings or {}))
        folder = tmp_path / "bin"
        folder.mkdir()
        for program in ("gpu/apptainer", *programs):
            (folder / Path(program).name).symlink_to(STAND_INS / program)
        script = corpus_job(job)
        text = script.read_text().replace("_dir /scratch ", f"_dir {tmp_path}/scratch ")
        if particles:
            text = re.sub(r"--i \S+", lambda _: f"--i {particles}", text, count=1)
        script.write_text(text)
        plan: Plan = plan_script(script, load_configuration())
        plan = plan._replace(gpu_fit=plan.gpu_fit._replace(**(fit or {})), **(planned or {}))
        write_job_script(plan, TOKEN, tmp_path / "job_script")
        done = subprocess.run(
            ["bash", tmp_path / "job_script"],
            cwd=project,
            timeout=90,
            env={
                "PATH": f"{folder}:{os.environ['PATH']}",
                "RECORDED": str(tmp_path / "recorded"),
                "MPS_LOG": str(tmp_path / "mps.log"),
                **variables,
            },
        )
        return Ran(done.returncode, tmp_path, script)

    return run


SMI = ["gpu/nvidia-smi"]
MPS = ["gpu/nvidia-cuda-mps-control"]


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
    assert "MPS did not start" in ran.err
    assert "there is no nvidia-cuda-mps-control" in ran.err
    assert "CUDA_MPS_PIPE_DIRECTORY" not in ran.container


def test_a_daemon_that_ends_at_once_is_named_with_its_last_words(run: Run) -> None:
    ran = run(SMI + MPS, MPS_FAILS="no such device")

    assert (ran.status, ran.ranks) == (0, 5)
    assert "MPS did not start" in ran.err
    assert "its daemon ended: no such device" in ran.err
    (logs,) = ran.job.glob("mps_log_*")
    assert "no such device" in (logs / "daemon.log").read_text()


def test_without_mps_memory_is_counted_as_it_is_then(run: Run) -> None:
    ran = run(SMI, fit={"bytes_per_rank_without_mps": 20_000_000_000, "usable_percent": 97})

    assert ran.ranks == 3
    assert "3 ranks instead of 5" in ran.out


@pytest.mark.parametrize("variables", [{"MIG": "Enabled"}, {"CUDA_VISIBLE_DEVICES": "MIG-1"}])
def test_a_divided_gpu_gets_no_mps(variables: dict[str, str], run: Run) -> None:
    ran = run(SMI + MPS, **variables)

    assert ran.mps == []
    assert "divided (MIG)" in ran.err
    assert ran.container == (
        {"CUDA_VISIBLE_DEVICES": "MIG-1"} if "MIG" not in variables else {}
    )  # passed through as it is


def test_a_gpu_in_exclusive_mode_that_is_held_gets_no_mps_and_one_rank(run: Run) -> None:
    ran = run(SMI + MPS, MODE="Exclusive_Process", HOLDER="4711, python")

    assert ran.mps == []
    assert "held by process 4711, python" in ran.err
    assert ran.ranks == 3
    assert "exclusive mode" in ran.out


def test_a_dead_jobs_daemon_does_not_hold_a_gpu_in_exclusive_mode(run: Run) -> None:
    dead = Path(tempfile.mkdtemp(prefix="relion-mps.", dir="/tmp"))
    namespace = Path("/proc/self/ns/pid").readlink()
    (dead / "owners").write_text(f"{os.getpid()} 1 {namespace}\n")  # of another start time
    try:
        ran = run(SMI + MPS, MODE="Exclusive_Process", HOLDER="4711, server", HELD_BY=str(dead))

        assert not dead.exists()
    finally:
        shutil.rmtree(dead, ignore_errors=True)
    assert ran.mps[0].startswith("start")
    assert ran.ranks == 5


def test_a_gpu_in_exclusive_mode_that_is_free_gets_mps(run: Run) -> None:
    ran = run(SMI + MPS, MODE="Exclusive_Process")

    assert ran.mps[0].startswith("start")
    assert ran.ranks == 5


def test_a_smaller_card_than_planned_gets_fewer_ranks_and_run_out_says_so(run: Run) -> None:
    ran = run(SMI + MPS, MIB="6000")

    assert ran.ranks == 3
    assert "3 ranks instead of 5: the smallest GPU here has 6000 MiB, and 5 ranks need " in ran.out


def test_a_larger_card_than_planned_gets_no_more_ranks(run: Run) -> None:
    ran = run(SMI + MPS, MIB="140000")

    assert ran.ranks == 5
    assert "instead of 5" not in ran.out


def test_a_card_that_takes_no_rank_is_refused_before_relion_starts(run: Run) -> None:
    ran = run(SMI + MPS, fit={"least_bytes_per_rank": 3_000_000_000}, MIB="2000")

    assert ran.status == 1
    assert ran.recorded == []
    assert "The refinement does not fit: the smallest GPU here has 2000 MiB" in ran.err
    assert "cannot do with less than 2950 MiB" in ran.err
    assert "--pad 1" in ran.err
    assert (ran.job / "RELION_JOB_EXIT_FAILURE").exists()
    assert ran.mps[-1] == "quit"


def test_a_rank_may_make_do_with_less_than_recommended(run: Run) -> None:
    ran = run(SMI + MPS, fit={"least_bytes_per_rank": 1_000_000_000}, MIB="2000")

    assert (ran.status, ran.ranks) == (0, 3)
    assert "less GPU memory than recommended: the smallest GPU here has 2000 MiB" in ran.out


def test_no_rank_fewer_and_yet_less_memory_than_recommended_is_said(run: Run) -> None:
    fit = {"bytes_per_rank": 4_000_000_000, "least_bytes_per_rank": 1_000_000_000}
    ran = run(SMI + MPS, fit={**fit, "ranks_per_gpu": 2, "least": 2}, MIB="6000")

    assert (ran.status, ran.ranks) == (0, 5)
    assert "less GPU memory than recommended" in ran.out


def test_a_card_that_the_job_does_not_use_does_not_count(run: Run) -> None:
    """A workstation's display card, after the two that RELION is given."""
    ran = run(SMI + MPS, DISPLAY_CARD="yes")

    assert ran.ranks == 5
    assert ran.mps[0] == "start GPU-aaaa-0,GPU-bbbb-1"
    assert "exclusive mode" not in ran.out + ran.err


def test_ranks_of_an_unknown_box_use_the_daemon_all_the_same(run: Run) -> None:
    """The particles' path is to be expanded on the node."""
    ran = run(SMI + MPS, particles="$DATA/particles.star", MIB="2000")

    assert (ran.status, ran.ranks) == (0, 5), ran.err
    assert "CUDA_MPS_PIPE_DIRECTORY" in ran.container
    assert "command not found" not in ran.err
    assert ran.mps[-1] == "quit"


def test_exclusive_mode_counts_with_an_unknown_box_as_well(run: Run) -> None:
    ran = run(SMI, particles="$DATA/particles.star", MODE="Exclusive_Process")

    assert ran.ranks == 3, (ran.out, ran.err, ran.recorded)
    assert "MPS did not start" in ran.err


def test_two_ranks_do_not_start_on_one_gpu_in_exclusive_mode(run: Run) -> None:
    fit = {"ranks_per_gpu": 2, "least": 2, "least_bytes_per_rank": 10**9}
    ran = run(SMI, fit, {"ngpu": 1, "nproc": 3}, MODE="Exclusive_Process")

    assert ran.status == 1
    assert ran.recorded == []
    assert "RELION needs 2 on it" in ran.err


@pytest.mark.parametrize("given", ["", "NoDevFiles"])
def test_a_job_that_was_given_no_gpu_does_not_start(given: str, run: Run) -> None:
    ran = run(SMI + MPS, CUDA_VISIBLE_DEVICES=given)

    assert ran.status == 1
    assert ran.recorded == ran.mps == []
    assert "its scheduler gave it no GPU" in ran.err


def test_several_slices_of_a_gpu_are_refused(run: Run) -> None:
    """A CUDA process can use one of them only."""
    ran = run(SMI + MPS, CUDA_VISIBLE_DEVICES="MIG-1111,MIG-6666")

    assert ran.status == 1
    assert ran.recorded == []
    assert "a process can use one only" in ran.err


def test_a_daemon_that_hangs_holds_the_job_up_for_some_seconds_only(run: Run) -> None:
    began = time.monotonic()
    ran = run(SMI + MPS, MPS_HANGS="yes", MIB="6000")

    assert time.monotonic() - began < 60
    assert "its daemon did not answer within 5 s" in ran.err
    assert ran.ranks == 3, "the card's memory is known all the same"


def test_a_silent_nvidia_smi_is_named(run: Run) -> None:
    ran = run(["gpu/silent/nvidia-smi", *MPS])

    assert (ran.status, ran.ranks) == (0, 5)
    assert "did not tell of the job's GPUs" in ran.err


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


@pytest.mark.parametrize(
    ("gpus", "planned", "mib", "ranks"),
    [
        (3, 4, "12000", 7),  # 3 on each would be 9 followers
        (3, 2, "4000", 3),  # 1 on each would be 3
        (1, 4, "12000", 3),
        (1, 2, "4000", 3),  # 2 at the least
    ],
)
def test_split_half_sets_keep_an_odd_number_of_ranks(
    gpus: int, planned: int, mib: str, ranks: int, run: Run
) -> None:
    least = 2 if gpus == 1 else 1
    fit = {"ranks_per_gpu": planned, "least": least, "least_bytes_per_rank": 1_000_000_000}
    plan = {"ngpu": gpus, "nproc": gpus * planned + 1}

    assert run(SMI + MPS, fit, plan, MIB=mib).ranks == ranks


def test_slices_of_a_gpu_count_with_the_memory_of_their_names(run: Run) -> None:
    ran = run(SMI + MPS, MIG="Enabled")

    assert "3 ranks instead of 5: the smallest GPU here has 4765 MiB" in ran.out


def test_a_chosen_slice_counts_alone(run: Run) -> None:
    ran = run(SMI + MPS, CUDA_VISIBLE_DEVICES="MIG-11111111-2222-5333-8444-555555555555")

    assert ran.ranks == 5  # 20 GB


@pytest.mark.parametrize("nodes", [1, 2])
def test_the_record_keeps_the_planned_number_of_ranks(
    nodes: int, corpus_job: CorpusJob, site: Any
) -> None:
    site("site.json", {"scheduler": "slurm", "job_parameters": {"class3d": {"nodes": nodes}}})
    plan = plan_script(corpus_job("relion-5.0.1/Class3D_job010"), load_configuration())

    prefix = plan.as_json()["commands"][0]["prefix"]

    assert all(prefix)
    assert "dispatch_" not in json.dumps(prefix)
    assert (f"--ntasks={plan.nproc}" if nodes > 1 else f"{plan.nproc}") in prefix
    text = job_script(plan, NO_TOKEN)
    assert f'"${{dispatch_ranks:-{plan.nproc}}}"' in text
    assert ('"${dispatch_task[@]}" apptainer' in text) == (nodes > 1)


WATCHED = {"watch_gpus": True}


@pytest.mark.parametrize("status", [0, 3])
def test_what_each_gpu_was_used_for_is_there_at_the_end(status: int, run: Run) -> None:
    """nvidia-smi is a stand-in: two samples of two GPUs, one of which tells no utilisation."""
    ran = run(
        SMI + MPS,
        fit={"bytes_per_rank": 4_000_000_000},
        settings=WATCHED,
        ON_RUN=f"sleep 3; exit {status}",
    )

    node = os.uname().nodename
    assert ran.usage == [
        f"gpu {node} GPU-aaaa-0 2 {3000 * 2**20} 60 2 8000000000",
        f"gpu {node} GPU-bbbb-1 2 {2000 * 2**20} - 2 8000000000",
    ]


def test_gpus_are_watched_without_mps_as_well(run: Run) -> None:
    ran = run(SMI, settings={"mps": False, **WATCHED}, ON_RUN="sleep 3")

    assert len(ran.usage) == 2
    assert "MPS" not in ran.err


def test_gpus_are_not_watched_unless_the_site_says_so(run: Run, tmp_path: Path) -> None:
    ran = run(SMI + MPS, SMI_LOG=str(tmp_path / "smi.log"))

    assert ran.usage == []
    (asked,) = (tmp_path / "smi.log").read_text().splitlines()
    assert "compute_mode" in asked


def test_a_smaller_card_is_seen_without_a_keeper(run: Run) -> None:
    ran = run(SMI, settings={"mps": False}, MIB="6000", ON_RUN="pgrep -P $PPID -f keep_gpus")

    assert (ran.status, ran.ranks) == (1, 3)


def test_exclusive_mode_is_heeded_if_the_site_has_no_mps(run: Run) -> None:
    ran = run(SMI, settings={"mps": False}, MODE="Exclusive_Process")

    assert (ran.status, ran.ranks) == (0, 3)
    assert "a GPU in exclusive mode takes one process" in ran.out


def test_a_keeper_that_is_killed_costs_no_figures_and_leaves_no_daemon(run: Run) -> None:
    kill = 'sleep 3; kill -KILL "$(pgrep -f -o "keep_gpus $(dirname "$PIPE")")"; sleep 0.2'

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


def test_amds_gpus_need_neither(run: Run, site: Any, tmp_path: Path) -> None:
    catalogue = json.loads((tmp_path / "site" / "images.json").read_text())
    for builds in catalogue["relion"]["versions"].values():
        builds[0]["gpu"] = "amd"
    site("images.json", catalogue)

    ran = run([], settings={"apptainer": {"gpu_option": "--rocm"}})

    assert (ran.status, ran.ranks) == (0, 5), ran.err
    text = (tmp_path / "job_script").read_text()
    assert "nvidia" not in text.lower()
    assert "--rocm" in text
