"""The hook refuses a job: RELION and its user are told where they look."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dispatcher.refusal import IN_SIGHT

from ...digest import sha256
from ...fixture_types import CorpusJob, WriteSite
from .. import hook_calls
from ..hook_calls import call_hook

pytestmark = pytest.mark.usefixtures("images", "form")


def assert_refused(done: subprocess.CompletedProcess[str], folder: Path, *says: str) -> None:
    """RELION_JOB_EXIT_FAILURE, then a sentence in run.err, and a non-zero exit status."""
    assert done.returncode != 0
    written = (folder / "run.err").read_text()
    assert written.startswith(f"{IN_SIGHT}relion-dispatch: ")
    assert "Traceback" not in written
    assert "defect" not in written
    for text in says:
        assert text in written
    failure = folder / "RELION_JOB_EXIT_FAILURE"
    assert failure.exists()
    assert failure.stat().st_mtime_ns <= (folder / "run.err").stat().st_mtime_ns
    assert not (folder / "RELION_JOB_EXIT_SUCCESS").exists()


@pytest.mark.parametrize("digest_in", ["images.json", ".relion_dispatch.json"])
def test_an_image_of_another_digest_is_refused_with_both(
    digest_in: str,
    answering: Callable[[str], Path],
    corpus_job: CorpusJob,
    project: Path,
    images: Path,
) -> None:
    answering("echo 1")
    script = corpus_job("relion-5.0.1/Refine3D_job011")
    if digest_in == "images.json":
        catalogue = json.loads(images.read_text())
        catalogue["relion"]["versions"]["5.1.0"][0]["sha256"] = "0" * 64
        images.write_text(json.dumps(catalogue))
    else:
        pin = {"relion": {"version": "5.1.0", "sha256": {"cuda": "0" * 64}}}
        (project / ".relion_dispatch.json").write_text(json.dumps({"images": pin}))

    done = call_hook(script, project)

    found = sha256(images.parent / "relion-5.1.0-cuda.sif")
    assert_refused(done, script.parent, digest_in, "0" * 64, found)
    assert not (script.parent / "dispatch.json").exists()


def test_a_variant_that_the_project_has_used_does_not_give_way_to_another(
    answering: Callable[[str], Path], corpus_job: CorpusJob, project: Path
) -> None:
    answering("echo 1")
    script = corpus_job("relion-5.0.1/Refine3D_job011")
    pin = {"relion": {"version": "5.1.0", "sha256": {"cuda11": "0" * 64}}}
    (project / ".relion_dispatch.json").write_text(json.dumps({"images": pin}))

    done = call_hook(script, project)

    assert_refused(done, script.parent, "(cuda11) is not in the catalogue", "0" * 64)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("echo 'Invalid account' >&2; exit 1", "Invalid account"),
        ("sleep 60", "did not answer within 3 s"),
        ("echo thank you", "named no job id"),
        ("exit 0", "named no job id"),
    ],
    ids=["failing", "hanging", "no job id", "silent"],
)
def test_a_submit_command_that_does_not_take_the_job(
    body: str, says: str, answering: Callable[..., Path], corpus_job: CorpusJob, project: Path
) -> None:
    answering(body, timeout=3)
    script = corpus_job("relion-5.0.1/Refine3D_job011")

    assert_refused(call_hook(script, project), script.parent, says)


def test_a_submit_command_that_is_not_found(
    answering: Callable[[str], Path], corpus_job: CorpusJob, project: Path
) -> None:
    answering("").unlink()
    script = corpus_job("relion-5.0.1/Refine3D_job011")

    assert_refused(call_hook(script, project), script.parent, "cannot be started")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "cannot be read"),
        (b"", "is empty"),
        (b"\x7fELF\x00\x01\xff\xfe", "not a text file"),
        (b"Refine3D/job011/run.out\n", "does not name"),
        (b"Refine3D/job011/run.out\nRefine3D/job011/run.err\n", "no command"),
        (
            b'Refine3D/job011/run.out\nRefine3D/job011/run.err\n`which relion_refine` --i "a\n',
            "is not closed",
        ),
        (
            b"outfile: Refine3D/job011/run.out\nerrfile: Refine3D/job011/run.err\n"
            b"----- commands -----\n`which relion_refine_mpi` --i a.star\n",
            "cut short",
        ),
        (b"Refine3D/job011/run.out\nRefine3D/job011/run.err\n`which relion_refine\n", "backtick"),
        (b"Refine3D/job011/run.out\nRefine3D/job011/run.err\n/opt/unknown --x\n", "No job type"),
    ],
    ids=[
        "missing",
        "empty",
        "binary",
        "only one line",
        "no command",
        "open quote",
        "cut short",
        "open backtick",
        "unknown program",
    ],
)
def test_a_bad_submission_script_is_refused(
    content: bytes | None, says: str, corpus_job: CorpusJob, project: Path
) -> None:
    script = corpus_job("relion-5.0.1/Refine3D_job011")
    (script.parent / "job.star").unlink()
    script.unlink() if content is None else script.write_bytes(content)

    assert_refused(call_hook(script, project), script.parent, says)


def test_a_script_outside_its_job_folder_is_refused_where_relion_looks(
    corpus_job: CorpusJob, project: Path
) -> None:
    script = corpus_job("relion-5.0.1/Refine3D_job011")
    moved = script.rename(project / "run_submit.script")

    done = call_hook(moved, project)

    assert_refused(done, script.parent, "is not in that job's folder")
    assert not (project / "RELION_JOB_EXIT_FAILURE").exists()


@pytest.mark.parametrize("name", ["site.json", "dispatch_config.json", "images.json"])
def test_a_broken_config_is_refused_where_relion_looks(
    name: str, site: WriteSite, corpus_job: CorpusJob, project: Path
) -> None:
    site(name, "{ this is no JSON")
    script = corpus_job("relion-5.0.1/Refine3D_job011")

    assert_refused(call_hook(script, project), script.parent, name, "line 1", "not valid JSON")


def test_a_misspelt_template_variable_is_refused(
    site: WriteSite, corpus_job: CorpusJob, project: Path
) -> None:
    site("job_template/gpu.sh.j2", "#!/bin/bash\necho {{ job.nporc }}\n")
    script = corpus_job("relion-5.0.1/Refine3D_job011")

    done = call_hook(script, project)

    assert_refused(done, script.parent, "gpu.sh.j2, line 2", '"job.nporc"', '"nproc"')


@pytest.mark.parametrize("form", ["python"], indirect=True)
def test_a_dispatcher_without_its_libraries_still_refuses(
    corpus_job: CorpusJob, project: Path
) -> None:
    script = corpus_job("relion-5.0.1/Refine3D_job011")

    done = subprocess.run(
        [sys.executable, "-I", "-S", str(hook_calls.HOOK), str(script)],
        cwd=project,
        capture_output=True,
    )

    assert done.returncode == 1
    assert "relion-dispatch: The job was not submitted" in (script.parent / "run.err").read_text()
    assert (script.parent / "RELION_JOB_EXIT_FAILURE").exists()


@pytest.mark.parametrize("closed", ["2>&-", "2>/dev/full", ">&- 2>&-"])
def test_a_refusal_reaches_relion_though_nobody_listens(
    closed: str, corpus_job: CorpusJob, project: Path
) -> None:
    script = corpus_job("relion-5.0.1/Refine3D_job011")
    script.write_text("")

    done = subprocess.run(
        f"'{hook_calls.HOOK}' Refine3D/job011/run_submit.script {closed}", shell=True, cwd=project,
        env={**os.environ, "RELION_DISPATCH_PYTHON": sys.executable},
    )  # fmt: skip

    assert done.returncode == 1
    assert "is empty" in (script.parent / "run.err").read_text()
    assert (script.parent / "RELION_JOB_EXIT_FAILURE").exists()


def test_a_submitted_job_is_not_refused_because_nobody_listens(
    answering: Callable[[str], Path], corpus_job: CorpusJob, project: Path
) -> None:
    answering("echo 4711")
    script = corpus_job("relion-5.0.1/Refine3D_job011")

    subprocess.run(
        f"'{hook_calls.HOOK}' Refine3D/job011/run_submit.script >/dev/full 2>/dev/full", shell=True,
        cwd=project, env={**os.environ, "RELION_DISPATCH_PYTHON": sys.executable},
    )  # fmt: skip

    assert not (script.parent / "RELION_JOB_EXIT_FAILURE").exists()
    assert json.loads((script.parent / "dispatch.json").read_text())["job_id"] == "4711"


def test_further_arguments_are_refused_where_relion_looks(
    corpus_job: CorpusJob, project: Path
) -> None:
    script = corpus_job("relion-5.0.1/Refine3D_job011")

    done = subprocess.run(
        [hook_calls.HOOK, "--verbose", "Refine3D/job011/run_submit.script"], cwd=project,
        env={**os.environ, "RELION_DISPATCH_PYTHON": sys.executable}, capture_output=True,
        text=True,
    )  # fmt: skip

    assert_refused(done, script.parent, "--verbose", "RELION_QSUB_COMMAND")


@pytest.mark.parametrize("form", ["python"], indirect=True)
def test_a_damaged_installation_is_told_to_relion(
    corpus_job: CorpusJob, project: Path, tmp_path: Path
) -> None:
    script = corpus_job("relion-5.0.1/Refine3D_job011")
    for name in ("deploy/relion_dispatch.py", "dispatcher/__init__.py", "dispatcher/hook.py"):
        copied = tmp_path / "damaged" / name
        copied.parent.mkdir(parents=True, exist_ok=True)
        copied.write_text((hook_calls.HOOK.parents[1] / name).read_text())
    hook = tmp_path / "damaged/deploy/relion_dispatch.py"
    hook.chmod(0o755)

    done = subprocess.run(
        [hook, "Refine3D/job011/run_submit.script"], cwd=project, capture_output=True,
        env={**os.environ, "RELION_DISPATCH_PYTHON": sys.executable},
    )  # fmt: skip

    assert done.returncode == 1
    assert " is damaged (" in (script.parent / "run.err").read_text()
    assert (script.parent / "RELION_JOB_EXIT_FAILURE").exists()
