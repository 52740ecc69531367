"""``relion-dispatch check`` asks a real Slurm of two nodes, each with 32 cores and 4 GPUs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from .project import COMMAND

GPU = {"cores": 32, "gpus": 4, "memory": "240G", "gpu_memory": "24G"}


def said_by_check(folder: Path, **site: Any) -> list[str]:
    """What check says of the scheduler, for a site that sends all jobs to the partition gpu."""
    content = {
        "scheduler": "slurm",
        "partitions": {"gpu": GPU},
        "job_parameters": {"submit": {"partition": "gpu"}},
    }
    (folder / "site.json").write_text(json.dumps({**content, **site}))
    done = subprocess.run(
        [COMMAND, "check"],
        env={
            **os.environ,
            "RELION_DISPATCH_SITE": str(folder),
            "RELION_DISPATCH_PYTHON": sys.executable,
        },
        capture_output=True,
        text=True,
        timeout=240,
    )
    return [line for line in done.stdout.splitlines() if "scheduler" in line]


def made_up_jobs() -> list[str]:
    """The names of those that Slurm has, or had: all other jobs are of tests that run meanwhile."""
    names = ["squeue", "--states=all", "--noheader", "--format=%j"]
    done = subprocess.run(names, capture_output=True, text=True, check=True)
    return [name for name in done.stdout.splitlines() if "Check/" in name]


def test_slurm_takes_what_fits_and_runs_nothing_of_it(tmp_path: Path) -> None:
    assert said_by_check(tmp_path) == []

    assert made_up_jobs() == []


def test_a_wrong_name_of_a_partition_and_a_shape_that_does_not_fit(tmp_path: Path) -> None:
    shapes = {"gpu": {**GPU, "gpus": 8}, "cpus": {"cores": 32}}
    parameters = {"submit": {"partition": "gpu"}, "cpu": {"partition": "cpus"}}

    name, shape = said_by_check(tmp_path, partitions=shapes, job_parameters=parameters)

    assert 'key "partitions.cpus": the scheduler "slurm" has no partition "cpus"' in name
    assert 'did you mean "cpu"? Its partitions are gpu, cpu.' in name
    assert 'key "partitions.gpu": the scheduler "slurm" gives no job a whole node' in shape
    assert 'it says "allocation failure: ' in shape
    assert (
        "because of `--gres=gpu:8`. The nodes there: nodes: 2, cores: 32, memory: 250000" in shape
    )


def test_a_wrong_time_an_option_that_is_none_and_one_that_nobody_knows(tmp_path: Path) -> None:
    options = ["--qqs=high", "--reservation=nope"]
    submit = {"partition": "gpu", "time": "3 daysx", "scheduler_options": options}

    said = said_by_check(tmp_path, job_parameters={"submit": submit})

    because = [each.split("because of ")[1] for each in said if "does not take such a job" in each]
    place = f'Correct {tmp_path}/site.json: key "job_parameters.submit'
    assert because == [
        f'`--time="3 daysx"`. {place}.time".',
        f'`--qqs=high`. {place}.scheduler_options".',
        f'`--reservation=nope`. {place}.scheduler_options".',
    ]
