"""What the planner knows of what it passed over, and who says what: facts of the plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dispatcher.config.window import FIELDS
from dispatcher.planning.plan import Plan

from ...corpus import CORPUS, fill_project
from ...fixture_types import CorpusJob, WriteSite
from .planned import CLASS3D, REFINE, plan
from .test_extra_fields import with_options

pytestmark = pytest.mark.usefixtures("images")

PARTITIONS = {
    "old": {"cores": 48, "gpus": 4, "gpu_memory": "11G", "memory": "190G"},
    "new": {"cores": 64, "gpus": 4, "gpu_memory": "48G", "memory": "500G", "time": "2-00:00:00"},
    "mixed": {"nodes": [{"gpus": 1, "gpu_memory": "11G", "gpu_type": "a"}]},
    "cpu": {"cores": 96, "memory": "384G", "gpus": 0},
}


def configure(site: WriteSite, job_parameters: dict[str, Any], **content: Any) -> None:
    shapes = {"partitions": PARTITIONS, "job_parameters": job_parameters}
    site("site.json", {"scheduler": "slurm", **shapes, **content})


def said(planned: Plan) -> dict[str, tuple[str, str]]:
    return {each.key: (each.by, each.where) for each in planned.decisions.sources}


def test_partitions_that_were_passed_over_come_with_the_reason(
    site: WriteSite, corpus_job: CorpusJob, project: Path
) -> None:
    configure(site, {"gpu": {"partitions": ["mixed", "old", "new", "cpu"]}})
    fill_project(project, 600)

    decided = plan(corpus_job(REFINE)).decisions

    assert [(each.partition, each.kind) for each in decided.passed_over] == [
        ("mixed", "a"),
        ("old", ""),
    ]
    assert all("the GPU has 10.7 GiB usable" in each.why for each in decided.passed_over)
    assert (decided.not_tried, decided.not_of_the_job) == (("cpu",), ())
    assert decided.node
    assert decided.node._asdict() == {
        "name": "partition new",
        "cores": 64,
        "memory": 500 << 30,
        "gpus": 4,
        "gpu_memory": 48 << 30,
        "is_this_machine": False,
    }


def test_a_partition_with_a_drawback_is_among_those_passed_over(
    site: WriteSite, corpus_job: CorpusJob
) -> None:
    small = {"gpus": 4, "gpu_memory": "48G", "cores": 3, "memory": "500G"}
    shapes = {"small": small, **PARTITIONS}
    configure(site, {"gpu": {"partitions": ["small", "new"]}}, partitions=shapes)

    planned = plan(corpus_job(REFINE))

    assert planned.job_parameters["partition"] == "new"
    (over,) = planned.decisions.passed_over
    assert over.partition == "small"
    assert over.why in "\n".join(planned.reasons)
    assert planned.decisions.not_of_the_job == ("old", "mixed", "cpu")


def test_other_types_of_the_program_say_what_the_job_lacks(
    site: WriteSite, corpus_job: CorpusJob
) -> None:
    configure(site, {})

    of_refine, of_class3d = (plan(corpus_job(name)).decisions for name in (REFINE, CLASS3D))

    whys = dict(of_refine.other_types)
    assert of_refine.takes == "relion_refine --auto_refine"
    assert whys["multibody"] == "no multibody_masks"
    assert whys["class3d"] == "no K"
    assert "refine" not in whys and "postprocess" not in whys
    assert dict(of_class3d.other_types)["class2d"] == "class3d stands before it"


def test_a_value_comes_from_the_level_that_holds(site: WriteSite, corpus_job: CorpusJob) -> None:
    of_types = {
        "submit": {"partition": "cpu", "account": "lab"},
        "gpu": {"partition": "new", "nthread": 4},
        "refine": {"nproc": 5},
    }
    configure(site, of_types)

    found = said(plan(corpus_job(REFINE)))

    assert found["partition"] == ("site", 'job type "gpu" in site.json')
    assert found["nproc"] == ("site", 'job type "refine" in site.json')
    assert found["nthread"] == ("site", 'job type "gpu" in site.json')
    assert found["ngpu"] == ("fit", 'as many as fit (job type "gpu" in dispatch_config.json)')
    assert found["mem"] == ("type", 'job type "gpu" in dispatch_config.json')
    assert found["time"] == ("site", "partition new in site.json")
    assert found["account"] == ("site", 'job type "submit" in site.json')


def test_what_was_typed_into_the_sites_fields_is_told_as_the_windows(
    site: WriteSite, corpus_job: CorpusJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = {"time": "12h", "gpus": "2", "memory": "200", "account": "lab", "ranks_per_gpu": "1"}
    configure(site, {"gpu": {"partition": "new"}}, window={"fields": {name: {} for name in fields}})
    monkeypatch.setenv(FIELDS, ",".join(fields))
    typed = [f'qsub_extra{n} "{text}"' for n, text in enumerate(fields.values(), 1)]

    planned = plan(with_options(corpus_job(REFINE), *typed))

    found = said(planned)
    label = 'RELION\'s window, field "{}"'.format
    assert found["time"] == ("window", label("Time limit"))
    assert found["ngpu"] == ("window", label("GPUs per node"))
    assert found["mem"] == ("window", label("Memory per node (GiB)"))
    assert found["account"] == ("window", label("Account"))
    assert found["ranks_per_gpu"] == ("window", label("MPI ranks per GPU"))
    assert found["partition"] == ("site", 'job type "gpu" in site.json')
    topics = planned.decisions.as_json(planned.reasons)["topics"]
    assert "window" in topics


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"accounts": [{"account": "rule"}]}, ("site", "rule 1 of accounts in site.json")),
        ({"job_parameters": {"gpu": {"account": "a"}}}, ("site", 'job type "gpu" in site.json')),
        ({"partitions": {"p": {"account": "a"}}, "job_parameters": {"gpu": {"partition": "p"}}},
         ("site", "partition p in site.json")),
        ({}, ("user", "SBATCH_ACCOUNT in the environment of whoever submits")),
    ],
)  # fmt: skip
def test_who_pays_is_told_by_whoever_says_it(
    content: dict[str, Any],
    expected: tuple[str, str],
    site: WriteSite,
    corpus_job: CorpusJob,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site("site.json", {"scheduler": "slurm", **content})
    monkeypatch.setenv("SBATCH_ACCOUNT", "proj42")

    assert said(plan(corpus_job(REFINE)))["account"] == expected


def test_memory_and_time_that_were_changed_are_the_planners_and_the_partitions(
    site: WriteSite, corpus_job: CorpusJob, project: Path
) -> None:
    configure(site, {"gpu": {"partition": "new", "time": "7-00:00:00"}})
    fill_project(project, 600)

    found = said(plan(corpus_job(REFINE)))

    assert found["time"] == ("site", "partition new in site.json")
    assert found["mem"][0] == "fit"
    assert found["mem"][1].startswith("what the job needs and a node has, instead of 120G (job ")


def test_a_queue_in_the_window_is_told_as_the_windows(
    site: WriteSite, corpus_job: CorpusJob
) -> None:
    configure(site, {})
    script = corpus_job(REFINE)
    outfile, errfile, command, *_ = script.read_text().splitlines()
    script.write_text(
        f"#!/bin/bash\nexit 64\noutfile: {outfile}\nerrfile: {errfile}\nqueue: new\nranks: 5\n"
        f"threads: 4\n----- commands -----\n{command}\n----- end of commands -----\n"
    )

    planned = plan(script)

    assert planned.job_parameters["partition"] == "new"
    assert said(planned)["partition"] == ("window", 'RELION\'s window, field "Queue name"')


def test_an_external_job_has_the_threads_of_the_window(
    site: WriteSite, corpus_job: CorpusJob
) -> None:
    configure(site, {})
    (external,) = [path.name for path in (CORPUS / "relion-5.0.1").glob("External*")]

    found = said(plan(corpus_job(f"relion-5.0.1/{external}")))

    assert found["nthread"][0] == "window"
    assert found["partition"] == ("scheduler", "the scheduler's own choice")


@pytest.mark.parametrize("job", sorted(f"{p.parent.name}/{p.name}" for p in CORPUS.glob("*/*")))
def test_each_reason_has_a_topic(job: str, site: WriteSite, corpus_job: CorpusJob) -> None:
    configure(site, {"gpu": {"partitions": ["old", "new"]}, "submit": {"partition": "cpu"}})

    planned = plan(corpus_job(job))

    facts = planned.decisions.as_json(planned.reasons)
    assert len(facts["topics"]) == len(planned.reasons)
    assert all(facts["topics"]), dict(zip(planned.reasons, facts["topics"], strict=True))


def test_the_image_says_why(site: WriteSite, corpus_job: CorpusJob) -> None:
    configure(site, {})

    assert plan(corpus_job(REFINE)).decisions.image == "the site's default"
