"""A scheduler is named by its own files alone, so that another one needs no change elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

NAMES = re.compile(
    r"(?<![a-z])(slurm(d|ctld|dbd|stepd)?|sbatch|srun|salloc|squeue|scancel|scontrol|sinfo|sacct|sacctmgr"
    r"|grid ?engine|sge|qsub|qstat|qdel|qacct|qconf|pbs|openpbs|torque|lsf|bsub|bjobs|bkill|bhist)"
    r"(?![a-z])",
    re.IGNORECASE,
)

NAMED = ["sbatch", "SLURM_JOB_ID", "slurmstepd", "#PBS -l", "qsub -terse", "x/lsf.json"]

# What is like a scheduler's name and is none, or is not ours to choose.
EXCUSED = re.compile(
    # RELION's names, whatever the scheduler
    r"RELION_QSUB_(COMMAND|TEMPLATE|EXTRA|NRMPI|NRTHREADS)|qsub_extra"
    r"|PIPELINER_QSUB_COMMAND|\bQSUB_(COMMAND|TEMPLATE|\[A-Z)"  # and the CCP-EM Pipeliner's
    r"|(nproc|nthread)_slurm"  # keys of the FMI format, whose files load unchanged
)

OWN_FILES = (
    "config/schedulers/",
    "dispatcher/scheduler/dialects/",
    "dispatcher/scheduler/surveys/",
    "job_template/schedulers/",
)


def lines_that_name_one(folder: str) -> list[str]:
    found = []
    paths = sorted((ROOT / folder).rglob("*"))
    assert paths
    for path in paths:
        name = str(path.relative_to(ROOT))
        if not path.is_file() or path.suffix == ".pyc" or name.startswith(OWN_FILES):
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if NAMES.search(EXCUSED.sub("", line)):
                found.append(f"{name}:{number}: {line.strip()}")
    return found


@pytest.mark.parametrize("text", NAMED)
def test_names_are_seen(text: str) -> None:
    assert NAMES.search(EXCUSED.sub("", text))


@pytest.mark.parametrize("text", ["message", "RELION_QSUB_COMMAND", "job.nproc_slurm", "passed"])
def test_other_words_are_not_taken_for_names(text: str) -> None:
    assert not NAMES.search(EXCUSED.sub("", text))


@pytest.mark.parametrize("folder", ["dispatcher", "config", "deploy", "job_template"])
def test_no_file_but_its_own_names_a_scheduler(folder: str) -> None:
    assert lines_that_name_one(folder) == []


@pytest.mark.parametrize("folder", ["config/schedulers", "job_template/schedulers"])
def test_there_are_files_of_schedulers(folder: str) -> None:
    assert [path for path in (ROOT / folder).iterdir() if path.stem.startswith("slurm")]
