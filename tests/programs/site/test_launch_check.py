"""``relion-dispatch check`` asks the launcher for several nodes which kinds of MPI it knows.

srun is a stand-in that prints what Slurm 22.05 and 26.05 printed (the latter without PMIx).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dispatcher.config.configuration import load_configuration
from dispatcher.site.launch_check import launch_problems

from ...fixture_types import WriteSite

WITH_PMIX = "MPI plugin types are...\n\tpmix\n\tnone\n\tcray_shasta\n\tpmi2\n"
WITH_PMIX += "specific pmix plugin versions available: pmix_v4\n"
WITHOUT = "MPI plugin types are...\n\tnone\n\tcray_shasta\n\tpmi2\n"


def srun(folder: Path, printed: str, status: int = 0) -> str:
    program = folder / "srun"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{printed}END\nexit {status}\n")
    program.chmod(0o755)
    return str(program)


def found(site: WriteSite, program: str, nodes: int = 2, **slurm: Any) -> list[str]:
    keys = {"mpi_types_command": [program, "--mpi=list"], **slurm}
    types = {"class3d": {"nodes": nodes}}
    site(
        "site.json", {"scheduler": "slurm", "schedulers": {"slurm": keys}, "job_parameters": types}
    )
    configuration = load_configuration()
    return list(launch_problems(configuration.site, configuration.job_types))


def test_a_missing_kind_is_named_with_those_that_there_are(site: WriteSite, tmp_path: Path) -> None:
    (problem,) = found(site, srun(tmp_path, WITHOUT))

    assert '"slurm" (srun --mpi=pmix) does not know "pmix"' in problem
    assert 'so job types "class3d", ' in problem
    assert "cannot run on several nodes. " in problem
    assert "It knows none, cray_shasta, pmi2: " in problem


@pytest.mark.parametrize(
    ("printed", "keys"),
    [
        (WITH_PMIX, {}),
        (WITHOUT, {"launch": ["srun", "--mpi=pmi2"]}),
        (WITHOUT, {"launch": ["srun"]}),
        (WITHOUT, {"nodes": 1}),
        ("", {}),
        ("srun: error: Unable to contact slurm controller\n", {"status": 1}),
    ],
    ids=["known", "another kind", "none named", "one node", "silent", "no answer"],
)
def test_otherwise_nothing_is_said(
    printed: str, keys: dict[str, Any], site: WriteSite, tmp_path: Path
) -> None:
    program = srun(tmp_path, printed, keys.pop("status", 0))

    assert found(site, program, **keys) == []


def test_a_launcher_that_is_not_here_is_not_asked(site: WriteSite, tmp_path: Path) -> None:
    assert found(site, str(tmp_path / "srun")) == []
