"""What a job does not inherit from whoever submits it, and what it does."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from dispatcher.config.gpu_vendors import VENDORS
from dispatcher.config.inherited import not_inherited
from dispatcher.config.scheduler import Scheduler
from dispatcher.config.site import load_site
from dispatcher.scheduler.calls import call, start_detached

from ...waiting import wait_for

# The variables of a step of a job, as Slurm 24 and Open MPI 4 and 5 set them.
OF_A_STEP = [
    "SLURM_JOB_ID", "SLURM_MEM_PER_NODE", "SLURM_NTASKS_PER_NODE", "SLURM_CPU_BIND",
    "SLURMD_NODENAME", "SLURM_JOB_NODELIST", "SLURM_CLUSTERS", "SBATCH_PARTITION",
    "SRUN_CPUS_PER_TASK", "SALLOC_PARTITION",
]  # fmt: skip
OF_A_RANK = [
    "PMIX_RANK", "PMIX_SERVER_URI41", "PMI_RANK",
    "PMI2_FD", "OMPI_COMM_WORLD_RANK", "OMPI_UNIVERSE_SIZE", "OMPI_MCA_ess",
    "OMPI_MCA_orte_hnp_uri", "OMPI_MCA_ess_base_jobid",
    "PRTE_MCA_prte_base_help_aggregate", "PRTE_LAUNCHED", "HYDI_CONTROL_FD",
    "HYDRA_LAUNCHER", "MPI_LOCALRANKID", "MPI_LOCALNRANKS",
]  # fmt: skip
# What people, modules and admins set for MPI, outside of every rank.
FOR_MPI = [
    "OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "PRTE_ALLOW_RUN_AS_ROOT",
    "OMPI_MCA_plm_rsh_agent", "OMPI_MCA_plm_slurm_args", "OMPI_MCA_orte_tmpdir_base",
    "OMPI_MCA_shmem_mmap_enable_nfs_warning", "HYDRA_IFACE", "HYDRA_LAUNCHER", "OMPI_CC",
]  # fmt: skip
OF_A_SHELL = [
    "BASH_ENV", "ENV", "SHELLOPTS", "BASHOPTS", "POSIXLY_CORRECT", "CDPATH", "IFS",
    "TMOUT", "GLOBIGNORE", "PS4", "BASH_XTRACEFD", "GREP_OPTIONS", "dispatch_told",
    "dispatch_guard", "BASH_FUNC_rm%%", "BASH_FUNC_finish%%", "BASH_FUNC_printf()",
]  # fmt: skip
STAYS = [
    "PATH", "HOME", "USER", "LANG", "LC_ALL", "DISPLAY", "TMPDIR", "SLURM_CONF",
    "SLURM_JWT", "KRB5CCNAME", "OMPI_MCA_btl", "PMIX_MCA_gds", "BASH_FUNC_module%%",
    "BASH_FUNC_ml%%", "BASH_FUNC__module_raw%%", "LOADEDMODULES",
]  # fmt: skip


def not_seen(names: list[str], scheduler: str) -> list[str]:
    return list(not_inherited(names, load_site().schedulers[scheduler]))


@pytest.mark.parametrize("scheduler", ["slurm", "local", "interactive"])
@pytest.mark.parametrize("name", [*OF_A_STEP, *OF_A_SHELL])
def test_a_job_is_not_told_of_the_job_or_the_shell_it_was_submitted_from(
    name: str, scheduler: str
) -> None:
    assert not_seen([name], scheduler) == [name]


@pytest.mark.parametrize("scheduler", ["slurm", "local", "interactive"])
@pytest.mark.parametrize("rank", ["PMIX_RANK", "PMI_RANK", "OMPI_COMM_WORLD_RANK", "PALS_RANKID"])
@pytest.mark.parametrize("name", OF_A_RANK)
def test_a_job_is_not_told_of_the_rank_it_was_submitted_from(
    name: str, rank: str, scheduler: str
) -> None:
    assert set(not_seen([name, rank], scheduler)) == {name, rank}


@pytest.mark.parametrize("scheduler", ["slurm", "local", "interactive"])
@pytest.mark.parametrize("name", [*STAYS, *FOR_MPI])
def test_a_job_inherits_what_its_user_has_set(name: str, scheduler: str) -> None:
    assert not_seen([name], scheduler) == []


@pytest.mark.parametrize(
    "name",
    ["CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"],
)
def test_the_gpus_of_a_job_are_those_of_its_machine(name: str) -> None:
    """A job on this machine keeps within what the job has in which it was submitted."""
    assert not_seen([name], "slurm") == [name]
    assert not_seen([name], "local") == []


def test_the_variables_that_list_gpus_are_known_of_all_vendors() -> None:
    lists = [name for vendor in VENDORS.values() for name in vendor.lists]

    assert "CUDA_VISIBLE_DEVICES" in lists
    assert not_seen(lists, "slurm") == lists


def test_what_a_scheduler_names_is_kept_from_it() -> None:
    names = ["FERRY_QUEUE", "FERRY_HOST", "FERRY_ID"]
    own = {"of_a_job": ["FERRY_"], "of_the_cluster": ["FERRY_HOST", "FERRY_QUEUE"]}
    ferry = Scheduler(submit_command=["ferry"], overriding=["FERRY_QUEUE"], **own)

    assert list(not_inherited(names, ferry)) == ["FERRY_QUEUE", "FERRY_ID"]


def test_a_command_does_not_see_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (*OF_A_STEP, *OF_A_RANK, *OF_A_SHELL, *STAYS):
        monkeypatch.setenv(name, os.environ.get(name, "x"))

    printed = call(load_site().schedulers["slurm"], ["/usr/bin/env"], tmp_path).stdout

    names = {line.partition("=")[0] for line in printed.splitlines()}
    assert names >= set(STAYS)
    assert not names & {*OF_A_STEP, *OF_A_RANK, *OF_A_SHELL}


def test_a_job_on_this_machine_runs_in_a_bash_of_its_own_making(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """bash would not run a line of it, or others before it."""
    (tmp_path / "first").write_text("touch canary; exit\n")
    (tmp_path / "job").write_text("cd .. && rm -f x; module; touch done\n")
    monkeypatch.setenv("BASH_ENV", str(tmp_path / "first"))
    monkeypatch.setenv("SHELLOPTS", "noexec:posix")
    monkeypatch.setenv("BASH_FUNC_cd%%", "() { touch canary; }")
    monkeypatch.setenv("BASH_FUNC_rm%%", "() { touch canary; }")
    monkeypatch.setenv("BASH_FUNC_module%%", "() { touch modules; }")
    folder = tmp_path / "project"
    folder.mkdir()

    start_detached(Scheduler(submit_command=["bash"], detached=True), ["bash", "../job"], folder)

    wait_for((tmp_path / "done").exists)
    assert (tmp_path / "modules").exists()
    assert not list(tmp_path.rglob("canary"))


def test_bash_itself_exports_functions_under_such_names() -> None:
    """So that the list holds for the bash that is here."""
    code = "module() { :; }; rm() { :; }; export -f module rm; exec env"
    said = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True).stdout
    names = [line.partition("=")[0] for line in said.splitlines() if line.startswith("BASH_FUNC")]

    assert len(names) == 2
    assert ["rm" in name for name in not_seen(names, "local")] == [True]
