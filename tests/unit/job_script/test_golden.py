"""Job scripts kept as documentation: read them as a user at night would. They are short.

``tests/golden/update.sh`` writes them anew; review the difference before you commit it.
``tests/run.sh`` runs shellcheck on them.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from dispatcher.config.configuration import load_configuration
from dispatcher.job_script.variables import NO_TOKEN, job_script
from dispatcher.planning.make_plan import plan_script

from ...corpus import CORPUS
from ...fixture_types import CorpusJob, WriteSite

README = Path(__file__).parents[3] / "README.md"
GOLDEN = Path(__file__).parents[2] / "golden"

SLURM: dict[str, Any] = {
    "scheduler": "slurm",
    "apptainer": {"bind": ["/scratch"]},
    "partitions": {"gpu_long": {"cores": 64, "gpus": 4, "gpu_memory": "24G"}},
    "job_parameters": {
        "submit": {"mem": "64G", "time": "2-00:00:00"},
        "gpu": {"partition": "gpu_long"},
    },
}
TWO_NODES: dict[str, Any] = {**SLURM, "job_parameters": {"class3d": {"nodes": 2}}}
GRID_ENGINE: dict[str, Any] = {
    **SLURM,
    "scheduler": "gridengine",
    "schedulers": {"gridengine": {"names": {"memory": "mem_free"}}},
}
PBS: dict[str, Any] = {**SLURM, "scheduler": "pbs"}
LSF: dict[str, Any] = {**SLURM, "scheduler": "lsf"}
GOES_ON: dict[str, Any] = {**SLURM, "goes_on": True}
FULL_MEMORY: dict[str, Any] = {
    **SLURM,
    "goes_on": {"after": ["gpu_memory", "host_memory"]},
    "partitions": {"gpu_long": {"cores": 64, "gpus": 4, "gpu_memory": "24G", "memory": "500G"}},
}
WORKSTATION: dict[str, Any] = {
    "partitions": {"here": {"cores": 16, "memory": "120G", "gpus": 0}},
    "job_parameters": {"submit": {"partition": "here"}},
}

CASES = {
    "refine3d_4_gpus_slurm": ("relion-5.0.1/Refine3D_job011", SLURM),
    "refine3d_4_gpus_gridengine": ("relion-5.0.1/Refine3D_job011", GRID_ENGINE),
    "refine3d_4_gpus_pbs": ("relion-5.0.1/Refine3D_job011", PBS),
    "refine3d_4_gpus_lsf": ("relion-5.0.1/Refine3D_job011", LSF),
    "class3d_2_nodes_slurm": ("relion-5.0.1/Class3D_job010", TWO_NODES),
    "initialmodel_vdam_slurm": ("relion-5.0.1/InitialModel_job009", SLURM),
    "multibody_slurm": ("relion-4.0.2/MultiBody_job005", SLURM),
    "autopick_3.1_slurm": ("relion-3.1.4/AutoPick_job009", SLURM),
    "refine3d_workstation_local": ("relion-3.1.4/Refine3D_job005", WORKSTATION),
    "postprocess_local": ("relion-5.0.1/PostProcess_job016", {}),
    "external_on_the_host_local": ("relion-5.0.1/External_job023", {}),
    "refine3d_goes_on_slurm": ("relion-5.0.1/Refine3D_job011", GOES_ON),
    "class2d_goes_on_slurm": ("relion-5.0.1/Class2D_job007", GOES_ON),
    "initialmodel_goes_on_slurm": ("relion-5.0.1/InitialModel_job009", GOES_ON),
    "motioncorr_goes_on_slurm": ("relion-5.0.1/MotionCorr_job002", GOES_ON),
    "multibody_goes_on_slurm": ("relion-4.0.2/MultiBody_job005", GOES_ON),
    "class3d_full_memory_slurm": ("relion-5.0.1/Class3D_job010", FULL_MEMORY),
    "motioncorr_full_memory_slurm": ("relion-5.0.1/MotionCorr_job002", FULL_MEMORY),
    "exclude_tilt_images_interactive": ("relion-5.0.1/ExcludeTiltImages_job032", {}),
}


@pytest.mark.usefixtures("images")
@pytest.mark.parametrize("name", CASES)
def test_job_script_is_the_golden_one(
    name: str,
    site: WriteSite,
    corpus_job: CorpusJob,
    tmp_path: Path,
) -> None:
    job, settings = CASES[name]
    site("site.json", settings)

    rendered = job_script(plan_script(corpus_job(job), load_configuration()), NO_TOKEN)

    rendered = rendered.replace(str(tmp_path), "/data")
    rendered = re.sub("[0-9a-f]{64}  -", "DIGEST  -", rendered)  # of the library
    golden = GOLDEN / f"{name}.sh"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(rendered)
    assert rendered == golden.read_text()


def test_every_golden_script_belongs_to_a_case() -> None:
    assert {path.stem for path in GOLDEN.glob("*.sh")} - {"update"} == set(CASES)


def people_read(script: str) -> int:
    """Lines of what runs and why; behind them are the settings of what looks after the job."""
    before, found, _ = script.partition("\n# The settings of what looks after the job.\n")
    assert found
    return len(before.splitlines())


def test_what_people_read_of_the_golden_scripts_is_short() -> None:
    lines = [people_read((GOLDEN / f"{name}.sh").read_text()) for name in CASES]

    assert median(lines) <= 55
    assert max(lines) <= 65


@pytest.mark.usefixtures("images")
def test_what_people_read_of_the_corpus_is_short_on_the_site_of_the_readme(
    site: WriteSite, corpus_job: CorpusJob
) -> None:
    """People read them at night."""
    (text,) = re.findall(r"```json\n(.*?)```", README.read_text(), re.DOTALL)
    site("site.json", text)
    configuration = load_configuration()

    lines = {}
    for source in sorted(CORPUS.glob("*/*/run_submit.script")):
        job = str(source.parent.relative_to(CORPUS))
        script = job_script(plan_script(corpus_job(job), configuration), NO_TOKEN)
        lines[job] = people_read(script)

    assert len(lines) > 60
    assert {job: count for job, count in lines.items() if count > 65} == {}
    assert median(lines.values()) <= 55
