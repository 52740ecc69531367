"""GPUs as PBS gives them (by UUID) and LSF (by number): a job counts and names what it was given.

Cluster, nvidia-smi and Apptainer are stand-ins.
"""

from __future__ import annotations

import pytest

from ...fixture_types import CorpusJob, WriteSite
from ...stand_in_programs import link_stand_in
from ...waiting import wait_for
from ..hook_calls import call_hook
from .cluster import Cluster

GIVEN = {
    "pbs": ("GPU-aaaa-0,GPU-bbbb-1", "GPU-cccc-2,GPU-dddd-3"),
    "lsf": ("0,1", "2,3"),
}


@pytest.mark.usefixtures("images")
def test_two_jobs_on_a_node_use_two_gpus_each(
    cluster: Cluster, site: WriteSite, corpus_job: CorpusJob
) -> None:
    link_stand_in("gpu/nvidia-smi", cluster.folder)
    with (cluster.home / ".bash_profile").open("a") as profile:
        profile.write("export CARDS=4\n")
    gpus = {"cores": 8, "gpus": 2, "gpu_memory": "24G"}
    site(
        "site.json",
        {
            "scheduler": cluster.dialect,
            "mps": False,
            "schedulers": {cluster.dialect: {"watcher": None}},
            "partitions": {"gpu": gpus},
            "job_parameters": {"gpu": {"partition": "gpu", "mem": "8G"}},
        },
    )
    seen = cluster.folder / "seen"
    cluster.does(f'echo "$CUDA_VISIBLE_DEVICES" >>"{seen}"; sleep 300')

    scripts = [corpus_job(f"relion-5.0.1/{name}") for name in ("Class2D_job007", "Class3D_job010")]
    for number, script in enumerate(scripts, 1):
        assert call_hook(script, CARDS="4").returncode == 0
        wait_for(
            lambda number=number: seen.exists() and len(seen.read_text().split()) == number,
            what=f"the start of job {number}: {script.with_name('run.err')}",
        )

    assert tuple(seen.read_text().split()) == GIVEN[cluster.dialect]
    lines = [line for line in cluster.recorded.read_text().splitlines() if "--gpu " in line]
    assert [line.split("--gpu ")[1].split()[0] for line in lines] == ["0:1", "0:1"]
    for script in scripts:
        assert not (script.parent / "RELION_JOB_EXIT_FAILURE").exists()
