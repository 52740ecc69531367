"""A refinement that fills the memory of a GPU, or its host's: each next run takes less."""

from __future__ import annotations

import os
import subprocess
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from ....fixture_types import CorpusJob, WriteSite
from ....waiting import wait_for
from ..running_job import RunningJob, exit_files
from .conftest import SOON, TOKEN, Refinement

FULL_GPU = "ERROR: CudaCustomAllocator out of memory"
FULL_HOST = "std::bad_alloc"
AFTER = ["time_limit", "gpu_memory", "host_memory", "lost_node"]


class FillsMemory(Refinement):
    """Its runs do one after the other what they are told."""

    def in_turn(self, *runs: str) -> subprocess.Popen[str]:
        """Start the script: the programs of its first run do the first of these, and so on."""
        each = "".join(f"{number}) {does} ;; " for number, does in enumerate(runs, 1))
        return self.start_with(f'case $(wc -l <"$RECORDED") in {each} esac')

    def fails(self, says: str, iterations: str = "") -> str:
        """What a program does that writes these iterations, and fails with that."""
        return f"{self.writes(iterations)} echo '{says}' >&2; exit 1"


@pytest.fixture
def make(
    corpus_job: CorpusJob, running_job: RunningJob, site: WriteSite, tmp_path: Path, images: None
) -> Any:
    """Makes the job; `settings` are laid upon the site's, `parameters` upon those of its type."""

    def make(
        settings: dict[str, Any] | None = None, gpus: int = 2, **parameters: Any
    ) -> FillsMemory:
        here = {"cores": 64, "gpus": gpus, "gpu_memory": "24564M"}
        content: dict[str, Any] = {
            "scheduler": "slurm",
            "goes_on": {"after": AFTER},
            "mps": False,
            "partitions": {"here": here if gpus else {"cores": 64, "gpus": 0}},
            "job_parameters": {
                "gpu": {"partition": "here", "ngpu": gpus, "nproc": 5, "nthread": 1} | parameters
            },
        }
        site("site.json", content | (settings or {}))
        return FillsMemory(corpus_job("relion-5.0.1/Refine3D_job011"), running_job, tmp_path)

    return make


def ranks_and_free(words: list[str]) -> tuple[str, str]:
    """The number of ranks, and MB that are left free."""
    options = dict(pairwise(words))
    return options["-n"], options["--free_gpu_memory"]


def test_a_full_gpu_gets_fewer_ranks_and_then_more_memory_is_left_free(make: Any) -> None:
    job = make()
    began = job.in_turn(
        job.fails(FULL_GPU, "1 2"), job.fails(FULL_GPU, "3"), job.fails(FULL_GPU), "true"
    )

    assert began.wait(120) == 0

    assert exit_files(job.script) == {"SUCCESS"}
    assert [ranks_and_free(each) for each in job.commands()] == [
        ("5", "164"),
        ("3", "164"),
        ("3", "1000"),
        ("3", "2000"),
    ]
    assert ["--continue" in each for each in job.commands()] == [False, True, True, True]
    first, second, third = (job.run_record(number) for number in (1, 2, 3))
    assert (first["why"], first["most_each"], first["to_iteration"]) == ("gpu_memory", "1", "2")
    assert (second["free_gpu_memory"], third["free_gpu_memory"]) == ("1000", "2000")
    assert third["most_each"] == "1"
    last = job.run_record()
    assert (last["run"], last["ending"], last["ranks"]) == ("4", "SUCCESS", "3")
    said = job.says()
    assert (
        "Run 1 of the job filled the memory of a GPU after iteration 2: the job goes on by itself, "
        "with 1 instead of 2 ranks on each GPU.\n"
    ) in said
    assert "goes on from iteration 2; with at most 1 rank on each GPU.\n" in said
    assert "the job goes on by itself, with --free_gpu_memory 1000.\n" in said
    assert "with at most 1 rank on each GPU and --free_gpu_memory 2000.\n" in said
    assert "relion-dispatch" not in job.says("run.err")
    left = {path.name for path in job.folder.glob(".dispatch_*")}
    assert left == {f".dispatch_claim.{TOKEN}{number}" for number in ("", ".2", ".3", ".4")}


def test_a_job_that_fills_a_gpu_in_its_first_iteration_begins_anew_with_less(make: Any) -> None:
    """The job begins again, with less: not the same run in a row."""
    job = make()
    full = job.fails(FULL_GPU)

    assert job.in_turn(full, full, full, full, full).wait(120) == 1

    assert exit_files(job.script) == {"FAILURE"}
    assert [ranks_and_free(each) for each in job.commands()][-1] == ("3", "4000")
    assert not [each for each in job.commands() if "--continue" in each]
    sentence = job.says("run.err").splitlines()[-1]
    assert "because a GPU ran out of memory: " in sentence
    assert sentence.endswith(
        "The job was tried with at most 1 rank on each GPU and --free_gpu_memory 4000."
    )


