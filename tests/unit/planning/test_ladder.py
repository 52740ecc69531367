"""What is left to try after a memory was full, and what stays of it when a job is continued."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from dispatcher.config.configuration import load_configuration
from dispatcher.planning.ladder import Ladder
from dispatcher.planning.make_plan import plan_script
from dispatcher.planning.plan import Plan
from dispatcher.ranks.learned import Learned
from dispatcher.reason import topic_of
from dispatcher.relion.command import parse_command

from ...fixture_types import CorpusJob, WriteSite
from .planned import REFINE, SHAPE

pytestmark = pytest.mark.usefixtures("images")

GPUS = {"partition": "here", "ngpu": 2, "nproc": 7, "nthread": 1}
AFTER = {"after": ["gpu_memory", "host_memory"]}


def planned(site: WriteSite, script: Path, learned: Learned | None = None, **settings: Any) -> Plan:
    content: dict[str, Any] = {
        "scheduler": "slurm",
        "mps": False,
        "goes_on": AFTER,
        "partitions": {"here": SHAPE},
        "job_parameters": {"gpu": GPUS, "cpu": {"partition": "here"}},
    }
    site("site.json", content | settings)
    return plan_script(script, load_configuration(), learned_in=lambda _: learned or Learned())


def on_cpus(**parameters: Any) -> dict[str, Any]:
    return {
        "partitions": {"here": {**SHAPE, "gpus": 0}},
        "job_parameters": {"submit": {"partition": "here"}, "gpu": {**GPUS, **parameters}},
    }


def reasons(plan: Plan, topic: str = "goes_on") -> list[str]:
    return [each for each in plan.reasons if topic_of(each) == topic]


@pytest.mark.parametrize("scheduler", ["slurm", "lsf", "local"])
def test_a_refinement_on_gpus_survives_full_memories_whatever_its_scheduler(
    scheduler: str, site: WriteSite, corpus_job: CorpusJob
) -> None:
    plan = planned(site, corpus_job(REFINE), scheduler=scheduler)

    assert plan.goes_on
    assert plan.goes_on.after == ("gpu_memory", "host_memory")
    memory = (120 * 1024, 256 * 1024) if scheduler == "slurm" else ()
    assert plan.goes_on.ladder == Ladder(True, (1000, 2000, 4000), (), memory)
    assert plan.as_json()["goes_on"]["free_gpu_memory"] == [1000, 2000, 4000]
    assert "ranks" not in plan.as_json()["goes_on"]


def test_only_more_than_the_command_leaves_free_is_tried(
    site: WriteSite, corpus_job: CorpusJob
) -> None:
    script = corpus_job(REFINE)
    script.write_text(script.read_text().replace("--pool 3", "--pool 3 --free_gpu_memory 2000"))

    plan = planned(site, script)

    assert plan.goes_on
    assert plan.goes_on.ladder.free_gpu_memory == (4000,)


def test_what_is_left_free_by_a_variable_stays(site: WriteSite, corpus_job: CorpusJob) -> None:
    script = corpus_job(REFINE)
    script.write_text(script.read_text().replace("--pool 3", "--pool 3 --free_gpu_memory $FREE"))
    gpus = {**GPUS, "nproc": 3}

    plan = planned(site, script, scheduler="lsf", job_parameters={"gpu": gpus})

    assert plan.goes_on is None
    assert reasons(plan) == [
        "The job does not go on by itself, because this one has nothing left to try after a full "
        "GPU or full memory."
    ]


@pytest.mark.parametrize(
    ("ranks", "ladder"), [(9, (9, 5, 3)), (5, (5, 3)), (16, (15, 11, 7, 5, 3)), (3, ())]
)
def test_ranks_on_cpus_go_down_to_the_fewest_that_relion_takes(
    ranks: int, ladder: tuple[int, ...], site: WriteSite, corpus_job: CorpusJob
) -> None:
    plan = planned(site, corpus_job(REFINE), scheduler="lsf", **on_cpus(nproc=ranks))

    assert (plan.goes_on.ladder.ranks if plan.goes_on else ()) == ladder
    if plan.goes_on:
        assert plan.goes_on.after == ("host_memory",)
        assert plan.commands[0].prefix[-1].on_node == f'"${{dispatch_ranks:-{ladder[0]}}}"'
        assert reasons(plan)[0].endswith("But this one has nothing left to try after a full GPU.")


@pytest.mark.parametrize(
    ("settings", "rows"),
    [
        ({"mem": "64G"}, (64, 128, 256)),
        ({"mem": "256G"}, ()),
        ({"mem": "64000M"}, (62.5, 125, 256)),
        ({"mem": 64000}, ()),  # of what unit, only Slurm knows
        ({"mem": None}, ()),
    ],
)
def test_more_memory_is_asked_for_as_far_as_the_nodes_have_it(
    settings: dict[str, Any], rows: tuple[float, ...], site: WriteSite, corpus_job: CorpusJob
) -> None:
    script = corpus_job("relion-5.0.1/MotionCorr_job002")

    plan = planned(
        site,
        script,
        job_parameters={"motioncorr_own": {"partition": "here", "nproc": 1} | settings},
    )

    found = plan.goes_on.ladder.memory_mib if plan.goes_on else ()
    assert [each / 1024 for each in found] == [*rows]


@pytest.mark.parametrize("known", [{}, {"memory": "256G"}])
def test_nobody_asks_for_memory_that_nobody_knows_of(
    known: dict[str, str], site: WriteSite, corpus_job: CorpusJob
) -> None:
    nodes = {key: value for key, value in SHAPE.items() if key != "memory"} | known

    plan = planned(site, corpus_job(REFINE), partitions={"here": nodes})

    assert plan.goes_on
    assert bool(plan.goes_on.ladder.memory_mib) == bool(known)


@pytest.mark.parametrize(("per", "rows"), [("core", 2), ("none", 0)])
def test_memory_is_raised_where_jobs_ask_for_any(
    per: str, rows: int, site: WriteSite, corpus_job: CorpusJob
) -> None:
    site("schedulers/slurm.json", {"memory_per": per})

    plan = planned(site, corpus_job(REFINE))

    assert plan.goes_on
    assert len(plan.goes_on.ladder.memory_mib) == rows


def test_memory_stays_where_next_runs_are_queued_ahead(
    site: WriteSite, corpus_job: CorpusJob
) -> None:
    """There a node may not call the scheduler."""
    plan = planned(site, corpus_job(REFINE), goes_on={**AFTER, "queued_ahead": 2})

    assert plan.goes_on
    assert plan.goes_on.ladder == Ladder(True, (1000, 2000, 4000))


def test_rows_are_those_of_what_is_survived(site: WriteSite, corpus_job: CorpusJob) -> None:
    host = planned(site, corpus_job(REFINE), goes_on={"after": ["host_memory", "time_limit"]})

    assert host.goes_on
    assert host.goes_on.after == ("time_limit", "host_memory")
    assert host.goes_on.ladder == Ladder(True, memory_mib=(120 * 1024, 256 * 1024))

    limit = planned(site, corpus_job(REFINE), goes_on={"after": ["time_limit"]})

    assert limit.goes_on
    assert limit.goes_on.ladder == Ladder()


def continued(script: Path) -> Path:
    """RELION's user continues the refinement."""
    star = script.parent / "job.star"
    star.write_text(re.sub(r"(_rlnJobIsContinue\s+)0", r"\g<1>1", star.read_text()))
    return script


