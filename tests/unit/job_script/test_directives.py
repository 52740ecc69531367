"""The directives of job scripts and watchers, read as PBS and LSF read them: a misspelt one fails.

The readers are those of the stand-ins (tests/stand_ins/queues); that of PBS was compared with
OpenPBS 23.06.06.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from dispatcher.config.configuration import load_configuration
from dispatcher.job_script.variables import NO_TOKEN, job_script
from dispatcher.jobs.watcher import watcher_script
from dispatcher.planning.make_plan import plan_script

from ...fixture_types import CorpusJob, WriteSite
from ...stand_ins.queues import lsf, pbs
from ...stand_ins.queues.daemon import Refused

pytestmark = pytest.mark.usefixtures("images")

READERS: dict[str, ModuleType] = {"pbs": pbs, "lsf": lsf}
GPU = "relion-5.0.1/Refine3D_job011"
BASE: dict[str, Any] = {
    "partitions": {"gpu": {"cores": 64, "gpus": 4, "gpu_memory": "24G"}},
    "job_parameters": {"submit": {"mem": "64G", "time": "2-00:00:00"}, "gpu": {"partition": "gpu"}},
}

Read = Callable[..., dict[str, Any]]


@pytest.fixture(params=READERS)
def scheduler(request: pytest.FixtureRequest) -> str:
    """The name of a scheduler."""
    return str(request.param)


@pytest.fixture
def read(scheduler: str, site: WriteSite, corpus_job: CorpusJob) -> Read:
    """The directives of a job's script, and those of its watcher."""

    def read(name: str = GPU, watcher: bool = False, **parameters: Any) -> dict[str, Any]:
        keys = {**BASE, "scheduler": scheduler}
        keys["schedulers"] = {scheduler: parameters.pop("described", {})}
        given = {**BASE["job_parameters"], **parameters.pop("job_parameters", {})}
        given["submit"] = {**given["submit"], **parameters}
        site("site.json", {**keys, "job_parameters": given})
        configuration = load_configuration()
        plan = plan_script(corpus_job(name), configuration)
        text = (
            watcher_script(plan, configuration.site.schedulers[scheduler], NO_TOKEN)
            if watcher
            else job_script(plan, NO_TOKEN)
        )
        found: dict[str, Any] = READERS[scheduler].directives(text)
        return found

    return read


def test_a_job_on_gpus_asks_for_all_that_was_planned(scheduler: str, read: Read) -> None:
    found = read()

    if scheduler == "pbs":
        assert found["N"] == "Refine3D.job011"
        assert found["l"] == {
            "select": "1:ncpus=52:mpiprocs=13:ompthreads=4:ngpus=4:mem=122880mb",
            "walltime": "48:00:00",
        }
        assert (found["r"], found["q"]) == ("n", "gpu")
    else:
        assert found["J"] == "Refine3D.job011"
        assert (found["n"], found["W"], found["M"]) == ("52", "2880", "122880MB")
        assert found["R"] == ["span[hosts=1]", "rusage[mem=122880MB/host]"]
        assert found["gpu"] == "num=4/host:mode=shared:j_exclusive=yes"
        assert "rn" in found and (found["wa"], found["wt"]) == ("TERM", "2")


@pytest.mark.parametrize(
    "name",
    [
        "relion-5.0.1/PostProcess_job016",
        "relion-3.1.4/AutoPick_job009",
        "relion-5.0.1/External_job023",
    ],
)
def test_jobs_of_all_kinds_can_be_read(name: str, scheduler: str, read: Read) -> None:
    found = read(name)

    assert found["N" if scheduler == "pbs" else "J"].partition(".")[0] in name


