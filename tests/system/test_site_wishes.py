"""A real Slurm takes what a site says of account, memory, time and mail, and RELION its scratch."""

from __future__ import annotations

import json
import re
import secrets
import subprocess
from pathlib import Path
from typing import Any

import pytest

from .jobs import REFINE, mask_job
from .project import MakeProject, Project
from .test_trials import GPU, said_by_check


def change_site(project: Project, **keys: Any) -> None:
    """Add keys to the site.json of the project's site."""
    file = Path(project.environment["RELION_DISPATCH_SITE"]) / "site.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **keys}))


def known_to_slurm(project: Project, job: Path) -> dict[str, str]:
    """What Slurm knows of the job: NAME=VALUE."""
    show = ["scontrol", "show", "job", "--oneliner", project.record(job)["job_id"]]
    said = subprocess.run(show, capture_output=True, text=True, check=True).stdout
    return dict(re.findall(r"([\w/:]+)=(\S*)", said))


@pytest.mark.parametrize("form", ["python", "appliance"])
def test_a_job_has_what_the_site_and_the_users_environment_say(make_project: MakeProject) -> None:
    """Nobody but the variable names the account, as at sites where users activate a project."""
    project = make_project("5")
    change_site(
        project,
        schedulers={"slurm": {"memory_per": "core"}},
        partitions={"gpu": {**GPU, "time": "00:30:00", "scheduler_options": ["--nice=7"]}},
        mail={"on": ["failure"], "to": "{user}@example.org"},
        accounts=[{"users": ["somebody"], "account": "another"}],
    )
    project.environment["SBATCH_ACCOUNT"] = "proj42"
    job = mask_job(project)

    project.run_job(job)

    project.assert_succeeded(job)
    assert project.record(job)["job_parameters"]["mem"] == "2G"
    found = known_to_slurm(project, job)
    user = subprocess.run(["id", "-un"], capture_output=True, text=True).stdout.strip()
    assert found["Account"] == "proj42"
    assert found["MinMemoryCPU"] == f"{2048 // int(found['NumCPUs'])}M"
    assert found["TimeLimit"] == "00:30:00"
    assert found["MailUser"] == f"{user}@example.org"
    assert found["Nice"] == "7"
    said = "Account proj42: SBATCH_ACCOUNT in the environment of whoever submits."
    assert said in project.record(job)["reasons"]


@pytest.mark.parametrize("form", ["python"])
def test_relion_copies_its_particles_to_the_sites_scratch(make_project: MakeProject) -> None:
    project = make_project("5", refine={"ngpu": 0})
    scratch = f"/tmp/relion-dispatch-test-{secrets.token_hex(6)}"
    change_site(project, scratch={"folder": scratch, "size": "8M", "option": "--tmp={size}"})
    job = project.add_job("refine3d", **REFINE)

    project.run_job(job)

    project.assert_succeeded(job)
    assert re.search(rf"{scratch}/relion-dispatch\.[0-9a-f]{{16}}/", (job / "run.out").read_text())
    assert "MinTmpDiskNode" in known_to_slurm(project, job)


def test_a_type_of_gpu_that_slurm_has_not_is_named_with_its_key(tmp_path: Path) -> None:
    nodes = [GPU, {**GPU, "gpu_type": "a100"}]

    said = said_by_check(tmp_path, partitions={"gpu": {"nodes": nodes}})

    assert said[0].startswith(f'{tmp_path}/site.json: key "partitions.gpu.nodes.1": the scheduler')
    assert "`--gres=gpu:a100:4`" in said[0]
