"""Memory per node, per core, per rank or not at all, by one key of the scheduler."""

from __future__ import annotations

from typing import Any

import pytest

from dispatcher.config.configuration import load_configuration
from dispatcher.job_script.variables import NO_TOKEN, job_variables
from dispatcher.jobs.watcher import watcher_script
from dispatcher.planning.memory_request import memory_asked

from ...fixture_types import CorpusJob, WriteSite
from ...scheduler_directives import directives
from .planned import REFINE, plan

SHAPE = {"cores": 64, "gpus": 4, "gpu_memory": "24G", "memory": "256G"}


@pytest.mark.usefixtures("images")
@pytest.mark.parametrize(
    ("per", "option", "value", "of_watcher"),
    [
        ("node", "mem", "120G", "mem"),
        ("core", "mem-per-cpu", f"{120 * 1024 // 52}M", "mem-per-cpu"),
        ("none", None, None, None),
    ],
)
def test_a_job_and_its_watcher_ask_in_the_same_way(
    per: str,
    option: str | None,
    value: str | None,
    of_watcher: str | None,
    site: WriteSite,
    corpus_job: CorpusJob,
) -> None:
    site(
        "site.json",
        {
            "scheduler": "slurm",
            "schedulers": {"slurm": {"memory_per": per}},
            "partitions": {"gpu": SHAPE},
            "job_parameters": {"submit": {"partition": "gpu"}},
        },
    )

    planned = plan(corpus_job(REFINE))

    assert (planned.nproc, planned.nthread) == (13, 4)
    scheduler = load_configuration().site.schedulers["slurm"]
    job = directives(planned)
    watcher = directives(watcher_script(planned, scheduler, NO_TOKEN))
    memory = {"mem", "mem-per-cpu"}
    assert {each: job[each] for each in memory & job.keys()} == (
        {option: [value]} if option else {}
    )
    assert {each: watcher[each] for each in memory & watcher.keys()} == (
        {of_watcher: ["100M"]} if of_watcher else {}
    )


@pytest.mark.parametrize(
    ("parameters", "per", "found"),
    [
        ({"mem": "120G"}, "node", ("node", "120G", 122880)),
        ({"mem": "120G"}, "core", ("core", "3840M", 3840)),
        ({"mem": "120G"}, "rank", ("rank", "30720M", 30720)),
        ({"mem": "120G"}, "none", ("none", None, None)),
        ({"mem": "1.5GiB"}, "rank", ("rank", "384M", 384)),
        ({"mem": None}, "core", ("core", None, None)),
        ({}, "core", ("core", None, None)),
        ({"mem": "0"}, "core", ("node", "0", None)),
        ({"mem": 4000}, "core", ("node", 4000, None)),
        ({"mem": "32M", "nthread_slurm": 1}, "core", ("core", "8M", 8)),
        ({"mem": "32G", "nproc_slurm": 1}, "rank", ("rank", "32768M", 32768)),
        ({"mem": "1M"}, "core", ("core", "1M", 1)),
    ],
)
def test_the_memory_of_a_node_is_divided(
    parameters: dict[str, Any], per: str, found: tuple[Any, ...]
) -> None:
    """7 ranks with 8 threads on 2 nodes: 4 ranks on the fuller one."""
    asked = memory_asked(parameters, per, nproc=7, nthread=8, nodes=2)

    assert (asked.per, asked.each, asked.mebibytes) == found


@pytest.mark.usefixtures("images")
@pytest.mark.parametrize(("time", "seconds"), [("2-00:00:00", 172800), ("90", None), (None, None)])
def test_templates_have_the_time_in_seconds_if_it_means_the_same_to_all(
    time: str | None, seconds: int | None, site: WriteSite, corpus_job: CorpusJob
) -> None:
    site("site.json", {"scheduler": "slurm", "job_parameters": {"submit": {"time": time}}})

    assert job_variables(plan(corpus_job(REFINE)), NO_TOKEN)["seconds"] == seconds
