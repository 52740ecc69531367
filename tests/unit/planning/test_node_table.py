"""What runs on fewer GPUs than planned: lines in which the job script looks up its nodes."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from dispatcher.config.configuration import load_configuration
from dispatcher.job_script.variables import NO_TOKEN, job_variables
from dispatcher.planning.make_plan import plan_script
from dispatcher.planning.node_table import node_table
from dispatcher.planning.plan import Plan
from dispatcher.relion.programs import lookup

from ...corpus import CORPUS
from ...fixture_types import CorpusJob, WriteSite
from .planned import CLASS3D, CLASSIC, REFINE, plan

pytestmark = pytest.mark.usefixtures("images")

JOBS = sorted(str(path.parent.relative_to(CORPUS)) for path in CORPUS.glob("*/*/run_submit.script"))
AUTOPICK = "relion-3.1.4/AutoPick_job009"
VDAM = "relion-5.0.1/InitialModel_job009"


class Row(NamedTuple):
    """A row of the table, read as the job script reads it."""

    gpus: int
    sharing: str
    least: int
    ranks: int
    each: int
    taken: str
    verdict: str
    devices: str


def read(lines: list[str]) -> list[Row]:
    found = []
    for line in lines:
        gpus, _, parts = line.partition(" ")
        for part in parts.split(" | "):
            ways, _, rows = part.partition(" ")
            for sharing, row in product(ways.split(","), rows.split("; ")):
                least, ranks, each, taken, verdict, devices = row.split()
                numbers = int(least), int(ranks), int(each)
                found.append(Row(int(gpus), sharing, *numbers, taken, verdict, devices))
    return found


def on(gpus: int, rows: list[Row]) -> str:
    """Ranks and devices, without MPS and if memory is not known; "none" if no line fits."""
    fitting = [row for row in rows if row.gpus <= gpus and row.sharing == "shared"]
    return f"{fitting[0].ranks} {fitting[0].devices}" if fitting else "none"


def gpu_plan(
    job: str, corpus_job: CorpusJob, site: WriteSite, nodes: int = 1, **parameters: Any
) -> Plan:
    """The plan of a job that may have ``ngpu`` GPUs, and as many ranks as a GPU takes."""
    content = {"partitions": {"gpu": {"cores": 64, "gpus": 8, "gpu_memory": "80G"}}}
    values = {"partition": "gpu", "nodes": nodes, "mem": None, **parameters}
    types = dict.fromkeys(["gpu", "autopick", "initialmodel"], values)
    site("site.json", {**content, "job_parameters": types, "scheduler": "slurm"})
    return plan(corpus_job(job))


@pytest.mark.parametrize(
    ("job", "parameters", "found"),
    [
        # Half sets: an even number of followers, on each GPU the same.
        (REFINE, {"nproc": 9, "ngpu": 4}, "9 0:1:2:3, 7 0:1:2, 5 0:1, 3 0"),
        (REFINE, {"nproc": 5, "ngpu": 4}, "5 0:1:2:3, 3 0:1, 3 0:1, none"),
        (REFINE, {"nproc": 3, "ngpu": 2}, "3 0:1, none"),
        (CLASS3D, {"nproc": 5, "ngpu": 4}, "5 0:1:2:3, 4 0:1:2, 3 0:1, 2 0"),
        # No leader that is idle, and a device for each rank.
        (AUTOPICK, {"nproc": 6, "ngpu": 3}, "6 0:1:2:0:1:2, 4 0:1:0:1, 2 0:0"),
        (AUTOPICK, {"nproc": 3, "ngpu": 3}, "3 0:1:2, 2 0:1, 1 0"),
        # A single process spreads its threads.
        (VDAM, {"nthread": 12, "ngpu": 3}, "1 0,1,2; 1 0,1; 1 0"),
    ],
)
def test_fewer_gpus_have_fewer_ranks_by_the_rules_of_the_program(
    job: str, parameters: dict[str, int], found: str, corpus_job: CorpusJob, site: WriteSite
) -> None:
    planned = gpu_plan(job, corpus_job, site, **parameters)

    rows = read(node_table(planned))

    most = parameters["ngpu"]
    assert planned.ngpu == most
    between = "; " if ";" in found else ", "
    assert between.join(on(gpus, rows) for gpus in range(most, 0, -1)) == found
    assert on(most + 1, rows) == on(most, rows)


def test_each_of_several_nodes_has_as_many(corpus_job: CorpusJob, site: WriteSite) -> None:
    planned = gpu_plan(CLASS3D, corpus_job, site, nodes=2, nproc=17, ngpu=4)

    rows = read(node_table(planned))

    assert planned.nodes == 2
    assert [on(gpus, rows) for gpus in (4, 2, 1)] == ["17 0:1:2:3", "9 0:1", "5 0"]


def test_a_single_process_takes_more_of_each_of_fewer_gpus(
    corpus_job: CorpusJob, site: WriteSite
) -> None:
    """As it has more threads there, each with memory of its own."""
    rows = read(node_table(gpu_plan(VDAM, corpus_job, site, nthread=12, ngpu=3)))

    three, two, one = (
        next(row for row in rows if row.gpus == gpus and row.verdict == "ok") for gpus in (3, 2, 1)
    )
    assert int(three.taken) < int(two.taken) < int(one.taken)
    assert three.least < two.least < one.least


def test_devices_that_a_job_type_names_must_all_be_there(
    corpus_job: CorpusJob, site: WriteSite
) -> None:
    gpu: Any = {**CLASSIC["gpu"], "relion_add_parameter": {"gpu": "1:2"}}  # type: ignore[dict-item]
    site("dispatch_config.json", {**CLASSIC, "gpu": gpu})

    planned = plan(corpus_job(REFINE))
    rows = read(node_table(planned))

    assert not planned.chooses_gpus
    assert {(row.gpus, row.devices) for row in rows} == {(3, "-")}
    assert on(3, rows) == f"{planned.nproc} -"
    (command,) = job_variables(planned, NO_TOKEN)["commands"]
    assert "1:2" in command["words"]


@pytest.mark.parametrize(
    ("job", "nproc", "named", "gpus"),
    [
        (VDAM, 1, "0:1", 1),  # a single process reads the first group alone
        (VDAM, 1, "0,1:3", 2),
        (VDAM, 1, "2", 3),
        (REFINE, 3, "0:1:2:3", 2),  # two followers
        (REFINE, 5, "1:2", 3),  # four, which RELION gives both groups in turn
        (AUTOPICK, 2, "0:1:2", 2),  # no leader that is idle
    ],
)
def test_groups_of_devices_that_no_rank_reads_need_not_be_there(
    job: str, nproc: int, named: str, gpus: int, corpus_job: CorpusJob, site: WriteSite
) -> None:
    gpu: Any = {**CLASSIC["gpu"], "relion_add_parameter": {"gpu": named}}  # type: ignore[dict-item]
    gpu["job_parameters"] = {"ngpu": 2, "nproc": nproc}
    programs = ("relion_refine", "relion_autopick")
    types = {name: {"inherits": "gpu", "match_command": name} for name in programs}
    site("dispatch_config.json", {"submit": CLASSIC["submit"], "gpu": gpu, **types})

    planned = plan(corpus_job(job))

    assert planned.nproc == nproc
    assert {row.gpus for row in read(node_table(planned))} == {gpus}


def test_ranks_that_stay_run_as_planned_or_not_at_all(
    corpus_job: CorpusJob, site: WriteSite
) -> None:
    planned = gpu_plan(REFINE, corpus_job, site, nproc=9, ngpu=4)
    gib = 1 << 30
    fit = planned.gpu_fit._replace(
        bytes_per_rank=4 * gib, bytes_per_rank_without_mps=5 * gib, least=1, usable_percent=100,
        least_bytes_per_rank=gib, least_bytes_sharing=2 * gib,
    )  # fmt: skip

    stays = planned._replace(gpu_fit=fit, chooses_gpus=False, ranks_stay=True, mps=True)
    (line,) = node_table(stays)

    assert line == (
        f"4 mps 8192 9 2 {8 * gib} ok -; 4096 9 2 {8 * gib} tight -; 0 9 2 - no -"
        f" | shared 10240 9 2 {10 * gib} ok -; 4096 9 2 {10 * gib} tight -; 0 9 2 - no -"
        " | exclusive 0 9 2 - no -"
    )


def test_a_tool_for_one_gpu_needs_the_gpu_that_its_job_type_names(corpus_job: CorpusJob) -> None:
    planned = plan(corpus_job("relion-5.0.1/DynaMight_job024"))

    assert node_table(planned) == ["1 shared 0 1 1 - ok -"]


def test_the_command_takes_its_devices_from_the_node(
    corpus_job: CorpusJob, site: WriteSite
) -> None:
    planned = gpu_plan(REFINE, corpus_job, site, nproc=9, ngpu=4)

    (command,) = job_variables(planned, NO_TOKEN)["commands"]

    assert '"${dispatch_devices:-0:1:2:3}"' in command["words"]
    assert "--gpu 0:1:2:3 " in command["shell"]


def test_every_job_of_the_corpus_keeps_relions_rules_on_any_number_of_gpus(
    site: WriteSite, corpus_job: CorpusJob
) -> None:
    partition = {"cores": 64, "gpus": 4, "gpu_memory": "24G"}
    parameters = {"gpu": {"partition": "gpu", "ngpu": 4, "nproc": 13}}
    site("site.json", {"partitions": {"gpu": partition}, "job_parameters": parameters})
    configuration = load_configuration()
    tables = 0

    for job in JOBS:
        planned = plan_script(corpus_job(job), configuration)
        rows = read(node_table(planned))
        assert bool(rows) == planned.uses_gpu
        if not rows:
            continue
        tables += 1
        first, fit = rows[0], planned.gpu_fit
        assert (first.ranks, first.each) == (planned.nproc, fit.ranks_per_gpu or 1)
        assert first.sharing == ("mps" if planned.mps else "shared")
        assert first.verdict == "ok"
        size = (fit.bytes_per_rank or 0) * first.each
        assert first.taken == (f"{size}" if size else "-")
        assert first.least <= 24 * 1024
        main = next(c.command for c in planned.commands if c.is_main)
        for row in rows:
            if row.verdict == "no" or row.devices == "-":
                continue
            groups = row.devices.split(":")
            devices = {int(each) for group in groups for each in group.split(",")}
            assert devices <= set(range(row.gpus)), (job, row)
            assert not fit.split_halves or (row.ranks % 2 and row.ranks >= 3), (job, row)
            followers = row.ranks - bool(fit.idle_leader)
            assert row.ranks == 1 or followers == row.each * len(devices), (job, row)
            if lookup(main.program).gpu_groups == "each rank":
                assert len(groups) == row.ranks

    assert tables > 20


def test_a_job_on_cpus_has_no_table(site: WriteSite, images: Path, corpus_job: CorpusJob) -> None:
    site(
        "site.json",
        {"partitions": {"x": {"gpus": 0}}, "job_parameters": {"gpu": {"partition": "x"}}},
    )

    assert node_table(plan(corpus_job(CLASS3D))) == []