def test_fewer_ranks_share_a_gpu_that_more_have_filled(
    site: WriteSite, corpus_job: CorpusJob
) -> None:
    script = continued(corpus_job(REFINE))
    before = planned(site, script)

    plan = planned(site, script, Learned(ranks_per_gpu=2))

    assert (before.nproc, plan.nproc) == (7, 5)
    assert (
        "At most 2 ranks may share a GPU, not 3: more have filled its memory in an earlier run of "
        "this job."
    ) in plan.reasons
    assert plan.decisions and plan.decisions.as_json(plan.reasons)
    assert planned(site, script, Learned(ranks_per_gpu=3)).reasons == before.reasons


def test_relions_own_least_stays(site: WriteSite, corpus_job: CorpusJob) -> None:
    one_gpu = {"job_parameters": {"gpu": {**GPUS, "ngpu": 1}}}

    plan = planned(site, continued(corpus_job(REFINE)), Learned(ranks_per_gpu=1), **one_gpu)

    assert plan.nproc == 3


def test_fewer_ranks_run_in_memory_that_more_have_filled(
    site: WriteSite, corpus_job: CorpusJob
) -> None:
    script = continued(corpus_job(REFINE))

    plan = planned(site, script, Learned(ranks=5), **on_cpus(nproc=9))

    assert plan.nproc == 5
    said = "At most 5 of 9 ranks: an earlier run of this job filled its memory with more."
    assert said in plan.reasons
    assert said not in planned(site, script, Learned(ranks=9), **on_cpus(nproc=9)).reasons


def test_a_job_has_the_memory_with_which_its_last_run_went_on(
    site: WriteSite, corpus_job: CorpusJob
) -> None:
    script = continued(corpus_job(REFINE))

    plan = planned(site, script, Learned(memory_mib=200 * 1024))

    assert plan.job_parameters["mem"] == "200G"
    assert (
        "200G of host memory instead of 120G: with less, an earlier run of this job filled it."
    ) in plan.reasons
    assert plan.goes_on
    assert plan.goes_on.ladder.memory_mib == (200 * 1024, 256 * 1024)
    assert planned(site, script, Learned(memory_mib=2**30)).job_parameters["mem"] == "256G"


def test_as_much_of_a_gpu_stays_free_as_in_the_last_run(
    site: WriteSite, corpus_job: CorpusJob
) -> None:
    script = continued(corpus_job(REFINE))

    plan = planned(site, script, Learned(free_gpu_memory=2000))

    assert plan.commands[0].command.value("free_gpu_memory") == "2000"
    (said,) = [each for each in reasons(plan, "gpu_memory") if "2000" in each]
    assert said.startswith("--free_gpu_memory 2000: with less, an earlier run of this job filled")
    assert plan.goes_on
    assert plan.goes_on.ladder.free_gpu_memory == (4000,)


@pytest.mark.parametrize("given", ["4000", "2000", "$FREE"])
def test_what_is_left_free_is_never_made_less(given: str) -> None:
    command = parse_command(f"relion_refine --i a.star --free_gpu_memory {given}")

    assert Learned(free_gpu_memory=2000).left_free(command) == (command, ())


def test_a_job_that_begins_anew_has_learned_nothing(site: WriteSite, corpus_job: CorpusJob) -> None:
    """It may be another one, with a smaller box."""
    script = corpus_job(REFINE)

    learned = Learned(1, 1, 4000, 200_000)
    assert planned(site, script, learned).reasons == planned(site, script).reasons


def test_of_several_runs_the_least_counts() -> None:
    runs = [Learned(), Learned(2, None, 1000, 9), Learned(1, 5), Learned(None, 7, 4000, 8)]

    assert Learned.of_all(runs) == Learned(1, 5, 4000, 9)
    assert Learned.of_all([]) == Learned()
