"""A job script does what it says, whatever the bash that starts it has inherited."""

from __future__ import annotations

from pathlib import Path

import pytest

from .run_files import TOKEN
from .running_job import RunningJob, exit_files

pytestmark = pytest.mark.usefixtures("images")

STATE = [
    "told", "guard", "keeper_pid", "status", "ending", "reason", "scratch_mounts",
    "left_out", "gpu_usage", "places", "overdue", "command", "task", "kept", "folder",
    "folder_number", "opened", "control", "image", "scratch", "users_scratch", "lock",
    "claim_job", "session", "host", "facts", "each", "predicted", "answers", "mps_folder",
    "epilogue", "word", "library",
]  # fmt: skip
FUNCTIONS = [
    "printf", "rm", "mv", "cd", "finish", "unset", "set", "eval", "exec", "exit", "trap",
    "declare", "local", "read", "test", "[", "kill", "wait", "dd", "stat", "grep", "sed",
    "ln", "touch", "mkdir", "ls", "ps", "cat", "head", "tail", "date", "uname",
    "begin_job", "run", "fail", "dispatch_epilogue", "dispatch_know_container", "builtin",
    "command", "compgen", "export", "return", "sha256sum",
]  # fmt: skip


def test_no_variable_or_function_of_its_user_changes_it(
    job: Path, running_job: RunningJob, tmp_path: Path, project: Path
) -> None:
    canary = f'() {{ echo >"{tmp_path}/canary"; return 7; }}'
    hostile = {
        **{f"dispatch_{name}": f"{tmp_path}/x" for name in STATE},
        **{f"BASH_FUNC_{name}%%": canary for name in FUNCTIONS},
        "CDPATH": "/",
        "GLOBIGNORE": "*",
        "TMOUT": "1",
        "GREP_OPTIONS": "-v",
        "PS4": f"$(touch {tmp_path}/canary2)",
        "IFS": "x/.",
        "SHELLOPTS": "errexit:nounset:noglob:noclobber:allexport:keyword",
        "BASHOPTS": "nullglob:failglob:nocasematch:extglob:lastpipe:expand_aliases:compat31",
        "TMPDIR": "/nowhere",
    }
    rendered = running_job.render(job, TOKEN)

    done = running_job.start(rendered, **hostile, ON_RUN="echo it ran")
    errors = done.communicate(timeout=60)[1]

    assert (done.returncode, errors) == (0, "")
    assert exit_files(job) == {"SUCCESS"}
    assert (job.parent / "run.out").read_text().endswith("it ran\n")
    assert (job.parent / "run.err").read_text() == ""
    assert not list(tmp_path.glob("canary*"))
    assert not (tmp_path / "x").exists()
    assert (job.parent / f"dispatch.run.{TOKEN}").exists()


@pytest.mark.parametrize(
    "inherited", [{"POSIXLY_CORRECT": "y"}, {"SHELLOPTS": "posix"}, {"BASHOPTS": "expand_aliases"}]
)
def test_a_script_is_not_read_as_that_of_another_shell(
    inherited: dict[str, str], job: Path, running_job: RunningJob
) -> None:
    """Such a bash refuses to start if there is a function `unset` too: see `not_inherited`."""
    functions = {f"BASH_FUNC_{name}%%": "() { return 7; }" for name in ("printf", "dd", "mv", "[")}

    done = running_job.start(running_job.render(job), **inherited, **functions)

    assert done.wait(60) == 0
    assert exit_files(job) == {"SUCCESS"}


@pytest.mark.parametrize("name", ["module", "ml", "spack", "_module_raw"])
def test_functions_of_environment_modules_stay(
    name: str, job: Path, running_job: RunningJob, site: object
) -> None:
    site(  # type: ignore[operator]
        "job_template/postprocess.sh.j2",
        f'{{% extends "sp.sh.j2" %}}\n{{% block prologue %}}\n{name} load x\n{{% endblock %}}\n',
    )
    rendered = running_job.render(job)

    done = running_job.start(rendered, **{f"BASH_FUNC_{name}%%": "() { echo loads $*; }"})

    assert done.wait(60) == 0
    assert "loads load x\n" in (job.parent / "run.out").read_text()
