"""What a job asks Grid Engine for: each line is one that qsub reads, and counts what it counts."""

from __future__ import annotations

import argparse
import re
import shlex
from typing import Any

import pytest

from dispatcher.config.configuration import load_configuration
from dispatcher.job_script.scheduler_templates import directive
from dispatcher.job_script.variables import job_script
from dispatcher.jobs.watcher import watcher_script
from dispatcher.planning.make_plan import plan_script
from dispatcher.planning.plan import Plan

from ...fixture_types import CorpusJob, WriteSite

TOKEN = "0123456789ab"
NAMES = {"memory": "ram", "gpu_type": "gputype"}
PARTITIONS = {"gpu.q": {"cores": 64, "gpus": 4, "gpu_memory": "24G", "memory": "250G"}}

pytestmark = pytest.mark.usefixtures("images")

_ALONE = ("-clear", "-V", "-notify", "-cwd", "-terse", "-h")
_WITH_VALUE = (
    "-N",
    "-S",
    "-wd",
    "-o",
    "-e",
    "-q",
    "-P",
    "-A",
    "-M",
    "-m",
    "-p",
    "-ar",
    "-hold_jid",
    "-ac",
    "-a",
)


def read(script: str) -> argparse.Namespace:
    """What qsub (8.1.9) reads of a script: words in quotes may hold blanks.

    Raises:
        SystemExit: one of the options is none of qsub's that we use, or has a wrong value.
    """
    parser = argparse.ArgumentParser(allow_abbrev=False, add_help=False)
    for option in _ALONE:
        parser.add_argument(option, action="store_true")
    for option in _WITH_VALUE:
        parser.add_argument(option)
    parser.add_argument("-r", choices=["y", "n"])
    parser.add_argument("-j", choices=["y", "n"])
    parser.add_argument("-w", choices=["e", "w", "n", "v", "p"])
    parser.add_argument("-pe", nargs=2)
    parser.add_argument("-l", action="append", default=[])
    lines = (directive(line) for line in script.splitlines() if line.startswith("#$"))
    words = [word for line in lines if line for word in shlex.split(line)]
    return parser.parse_args(words)


def asked(namespace: argparse.Namespace) -> dict[str, str]:
    return dict(part.split("=", 1) for each in namespace.l for part in each.split(","))


def gibibytes(plan: Plan) -> int:
    return int(plan.job_parameters["mem"].removesuffix("G"))


def planned(
    corpus_job: CorpusJob,
    site: WriteSite,
    *,
    scheduler: dict[str, Any] | None = None,
    goes_on: object = False,
    **keys: Any,
) -> Plan:
    site(
        "site.json",
        {
            "scheduler": "gridengine",
            "goes_on": goes_on,
            "schedulers": {"gridengine": {"names": NAMES, **(scheduler or {})}},
            "partitions": PARTITIONS,
            "job_parameters": {
                "submit": {"partition": "gpu.q", "time": "2-00:30:00", "mem": "64G", **keys},
            },
        },
    )
    return plan_script(corpus_job("relion-5.0.1/Refine3D_job011"), load_configuration())


def test_what_a_job_asks_for(corpus_job: CorpusJob, site: WriteSite) -> None:
    plan = planned(
        corpus_job, site, account="em", mail_on=["end", "failure"], mail_to="a@b.example"
    )

    found = read(job_script(plan, TOKEN))

    assert found.clear and found.V and found.notify
    assert (found.r, found.w, found.q, found.S) == ("n", "e", "gpu.q", "/bin/bash")
    assert (found.wd, found.o, found.j) == ("/", "/dev/null", "y")
    assert found.N.split(".") == ["Refine3D", "job011", TOKEN]
    assert (found.P, found.m, found.M) == ("em", "eaa", "a@b.example")
    slots = plan.nproc * plan.nthread
    assert found.pe == ["smp", str(slots)]
    resources = asked(found)
    assert (resources["gpu"], resources["h_rt"]) == ("4", "48:30:00")
    per_slot = int(resources["ram"].removesuffix("M"))
    assert 0 <= gibibytes(plan) * 1024 - per_slot * slots < slots