def test_a_job_on_two_nodes_asks_for_as_much_of_each(scheduler: str, read: Read) -> None:
    launch = {"launch": ["mpirun"], "launch_options": ["-n", "{ranks}"]}
    found = read("relion-5.0.1/Class3D_job010", nodes=2, described=launch)

    if scheduler == "pbs":
        assert found["l"]["select"].startswith("2:ncpus=") and found["l"]["place"] == "scatter"
    else:
        (span,) = (each for each in found["R"] if each.startswith("span"))
        assert int(found["n"]) == 2 * int(span.removeprefix("span[ptile=").rstrip("]"))


def test_who_pays_which_cards_and_who_gets_mail(scheduler: str, read: Read) -> None:
    found = read(
        account="em",
        gpu_type="a100",
        mail_on=["begin", "failure"],
        mail_to="ada@uni.example",
        scheduler_options=["-P gold"] if scheduler == "pbs" else ["-app relion"],
    )

    if scheduler == "pbs":
        assert (found["A"], found["m"], found["M"]) == ("em", "ba", "ada@uni.example")
        assert ":ngpus=4:gpu_type=a100" in found["l"]["select"] and found["P"] == "gold"
    else:
        assert (found["P"], found["u"], found["app"]) == ("em", "ada@uni.example", "relion")
        assert found["gpu"].endswith(":gmodel=a100") and "B" in found and "Ne" in found


@pytest.mark.parametrize(
    ("per", "pbs_asks", "lsf_asks"),
    [
        ("node", "mem=122880mb", ["122880MB/host"]),
        ("core", "mem=122876mb", ["2363MB/task"]),
        ("none", None, []),
    ],
)
def test_memory_is_asked_for_as_the_site_counts_it(
    per: str, pbs_asks: str | None, lsf_asks: list[str], scheduler: str, read: Read
) -> None:
    found = read(described={"memory_per": per})

    if scheduler == "pbs":
        parts = found["l"]["select"].split(":")
        assert [each for each in parts if each.startswith("mem=")] == (
            [pbs_asks] if pbs_asks else []
        )
    else:
        asked = [each for each in found["R"] if "mem=" in each]
        assert asked == [f"rusage[mem={each}]" for each in lsf_asks]


def test_an_old_lsf_gets_numbers_in_the_sites_unit(scheduler: str, read: Read) -> None:
    if scheduler != "lsf":
        pytest.skip("PBS has units of its own")
    names = {"memory_unit": "GB", "memory_suffix": "", "memory_per_host": ""}

    found = read(described={"names": names})

    assert found["M"] == "120" and "rusage[mem=120]" in found["R"]


def test_the_names_of_a_sites_resources(scheduler: str, read: Read) -> None:
    if scheduler != "pbs":
        pytest.skip("LSF has names of its own")
    found = read(described={"names": {"gpus": "ngpus"}}, resources=["host=n1"])

    assert found["l"]["select"].endswith(":ngpus=4:mem=122880mb:host=n1")


def test_the_watcher_asks_for_little(scheduler: str, read: Read) -> None:
    found = read(watcher=True, account="em", scheduler_options=["-m be"])

    assert (found["q"], found["A" if scheduler == "pbs" else "P"]) == ("gpu", "em")
    assert "m" not in found
    assert found["l"]["walltime"] == "00:05:00" if scheduler == "pbs" else found["W"] == "5"


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("pbs", "#PBS -l select=1:ncpus=4:nogpus=2"),
        ("pbs", "#PBS -N a/b"),
        ("pbs", "#PBS --walltime=1:00:00"),
        ("pbs", "#PBS -W dependent=afterany:1"),
        ("pbs", "#PBS -j yes"),
        ("lsf", "#BSUB -gpus num=2"),
        ("lsf", "#BSUB -gpu count=2"),
        ("lsf", "#BSUB -R memory[mem=4]"),
        ("lsf", "#BSUB -W 1:00:00"),
        ("lsf", "#BSUB --queue gpu"),
    ],
)
def test_a_misspelt_directive_is_refused(name: str, line: str) -> None:
    with pytest.raises(Refused):
        READERS[name].directives(f"#!/bin/bash\n{line}\ntrue\n")