def test_the_next_run_is_the_same_process_with_what_the_first_was_given(make: Any) -> None:
    job = make()
    tell = f'echo "$(ps -o sid= -p $$) $SLURM_JOB_ID $MADE_UP" >>{job.folder}/told; '
    os.environ["MADE_UP"] = "two\nlines"

    began = job.in_turn(tell + job.fails(FULL_GPU), tell)

    assert began.wait(60) == 0
    first, second = (job.folder / "told").read_text().splitlines()
    assert first == second
    assert first.split()[:2] == [str(began.pid), "17"]
    assert job.run_record(1)["scheduler_job_id"] == job.run_record()["scheduler_job_id"] == "17"
    assert not (job.folder.parents[1] / "asked").exists(), "Slurm is not asked for anything"


def test_what_a_run_has_learned_holds_after_a_cut(make: Any) -> None:
    job = make()
    begun = job.folder / "begun"
    running = job.in_turn(job.fails(FULL_GPU, "1"), f"touch {begun}; sleep 300")
    wait_for(begun.exists, 40)
    job.answer(SOON.format(0))
    job.cut(running)
    assert job.run_record(2)["why"] == "time_limit"

    assert job.in_turn("true", "true", "true").wait(60) == 0

    assert [ranks_and_free(each)[0] for each in job.commands()] == ["5", "3", "3"]


def test_what_a_run_has_learned_holds_after_its_node_was_lost(make: Any) -> None:
    job = make()
    begun = job.folder / "begun"
    running = job.in_turn(job.fails(FULL_GPU, "1"), f"touch {begun}; sleep 300")
    wait_for(begun.exists, 40)
    os.killpg(running.pid, 9)
    subprocess.run(["pkill", "-KILL", "-s", str(running.pid)], check=False)
    running.wait(20)

    assert job.in_turn("true", "true", "true").wait(120) == 0

    assert job.run_record(2)["most_each"] == "1"
    assert [ranks_and_free(each)[0] for each in job.commands()] == ["5", "3", "3"]


def test_full_memory_of_the_host_gets_fewer_ranks_on_each_gpu(make: Any) -> None:
    job = make()
    full = job.fails(FULL_HOST)

    assert job.in_turn(full, full, "true").wait(60) == 1

    assert [ranks_and_free(each) for each in job.commands()] == [("5", "164"), ("3", "164")]
    assert "filled the memory that the job has: the job goes on by itself, with 1" in job.says()
    assert job.says("run.err").splitlines()[-1].endswith("tried with at most 1 rank on each GPU.")


def test_full_memory_without_gpus_gets_fewer_ranks(make: Any) -> None:
    job = make(gpus=0, nproc=9)
    full = job.fails(FULL_HOST)

    assert job.in_turn(full, full, full, full, "true").wait(60) == 1

    ranks = [dict(pairwise(each))["-n"] for each in job.commands()]
    assert ranks == ["9", "5", "3"], "half sets need an odd number"
    assert "with 5 instead of 9 ranks." in job.says()
    assert "The job was tried with at most 3 ranks." in job.says("run.err")


MEMORY = {"here": {"cores": 64, "gpus": 0, "memory": "256G"}}


def test_a_job_without_ranks_to_spare_gets_more_memory_through_the_queue(make: Any) -> None:
    job = make({"partitions": MEMORY}, gpus=0, nproc=5, mem="64G")
    job.answer("JobState=RUNNING Requeue=1 Restarts=0")
    full = job.fails(FULL_HOST, "1")

    assert job.in_turn(full, full).wait(60) == 1

    asked = job.folder.parents[1] / "asked"
    update = "update JobId=17 MinMemoryNode=131072 Requeue=1"
    assert asked.read_text().splitlines() == ["update JobId=17 Requeue=1", "requeue 17", update]
    assert not exit_files(job.script)
    assert [job.run_record(number).get("memory_mib") for number in (1, 2)] == [None, "131072"]
    assert (
        "Run 2 of the job filled the memory that the job has after iteration 1: the job goes on by "
        "itself, with 128 GiB instead of 64 GiB of memory, for which it waits in the queue.\n"
    ) in job.says()

    asked.unlink()
    assert job.in_turn("true", "true", full, "true").wait(60) == 1
    assert "goes on from iteration 1; with at most 3 ranks and 128 GiB of memory.\n" in job.says()
    assert "MinMemoryNode=262144" in asked.read_text()

    assert job.in_turn("true", "true", "true", full).wait(60) == 1
    assert exit_files(job.script) == {"FAILURE"}
    sentence = job.says("run.err").splitlines()[-1]
    assert sentence.endswith("The job was tried with at most 3 ranks and 256 GiB of memory.")


