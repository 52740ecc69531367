"""What an expert would look at first: the plans of all kinds of jobs on four sites, as tables.

``tests/golden/update.sh`` writes the tables anew; review the difference before you commit it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from dispatcher.commands.text_table import text_table
from dispatcher.config.configuration import Configuration, load_configuration
from dispatcher.errors import DispatchError
from dispatcher.planning.make_plan import plan_script
from dispatcher.planning.plan import Plan

from ...corpus import CORPUS, fill_project
from ...fixture_types import CorpusJob, WriteSite

GOLDEN = Path(__file__).parents[2] / "golden" / "plans"
BOXES = (128, 256, 360, 448, 512, 600, 700)  # pixels
HEADS = ("job", "box", "partition", "ranks x threads", "GPUs", "memory", "cores", "said")

ON_SLURM: dict[str, Any] = {
    "scheduler": "slurm",
    "job_parameters": {
        "submit": {"partition": "cpu"},
        "gpu": {"partition": None, "partitions": ["gpu24", "gpu80"]},
    },
}
SITES: dict[str, dict[str, Any]] = {
    # Small cards first, as a facility saves its large ones.
    "two_kinds_of_gpu": {
        **ON_SLURM,
        "partitions": {
            "gpu24": {"cores": 64, "memory": "256G", "gpus": 4, "gpu_memory": "24G"},
            "gpu80": {"cores": 128, "memory": "1T", "gpus": 8, "gpu_memory": "80G"},
            "cpu": {"cores": 96, "memory": "384G", "gpus": 0},
        },
    },
    "readme": {
        "scheduler": "slurm",
        "partitions": {
            "gpu": {"cores": 64, "memory": "500G", "gpus": 4, "gpu_memory": "48G"},
            "cpu": {"cores": 128, "memory": "500G", "gpus": 0},
        },
        "job_parameters": {"submit": {"partition": "cpu"}, "gpu": {"partition": "gpu"}},
    },
    "workstation": {
        "partitions": {
            "here": {"cores": 24, "memory": "128G", "gpus": 2, "gpu_memory": "24G"},
        },
        "job_parameters": {"submit": {"partition": "here"}},
    },
    # A site that has not described its nodes.
    "not_described": {"scheduler": "slurm"},
}


@pytest.mark.usefixtures("images")
@pytest.mark.parametrize("name", SITES)
def test_the_plans_of_a_site_are_the_golden_ones(
    name: str, site: WriteSite, corpus_job: CorpusJob, project: Path
) -> None:
    site("site.json", SITES[name])
    configuration = load_configuration()
    rows = [HEADS]
    for job in sorted(path.name for path in (CORPUS / "relion-5.0.1").iterdir()):
        script = corpus_job(f"relion-5.0.1/{job}")
        before = None
        for box in BOXES:
            fill_project(project, box)
            cells = _cells(script, configuration)
            if cells != before:
                rows.append((job.replace("_job", "/job"), str(box), *cells))
            before = cells

    table = text_table(rows) + "\n"

    golden = GOLDEN / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(table)
    assert golden.read_text() == table


def _cells(script: Path, configuration: Configuration) -> tuple[str, ...]:
    try:
        plan = plan_script(script, configuration)
    except DispatchError as error:
        return ("refused", *["-"] * 4, str(error).partition(" (")[0].rpartition(": ")[2])
    parameters = plan.job_parameters
    return (
        parameters["partition"] or "-",
        f"{plan.nproc} x {plan.nthread}",
        _gpus(plan),
        str(parameters["mem"]),
        _cores(plan),
        " ".join(plan.warnings).partition(" (")[0],
    )


def _gpus(plan: Plan) -> str:
    if not plan.ngpu:
        return "-"
    each = plan.gpu_fit.ranks_per_gpu
    return f"{plan.ngpu} x {each}" if each else str(plan.ngpu)


def _cores(plan: Plan) -> str:
    has = plan.cores_of_node
    return f"{plan.cores_used} of {has}" if has else str(plan.cores_used)
