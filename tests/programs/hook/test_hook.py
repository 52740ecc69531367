"""The hook as RELION calls it: submitted and recorded, or refused where RELION's user sees it."""

from __future__ import annotations

import hashlib
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

from ...fixture_types import CorpusJob, WriteSite
from ...waiting import wait_for
from .. import hook_calls
from ..appliance_form import install_appliance_form
from ..hook_calls import call_hook, start_hook

pytestmark = pytest.mark.usefixtures("images", "form")


@pytest.fixture(params=["python", "appliance"])
def form(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each test calls the hook in both of its forms: RELION must not see a difference."""
    if request.param == "appliance":
        command = install_appliance_form(tmp_path / "prefix", monkeypatch)
        monkeypatch.setattr(hook_calls, "HOOK", command)
    return str(request.param)


def assert_refused(done: subprocess.CompletedProcess[str], folder: Path, *says: str) -> None:
    """A sentence in run.err, then RELION_JOB_EXIT_FAILURE, and a non-zero exit status."""
    assert done.returncode != 0
    written = (folder / "run.err").read_text()
    assert written.startswith("relion-dispatch: ")
    assert "Traceback" not in written
    assert "defect" not in written
    for text in says:
        assert text in written
    failure = folder / "RELION_JOB_EXIT_FAILURE"
    assert failure.exists()
    assert failure.stat().st_mtime_ns >= (folder / "run.err").stat().st_mtime_ns
    assert not (folder / "RELION_JOB_EXIT_SUCCESS").exists()


@pytest.fixture
def answering(site: WriteSite, tmp_path: Path) -> Callable[..., Path]:
    """Make jobs go to a stand-in for a scheduler's submit command, a shell script."""

    def write(body: str, timeout: float = 30) -> Path:
        program = tmp_path / "submit"
        program.write_text(f"#!/bin/sh\n{body}\n")
        program.chmod(0o755)
        scheduler = {
            "submit_command": [str(program)],
            "job_id": r"^(\d+)$",
            "timeout": timeout,
            "directives": "slurm",
        }
        site("site.json", {"scheduler": "test", "schedulers": {"test": scheduler}})
        return program

    return write


def test_a_job_is_submitted_and_recorded(
    answering: Callable[[str], Path], corpus_job: CorpusJob, project: Path
) -> None:
    answering('echo "a warning" >&2; test -f "$1" && echo 4711')
    script = corpus_job("relion-5.0.1/Refine3D_job011")

    done = call_hook(script, project)

    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 3
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


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


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

    assert_refused(done, script.parent, "does not lie in that job's folder")
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


def external_job(project: Path, corpus_job: CorpusJob, number: int, body: str) -> Path:
    """An External job of RELION whose program is a shell script on the host."""
    script = corpus_job("relion-5.0.1/External_job023")
    if number != 23:
        script = script.parent.rename(script.parent.with_name(f"job{number:03}")) / script.name
    program = project / f"tool{number}"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    text = script.read_text().replace("job023", f"job{number:03}")
    script.write_text(text.replace("/opt/bin/mytool.py", str(program)))
    return script


def test_local_jobs_are_detached_and_take_turns(corpus_job: CorpusJob, project: Path) -> None:
    body = "echo start $(ps -o pgid= $$) >> log; sleep 0.4; echo end >> log"
    scripts = [external_job(project, corpus_job, number, body) for number in (21, 22)]

    groups = [call_hook(script, project).stdout.split()[-1] for script in scripts]
    for script in scripts:
        wait_for((script.parent / "RELION_JOB_EXIT_SUCCESS").exists)

    lines = (project / "log").read_text().splitlines()
    assert [line.split()[0] for line in lines] == ["start", "end", "start", "end"]
    assert {line.split()[1] for line in lines if line.startswith("start")} == set(groups)
    assert str(os.getpgrp()) not in groups


def test_a_local_job_stopped_by_its_id_while_it_waits_tells_relion(
    corpus_job: CorpusJob, project: Path
) -> None:
    waits = "touch first; until [ -e go ]; do sleep 0.05; done"
    first = external_job(project, corpus_job, 21, waits)
    second = external_job(project, corpus_job, 22, "touch started")
    call_hook(first, project)
    wait_for((project / "first").exists)
    job_id = int(call_hook(second, project).stdout.split()[-1])
    wait_for(lambda: list(second.parent.glob(".dispatch_control.*/reserve")))

    os.kill(job_id, 15)

    try:
        wait_for((second.parent / "RELION_JOB_EXIT_FAILURE").exists)
    finally:
        (project / "go").touch()
    wait_for((first.parent / "RELION_JOB_EXIT_SUCCESS").exists)
    assert not (project / "started").exists()
    errors = second.parent / "run.err"
    wait_for(lambda: "because it was cancelled in the scheduler" in errors.read_text())


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


def test_an_interrupted_submission_is_told(
    answering: Callable[[str], Path], corpus_job: CorpusJob, project: Path
) -> None:
    answering("touch asked; exec sleep 6")
    script = corpus_job("relion-5.0.1/Refine3D_job011")
    with start_hook(script) as hook:
        wait_for((project / "asked").exists)

        hook.send_signal(1)

        hook.communicate(timeout=60)
    assert hook.returncode == 1
    assert "was interrupted" in (script.parent / "run.err").read_text()
    assert (script.parent / "RELION_JOB_EXIT_FAILURE").exists()


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
    assert "installation is damaged" in (script.parent / "run.err").read_text()
    assert (script.parent / "RELION_JOB_EXIT_FAILURE").exists()


def test_usage_is_printed_without_a_script(project: Path) -> None:
    environment = {**os.environ, "RELION_DISPATCH_PYTHON": sys.executable}
    done = subprocess.run(
        [str(hook_calls.HOOK)], cwd=project, env=environment, capture_output=True, text=True
    )

    assert done.returncode == 2
    assert "Usage" in done.stderr
