"""A job script that runs on a node with GPUs, which stand-ins answer for."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from dispatcher.config.configuration import load_configuration
from dispatcher.planning.make_plan import plan_script
from dispatcher.planning.plan import Plan

from ....fixture_types import CorpusJob
from ....stand_in_programs import link_stand_in
from ..running_job import write_job_script
from .gpu_job import JOB, TOKEN, Ran, Run


@pytest.fixture
def run(tmp_path: Path, project: Path, corpus_job: CorpusJob, site: Any) -> Run:
    """Plan a refinement for two GPUs of 24 GB, and run its script with the stand-ins asked for.

    `fit` is laid upon the plan's ``gpu_fit``, `planned` upon the plan; further keywords are
    environment variables.
    """
    partition = {"cores": 64, "gpus": 2, "gpu_memory": "24564M"}
    parameters = {"gpu": {"partition": "gpu", "ngpu": 2, "nproc": 5, "nthread": 6}}

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
            link_stand_in(program, folder)
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
                "SAMPLED": str(tmp_path / "sampled"),
                **variables,
            },
        )
        return Ran(done.returncode, tmp_path, script)

    return run


@pytest.fixture
def amd(site: Any, tmp_path: Path) -> dict[str, Any]:
    """What site.json says where the images are for AMD's cards."""
    catalogue = json.loads((tmp_path / "site" / "images.json").read_text())
    for builds in catalogue["relion"]["versions"].values():
        builds[0]["gpu"] = "amd"
    site("images.json", catalogue)
    return {"apptainer": {"gpu_option": "--rocm"}}
