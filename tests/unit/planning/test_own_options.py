"""Options that are typed in RELION's window: which go to the queue, which are decided already."""

from __future__ import annotations

import os
import pwd
import re

import pytest

from dispatcher.config.configuration import load_configuration
from dispatcher.errors import InputError
from dispatcher.job_script.variables import NO_TOKEN
from dispatcher.jobs.watcher import watcher_script

from .planned import Typed

pytestmark = pytest.mark.usefixtures("images")

CTF = "relion-5.0.1/CtfFind_job003"
USER = pwd.getpwuid(os.getuid()).pw_name


@pytest.mark.parametrize("option", ["-q high", "--qos high", "--reservation=r1", "--wckey w"])
def test_the_watcher_gets_them_in_words_that_its_scheduler_reads(option: str, typed: Typed) -> None:
    planned = typed({"options": option})

    scheduler = load_configuration().site.schedulers["slurm"]
    text = watcher_script(planned, scheduler, NO_TOKEN)
    assert f"\n#SBATCH {option}\n" in text


@pytest.mark.parametrize(
    "option",
    ["--mem=1T", "--partition=x", "--part x", "-p x", "-px", "--nodes=2", "-N2", "--gres=gpu:8",
     "-t 5", "--gpus-per-task=1", "-G8", "-M other", "--clusters=other", "--output=/tmp/x",
     "--array=1-5", "-vp other", "-sN4", "-vM other", "--tres-per-node=gres/gpu:8", "-B 2:8:1",
     "--cpus-per-gpu=2", "--mincpus=9", "--constraint=old", "-Cold", "--gre=gpu:8"],
)  # fmt: skip
@pytest.mark.parametrize("before", ["", "--exclude=node3 "])
def test_what_the_dispatcher_decides_is_no_further_option(
    option: str, before: str, typed: Typed
) -> None:
    with pytest.raises(InputError, match=f"{re.escape(option)} is for relion-dispatch to decide"):
        typed({"options": f"{before}{option}"})


@pytest.mark.parametrize(
    ("scheduler", "option", "is_ours"),
    [
        ("pbs", "-l walltime=1", True), ("pbs", "-lselect=1", True), ("pbs", "-W umask=0", True),
        ("pbs", "-l foo=1,mem=1gb", True), ("pbs", "-l foo=1", False), ("pbs", "-p 5", False),
        ("pbs", "-W group_list=lab", False), ("gridengine", "-l h_rt=5", True),
        ("gridengine", "-pe smp 4", True), ("gridengine", "-l big=1", False),
        ("gridengine", "-p -5", False), ("lsf", "-n 4", True), ("lsf", "-R rusage[mem=1]", True),
        ("lsf", "-R select[type==any]", False), ("lsf", "-W 5", True), ("lsf", "-m host1", False),
        ("lsf", "-R 'select[mem>1000]'", False), ("lsf", "-clusters other", True),
        ("gridengine", "'-ac x=1 -q other'", True), ("gridengine", "-l gpu=8", True),
        ("gridengine", "-l h_vmem=1G", False), ("gridengine", "-binding linear:4", False),
        ("gridengine", "-hard", False), ("pbs", "-l gpu_type=x", True),
        ("slurm", "--gres=lscratch:100", False), ("slurm", "-x node3", False),
    ],
)  # fmt: skip
def test_each_scheduler_knows_what_is_decided(
    scheduler: str, option: str, is_ours: bool, typed: Typed
) -> None:
    if not is_ours:
        planned = typed({"options": option}, scheduler=scheduler)
        assert planned.job_parameters["scheduler_options"] == [option.replace("'", "")]
        return
    with pytest.raises(InputError, match="is for relion-dispatch to decide"):
        typed({"options": option}, scheduler=scheduler)


def test_the_names_of_a_sites_resources_are_decided_as_well(typed: Typed) -> None:
    own = {"gridengine": {"names": {"memory": "h_vmem"}}}

    with pytest.raises(InputError, match="is for relion-dispatch to decide"):
        typed({"options": "-l h_vmem=1G"}, scheduler="gridengine", schedulers=own)