def test_memory_that_counts_once_for_a_job(corpus_job: CorpusJob, site: WriteSite) -> None:
    plan = planned(corpus_job, site, scheduler={"memory_per": "node"})

    assert asked(read(job_script(plan, TOKEN)))["ram"] == plan.job_parameters["mem"]


def test_gpus_that_count_for_each_slot(corpus_job: CorpusJob, site: WriteSite) -> None:
    """`gpu=4` of a job with 52 slots would be 208 GPUs, and never run."""
    plan = planned(corpus_job, site, scheduler={"gpus_per": "core"})

    found = read(job_script(plan, TOKEN))

    assert found.pe == ["smp", "4"]
    assert asked(found)["gpu"] == "1"
    assert asked(found)["ram"] == f"{gibibytes(plan) * 256}M"
    assert any("asked for 4 cores with a GPU each" in reason for reason in plan.reasons)


def test_names_that_a_site_has_not_are_not_asked_for(
    corpus_job: CorpusJob, site: WriteSite
) -> None:
    plan = planned(
        corpus_job, site, gpu_type="a100",
        scheduler={"names": {"parallel_environment": "threaded", "gpus": "ngpus"}},
    )  # fmt: skip

    found = read(job_script(plan, TOKEN))

    assert found.pe[0] == "threaded"
    assert asked(found).keys() == {"ngpus", "h_rt"}


def test_where_jobs_are_suspended_no_warning_is_asked_for(
    corpus_job: CorpusJob, site: WriteSite
) -> None:
    plan = planned(
        corpus_job, site, scheduler={"names": {**NAMES, "notify": ""}, "own_warning": 60}
    )
    script = job_script(plan, TOKEN)

    assert not read(script).notify
    assert "\ndispatch_own_warning=60\n" in script  # the script looks at the clock itself


@pytest.mark.parametrize(
    ("after", "own", "warning"),
    [(["time_limit"], 0, 60), (["time_limit"], 90, 90), (["preemption"], 0, None), ([], 0, None)],
)
def test_a_job_that_goes_on_after_its_limit_stops_before_it(
    after: list[str], own: int, warning: int | None, corpus_job: CorpusJob, site: WriteSite
) -> None:
    """Grid Engine starts no job again that has reached its limit."""
    goes_on = {"after": after} if after else False
    script = job_script(
        planned(corpus_job, site, scheduler={"own_warning": own}, goes_on=goes_on), TOKEN
    )

    assert read(script).r == ("y" if after else "n")
    found = re.search(r"^dispatch_own_warning=(\d+)$", script, re.MULTILINE)
    assert (int(found[1]) if found else None) == warning


def test_a_type_of_gpu_has_a_name_of_the_sites(corpus_job: CorpusJob, site: WriteSite) -> None:
    plan = planned(corpus_job, site, gpu_type="a100")

    assert asked(read(job_script(plan, TOKEN)))["gputype"] == "a100"


def test_options_of_two_words_stay_two_words(corpus_job: CorpusJob, site: WriteSite) -> None:
    plan = planned(corpus_job, site, scheduler_options=["-p -100", "-l hostname=n1", "-ar 7"])

    found = read(job_script(plan, TOKEN))

    assert (found.p, found.ar, asked(found)["hostname"]) == ("-100", "7", "n1")


def test_the_watcher_asks_for_little_and_is_paid_alike(
    corpus_job: CorpusJob, site: WriteSite
) -> None:
    plan = planned(corpus_job, site, scheduler_options=["-P em", "-p -100", "-l hostname=n1"])

    found = read(watcher_script(plan, plan.site.schedulers["gridengine"], TOKEN))

    assert (found.P, found.p, found.pe, found.q) == ("em", None, None, "gpu.q")
    assert asked(found) == {"ram": "100M", "h_rt": "00:30:00"}
    assert found.N == "end_of_Refine3D.job011"  # without a token, which would make it the job


def test_a_misspelt_option_is_seen() -> None:
    with pytest.raises(SystemExit):
        read("#$ -notfy\n")
