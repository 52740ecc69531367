"""The hook as RELION calls it: the job is submitted and recorded, with the image of its project."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dispatcher import __version__
from dispatcher.config.places import code_digest
from dispatcher.images.sif import read_header

from ...digest import sha256
from ...fixture_types import CorpusJob, WriteSite
from .. import hook_calls
from ..hook_calls import call_hook

pytestmark = pytest.mark.usefixtures("images", "form")


def test_a_job_is_submitted_and_recorded(
    answering: Callable[[str], Path], corpus_job: CorpusJob, project: Path
) -> None:
    answering('echo "a warning" >&2; test -f "$1" && echo 4711')
    script = corpus_job("relion-5.0.1/Refine3D_job011")

    done = call_hook(script, project)

    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 4
    assert "as job 4711" in done.stdout
    record = json.loads((script.parent / "dispatch.json").read_text())
    assert record["job_id"] == "4711"
    assert record["original_commands"][0].startswith("`which relion_refine_mpi`")
    assert record["commands"][0]["argv"][0] == "relion_refine_mpi"
    assert record["reasons"]
    job_script = script.with_name("run_submit.script.run")
    assert job_script.read_text().startswith("#!/bin/bash\n#SBATCH --job-name=Refine3D/job011")
    assert not (script.parent / "RELION_JOB_EXIT_FAILURE").exists()
    pins = json.loads((project / ".relion_dispatch.json").read_text())
    digest = record["image"]["sha256"]
    assert pins["images"]["relion"] == {"version": "5.1.0", "sha256": {"cuda": digest}}


def test_the_record_names_what_made_the_result(
    answering: Callable[[str], Path], corpus_job: CorpusJob, project: Path, images: Path
) -> None:
    answering("echo 1")
    script = corpus_job("relion-5.0.1/Refine3D_job011")
    particles = project / "Select/job007/particles.star"

    call_hook(script, project)

    record = json.loads((script.parent / "dispatch.json").read_text())
    image = images.parent / "relion-5.1.0-cuda.sif"
    assert record["image"] == {
        "name": "relion",
        "version": "5.1.0",
        "variant": "cuda",
        "path": str(image),
        "sha256": sha256(image),
        "sif_id": read_header(image).sif_id,
        "size": image.stat().st_size,
    }
    assert record["versions"]["relion-dispatch"] == __version__
    assert record["versions"]["code"] == code_digest()
    assert record["configuration"]["images.json"] == {"path": str(images), "sha256": sha256(images)}
    assert set(record["configuration"]) == {
        "site.json",
        "site.json as shipped",
        "schedulers",
        "dispatch_config.json",
        "images.json",
        "job_template",
    }
    assert record["inputs"] == [
        {
            "path": "Select/job007/particles.star",
            "size": particles.stat().st_size,
            "mtime": particles.stat().st_mtime_ns,
            "sha256": sha256(particles),
        }
    ]


@pytest.mark.parametrize(
    ("said", "recorded"),
    [("apptainer version 1.4.5", "1.4.5"), ("singularity-ce version 4.3.1", None), ("", None)],
)
def test_only_apptainers_own_version_is_recorded(
    said: str,
    recorded: str | None,
    answering: Callable[[str], Path],
    corpus_job: CorpusJob,
    project: Path,
    site: WriteSite,
    tmp_path: Path,
) -> None:
    settings = json.loads((answering("echo 1").parent / "site" / "site.json").read_text())
    program = tmp_path / "apptainer"
    if said:
        program.write_text(f"#!/bin/sh\necho {said}\n")
        program.chmod(0o755)
    site("site.json", {**settings, "apptainer": {"program": str(program)}})
    script = corpus_job("relion-5.0.1/Refine3D_job011")

    assert call_hook(script, project).returncode == 0

    record = json.loads((script.parent / "dispatch.json").read_text())
    assert record["versions"]["apptainer"] == recorded


def test_first_jobs_at_once_run_the_same_version(
    answering: Callable[[str], Path], corpus_job: CorpusJob, project: Path, images: Path
) -> None:
    """Two sites' defaults, as one default changed between two first jobs that start together."""
    answering("echo 1")
    newer = images.parent.parent / "newer"
    shutil.copytree(images.parent, newer)
    catalogue = json.loads(images.read_text())
    catalogue["relion"]["default"] = "3.1.3"
    (newer / "images.json").write_text(json.dumps(catalogue))
    names = ["Refine3D_job011", "Class3D_job010", "PostProcess_job016", "CtfRefine_job020"]
    scripts = [corpus_job(f"relion-5.0.1/{name}") for name in names]

    with ThreadPoolExecutor(len(scripts)) as pool:
        done = list(
            pool.map(
                lambda at: call_hook(
                    scripts[at],
                    project,
                    RELION_DISPATCH_SITE=str(newer if at % 2 else images.parent),
                ),
                range(len(scripts)),
            )
        )

    assert [each.returncode for each in done] == [0] * len(done), [each.stderr for each in done]
    records = [json.loads((script.parent / "dispatch.json").read_text()) for script in scripts]
    assert len({record["image"]["version"] for record in records}) == 1


def test_a_continued_job_keeps_its_earlier_record(
    answering: Callable[[str], Path], corpus_job: CorpusJob, project: Path
) -> None:
    answering("echo 1")
    script = corpus_job("relion-5.0.1/Refine3D_job011")
    call_hook(script, project)
    answering("echo 2")

    script.touch()  # RELION writes it anew
    call_hook(script, project)

    jobs = {
        json.loads((script.parent / name).read_text())["job_id"]
        for name in ("dispatch.json", "dispatch.json.1")
    }
    assert jobs == {"1", "2"}
    assert script.with_name("run_submit.script.run.1").exists()


def test_the_submit_command_gets_no_sbatch_variables(
    answering: Callable[[str], Path], corpus_job: CorpusJob, project: Path
) -> None:
    answering('test -z "$SBATCH_PARTITION" && echo 5')

    done = call_hook(
        corpus_job("relion-5.0.1/Polish_job018"), project, SBATCH_PARTITION="elsewhere"
    )

    assert done.returncode == 0, done.stderr


def test_usage_is_printed_without_a_script(project: Path) -> None:
    environment = {**os.environ, "RELION_DISPATCH_PYTHON": sys.executable}
    done = subprocess.run(
        [str(hook_calls.HOOK)], cwd=project, env=environment, capture_output=True, text=True
    )

    assert done.returncode == 2
    assert "Usage" in done.stderr
