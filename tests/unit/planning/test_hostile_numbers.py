"""Numbers as people write them in RELION's window: a plan or a sentence, and quickly."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from dispatcher.job_script.variables import job_script
from dispatcher.planning.plan import Plan

from ...fixture_types import CorpusJob, WriteSite
from ...limits import sentences_within_limits
from .planned import CLASSIC, plan

pytestmark = pytest.mark.usefixtures("images")

NUMBERS = [
    *(
        "1e200",
        "1e-200",
        "-1e200",
        "1e999",
        "inf",
        "-inf",
        "nan",
        "²",
        "١٢",
        "1_000",
        "0x10",
        "1e3",
    ),
    *("+5", "-5", "0", "-0", "00005", "5.0", "5.", ".5", "1e-3", "5x", "x", "", "--", "$N"),
    *("60", "30", "1000000", "1000000000", "4294967296", "99999999999999999999", "9" * 5000),
    *("1e-38", "1e38", "0." + "0" * 5000 + "1", "\u2007" + "5"),
]
OPTIONS = [
    *("--offset_range", "--offset_step", "--healpix_order", "--oversampling", "--psi_step", "--K"),
    *("--tau2_fudge", "--j", "--pad", "--maxsig", "--sigma_ang", "--auto_local_healpix_order"),
    *("--free_gpu_memory", "--sym", "--pool", "--helical_rise_initial", "--sigma_psi"),
]
GPU_LISTS = [
    *("0-99999999999", "0:1:2", "0," * 100_000, "0:" * 100_000 + "1", "9" * 5000, "99999999999"),
    *("²", "١٢:3", "-1", "0x1", "1e3", "0:1:", ":", ",", "127", "128", "$GPUS"),
]


def planned(script: Path) -> Plan:
    """The plan, with all that is written of it."""
    found = plan(script)
    text = json.dumps(found.as_json())
    assert "NaN" not in text
    assert "Infinity" not in text
    # Bash counts in 64 bits.
    assert all(abs(each) < 2**63 for each in numbers_in(json.loads(text)["gpu_fit"]))
    job_script(found, "t" * 16)
    return found


def numbers_in(value: Any) -> list[float]:
    if isinstance(value, dict | list):
        inside = value.values() if isinstance(value, dict) else value
        return [number for each in inside for number in numbers_in(each)]
    return [value] if isinstance(value, int | float) else []


def asking(script: Path, option: str, value: str, instead: str = "") -> Callable[[], Plan]:
    """Plans the job of the script with the option last in its command."""
    text = script.read_text()

    def call() -> Plan:
        changed = (
            text.replace(instead, f"{option} {value}")
            if instead
            else text.replace("--pipeline_control", f"{option} {value} --pipeline_control")
        )
        assert changed != text
        script.write_text(changed)
        return planned(script)

    return call


SITES: dict[str, dict[str, Any]] = {
    "shipped": {},
    "classic": {"dispatch_config.json": CLASSIC},
    "described": {
        "site.json": {
            "partitions": {"gpu": {"cores": 64, "memory": "500G", "gpus": 4, "gpu_memory": "32G"}},
            "job_parameters": {"refine": {"partition": "gpu"}},
        }
    },
}


@pytest.mark.parametrize(("option", "name"), zip(OPTIONS, cycle(SITES), strict=False))
def test_whatever_number_an_option_has_there_is_a_plan_or_a_sentence(
    option: str, name: str, site: WriteSite, corpus_job: CorpusJob
) -> None:
    for file, content in SITES[name].items():
        site(file, content)
    script = corpus_job("relion-5.0.1/Class3D_job010")

    said = sentences_within_limits([asking(script, option, value) for value in NUMBERS])

    assert all(len(sentence) < 2000 and sentence.isprintable() for sentence in said)


@pytest.mark.parametrize("job", ["Class3D_job010", "InitialModel_job009", "External_job023"])
@pytest.mark.parametrize("name", SITES)
def test_whatever_list_of_gpus_a_command_has_there_is_a_plan_or_a_sentence(
    job: str, name: str, site: WriteSite, corpus_job: CorpusJob
) -> None:
    for file, content in SITES[name].items():
        site(file, content)
    script = corpus_job(f"relion-5.0.1/{job}")
    behind = "--j 4" if job.startswith("External") else '--gpu ""'

    said = sentences_within_limits(
        [
            asking(script, option, value, behind)
            for value in GPU_LISTS
            for option in (["--gpu", "--num_gpus"] if behind == "--j 4" else ["--gpu"])
        ]
    )

    assert all(len(sentence) < 2000 and sentence.isprintable() for sentence in said)


@pytest.mark.parametrize("value", NUMBERS)
def test_whatever_ranks_and_threads_the_window_has_there_is_a_plan_or_a_sentence(
    value: str, site: WriteSite, corpus_job: CorpusJob
) -> None:
    types = json.loads(json.dumps(CLASSIC))
    types["submit"]["job_parameters"] = {}
    types["gpu"]["job_parameters"] = {}
    site("dispatch_config.json", types)
    script = corpus_job("relion-5.0.1/Class3D_job010")
    out, err, command = script.read_text().splitlines()[:3]

    def with_fields(ranks: str, threads: str) -> None:
        script.write_text(
            f"outfile: {out}\nerrfile: {err}\nranks: {ranks}\nthreads: {threads}\n"
            f"----- commands -----\n{command.replace('--j 4', '')}\n----- end of commands -----\n"
        )
        planned(script)

    sentences_within_limits(
        [
            functools.partial(with_fields, value, "2"),
            functools.partial(with_fields, "3", value),
        ]
    )


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--K", "1e3", "--K is '1e3', which is not a whole number from 1 to 1000000"),
        ("--K", "²", "--K is '²', which is not a whole number"),
        ("--K", "9" * 5000, f"--K is '{'9' * 40}…', which is not a whole number"),
        (
            "--offset_range",
            "1e200",
            "--offset_range is '1e200', which is infinite or not as a whole",
        ),
        ("--offset_range", "1e20", "--offset_range is '1e20', which is not from -1e+09 to 1e+09"),
        (
            "--offset_range",
            "1_0",
            "--offset_range is '1_0', which is infinite or not as a whole a number",
        ),
        ("--psi_step", "nan", "--psi_step is 'nan', which is infinite or not as a whole a number"),
        ("--healpix_order", "30", "--healpix_order is '30', which is not a whole number from 0 to"),
        (
            "--oversampling",
            "60",
            "--oversampling is '60', which is not a whole number from 0 to 12",
        ),
        ("--pad", "0x10", "--pad) is '0x10', which is infinite or not as a whole a number"),
        ("--j", "1000000000", "asks for 1000000000 threads for each rank (--j), and may ask for 1"),
    ],
)
def test_a_number_that_relion_would_read_otherwise_is_named(
    option: str, value: str, says: str, site: WriteSite, corpus_job: CorpusJob
) -> None:
    types = json.loads(json.dumps(CLASSIC))
    types["submit"]["job_parameters"] = {"nproc": 1}
    types["gpu"]["relion_remove_parameter"] = ["gpu"]
    site("dispatch_config.json", types)
    script = corpus_job("relion-5.0.1/Class3D_job010")
    script.write_text(script.read_text().replace("--j 4", ""))

    (said,) = sentences_within_limits([asking(script, option, value)])

    assert says in said


def test_a_thousand_million_ranks_of_the_window_are_named(
    site: WriteSite, corpus_job: CorpusJob
) -> None:
    site("dispatch_config.json", {"any": {"match_command": "relion_refine"}})
    script = corpus_job("relion-5.0.1/Class3D_job010")
    (script.parent / "job.star").write_text(
        "data_joboptions_values\n\nloop_\n_rlnJobOptionVariable #1\n_rlnJobOptionValue #2\n"
        "nr_mpi 1000000000\n"
    )

    (said,) = sentences_within_limits([lambda: planned(script)])

    assert "asks for 1000000000 MPI ranks, and may ask for 4096 at most" in said


@pytest.mark.parametrize("partition", [{}, {"cores": 10**6, "memory": 2**60, "gpu_memory": 2**60}])
@pytest.mark.parametrize(
    "gpus",
    [
        '""',
        "0:1:2:3",
        "0,1:2,3",
        pytest.param(":".join(map(str, (*range(128), *range(128)))), id="256 groups"),
        pytest.param(",".join(map(str, (*range(128), *range(128)))), id="a group of 256"),
    ],
)
def test_the_most_that_a_site_may_have_is_planned_in_time(
    partition: dict[str, Any], gpus: str, site: WriteSite, corpus_job: CorpusJob
) -> None:
    most = {"nproc": 4096, "nthread": 1024, "ngpu": 128, "nodes": 1024, "partition": "p"}
    options = {"gpu": gpus}
    site("site.json", {"partitions": {"p": partition}, "scheduler": "slurm"})
    site(
        "dispatch_config.json",
        {
            "any": {
                "match_command": "relion_refine",
                "relion_add_parameter": options,
                "job_parameters": {**most, "ranks_per_gpu": 4096},
                "template": "submit",
            }
        },
    )
    script = corpus_job("relion-5.0.1/Class3D_job010")

    assert sentences_within_limits([lambda: planned(script)]) == [""]