def test_a_job_to_which_slurm_gives_no_more_memory_fails(make: Any) -> None:
    job = make({"partitions": MEMORY}, gpus=0, nproc=3, mem="64G")
    job.answer("JobState=RUNNING Requeue=1 Restarts=0", refuses="Invalid user")

    assert job.in_turn(job.fails(FULL_HOST, "1")).wait(60) == 1

    assert exit_files(job.script) == {"FAILURE"}
    assert job.says("run.err").splitlines()[-1] == (
        "relion-dispatch: The job does not go on, because its scheduler did not take the next run "
        "with 128 GiB of memory, or the job was cancelled: continue the job in RELION, or show "
        "this line to your admin."
    )
    assert job.run_record()["memory_mib"] == "65536", "nobody keeps to what cannot be had"


def test_a_job_that_is_not_to_survive_a_full_memory_fails_at_once(make: Any) -> None:
    job = make({"goes_on": True})

    assert job.in_turn(job.fails(FULL_GPU, "1"), "true").wait(60) == 1

    assert exit_files(job.script) == {"FAILURE"}
    assert len(job.commands()) == 1
    assert "tried with" not in job.says("run.err")


def test_an_ending_of_the_sites_own_may_be_a_full_memory(make: Any, site: WriteSite) -> None:
    own = {"pattern": "no room on the card", "cause": "a card is full", "advice": "wait"}
    site("endings.json", {"own": own | {"kind": "gpu_memory"}, "other": own | {"pattern": "odd"}})
    job = make()

    assert job.in_turn(job.fails("No room on the card", "1"), job.fails("odd")).wait(60) == 1

    assert [ranks_and_free(each)[0] for each in job.commands()] == ["5", "3"]
    sentence = job.says("run.err").splitlines()[-1]
    assert "because a card is full: wait" in sentence
    assert "tried with" not in sentence, "that was not the reason"


def test_a_job_goes_on_as_often_as_the_site_says(make: Any) -> None:
    job = make({"goes_on": {"after": AFTER, "at_most": 1}})

    assert job.in_turn(job.fails(FULL_GPU, "1"), job.fails(FULL_GPU, "2"), "true").wait(60) == 1

    assert len(job.commands()) == 2
    assert "because a GPU ran out of memory" in job.says("run.err")


def test_an_abort_while_a_gpu_fills_ends_the_job(make: Any) -> None:
    job = make()
    abort = f"touch {job.folder}/RELION_JOB_ABORT_NOW; "

    job.in_turn(abort + job.fails(FULL_GPU, "1"), "true").wait(60)

    assert exit_files(job.script) == {"ABORTED"}
    assert len(job.commands()) == 1


def test_a_script_that_was_submitted_again_meanwhile_is_not_run(make: Any) -> None:
    """Others may write in the job's folder: what runs is the text that was submitted."""
    job = make()
    changed = f"echo 'touch {job.folder}/was_here' >>{job.folder}/run_submit.script.run; "

    assert job.in_turn(changed + job.fails(FULL_GPU, "1"), "true").wait(60) == 0

    assert not (job.folder / "was_here").exists()


def test_on_this_machine_alone_the_next_run_is_found_by_the_jobs_number(make: Any) -> None:
    """The job keeps its number, by which it is known there."""
    job = make({"scheduler": "local", "partitions": {}})
    found = f"ps -o args= -p $(ps -o sid= -p $$) >>{job.folder}/told; "

    assert job.in_turn(found + job.fails(FULL_HOST, "1"), found, found).wait(60) == 0

    assert exit_files(job.script) == {"SUCCESS"}
    *_, again = (job.folder / "told").read_text().splitlines()
    assert again.endswith(
        f" {job.folder.parent.name}/{job.folder.name}/run_submit.script.run {TOKEN}"
    )


def test_a_job_with_next_runs_in_the_queue_goes_on_in_place(make: Any) -> None:
    """It waits for nobody then: the words of the script are no job's number."""
    job = make({"goes_on": {"after": AFTER, "queued_ahead": 2}})

    assert job.in_turn(job.fails(FULL_GPU, "1"), "true").wait(60) == 0

    assert exit_files(job.script) == {"SUCCESS"}
    assert [ranks_and_free(each)[0] for each in job.commands()] == ["5", "3"]
