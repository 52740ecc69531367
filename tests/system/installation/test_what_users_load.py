"""An installation as its users have it: RELION's queue command, and what their shells load."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ...waiting import wait_for_end
from ..project import MakeProject, Project
from .conftest import FORMS, environment

LMOD = Path("/usr/share/lmod/lmod/init/bash")


def move_site(project: Project, prefix: Path) -> None:
    """Make the project's site that of the installation; the files name their schemas as before."""
    for name in ("site.json", "images.json"):
        own = prefix / "etc" / "relion-dispatch" / name
        schema = {"$schema": json.loads(own.read_text())["$schema"]}
        site = json.loads((Path(project.environment["RELION_DISPATCH_SITE"]) / name).read_text())
        own.write_text(json.dumps({**site, **schema}))
    runtime = project.environment["RELION_DISPATCH_RUNTIME"]
    project.environment = environment(RELION_DISPATCH_RUNTIME=runtime)
    project.command = prefix / "bin" / "relion-dispatch"


@pytest.mark.parametrize("form", FORMS)
def test_a_job_runs_through_the_installed_command(
    form: str, installed: Callable[[str], Path], make_project: MakeProject
) -> None:
    prefix = installed(form)
    project = make_project("5", scheduler="local")
    move_site(project, prefix)

    job = project.add_job("maskcreate", fn_in="reference.mrc")
    project.run_job(job)

    project.assert_succeeded(job)
    used = project.record(job)["configuration"]["site.json"]["path"]
    assert used == str(prefix / "etc" / "relion-dispatch" / "site.json")


SHELLS = {
    "sh": ["sh", "-euc", ". {prefix}/share/relion-dispatch.sh; {then}"],
    "csh": ["tcsh", "-fec", "source {prefix}/share/relion-dispatch.csh; {then}"],
    "lmod": [
        "bash",
        "-c",
        f". {LMOD}; module use {{prefix}}/share/modulefiles; module load relion-dispatch; {{then}}",
    ],
    "tcl": [
        "bash",
        "-c",
        f". {LMOD}; module use {{tcl}}; module load relion-dispatch; {{then}}",
    ],
}


# What is loaded is the same in both forms: for the appliance one shell is enough.
LOADED = [*(("venv", shell) for shell in SHELLS), ("appliance", "sh")]


@pytest.mark.parametrize(("form", "shell"), LOADED)
def test_what_users_load_lets_relion_submit(
    form: str,
    shell: str,
    installed: Callable[[str], Path],
    make_project: MakeProject,
    tmp_path: Path,
) -> None:
    prefix = installed(form)
    project = make_project("5", scheduler="local")
    job = project.add_job("maskcreate", fn_in="reference.mrc")
    move_site(project, prefix)
    # The module of Environment Modules, without Lmod's own beside it.
    tcl = tmp_path / "modulefiles"
    tcl.mkdir()
    shutil.copy(prefix / "share" / "modulefiles" / "relion-dispatch", tcl)

    # As RELION does: system("$RELION_QSUB_COMMAND SCRIPT &"), with the template of its choice.
    script = f"{job.parent.name}/{job.name}/run_submit.script"
    then = (
        f'test -r "$RELION_QSUB_TEMPLATE" && test "$RELION_QUEUE_USE" = Yes && '
        f"relion-dispatch --version && sh -c '$RELION_QSUB_COMMAND {script} &'"
    )
    *start, text = SHELLS[shell]
    done = subprocess.run(
        [*start, text.format(prefix=prefix, tcl=tcl, then=then)],
        cwd=project.folder,
        env=project.environment,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    wait_for_end(job, "SUCCESS", 60)


def test_loading_twice_changes_nothing_more(installed: Callable[[str], Path]) -> None:
    prefix = installed("venv")
    for start, end in (
        ("sh", ". {}/share/relion-dispatch.sh"),
        ("tcsh", "source {}/share/relion-dispatch.csh"),
    ):
        load = end.format(prefix)
        once, twice = (
            subprocess.run(
                [start, "-c", f"{load}; {again} env | grep -E '^(PATH|RELION_Q)' | sort"],
                env=environment(),
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            for again in ("", f"{load};")
        )
        assert once == twice
        assert f"PATH={prefix}/bin:" in once


@pytest.mark.parametrize("form", FORMS)
def test_manual_pages_completion_and_schemas_are_installed(
    form: str, installed: Callable[[str], Path]
) -> None:
    prefix = installed(form)
    load = f". {prefix}/share/relion-dispatch.sh"
    typed = "COMP_WORDS=(relion-dispatch images ver); COMP_CWORD=2; _relion_dispatch 2> /dev/null"

    done = subprocess.run(
        [
            "bash",
            "--norc",
            "-ic",
            f"{load}; man -w relion-dispatch-pin ls; {typed}; echo $COMPREPLY",
        ],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )

    page, of_system, completed = done.stdout.splitlines()
    assert page == f"{prefix}/share/man/man1/relion-dispatch-pin.1"
    assert not of_system.startswith(str(prefix))
    assert completed == "verify"
    for name in ("site", "images"):
        file = prefix / "etc" / "relion-dispatch" / f"{name}.json"
        schema = file.parent / json.loads(file.read_text())["$schema"]
        assert json.loads(schema.read_text())["title"] == f"{name}.json"


def test_unloading_the_module_takes_everything_back(installed: Callable[[str], Path]) -> None:
    text = (
        f". {LMOD}; module use {installed('venv')}/share/modulefiles; module load relion-dispatch;"
        " module unload relion-dispatch; env"
    )
    after = subprocess.run(
        ["bash", "-c", text], env=environment(), capture_output=True, text=True, check=True
    ).stdout

    assert not re.search("^RELION_(Q|DISPATCH|MINIMUM|ALLOW)", after, re.MULTILINE)
    assert f"{installed('venv')}/bin" not in after


@pytest.mark.parametrize("form", FORMS)
def test_relion_learns_of_an_installation_without_its_files(
    form: str, installed: Callable[[str], Path], tmp_path: Path
) -> None:
    text = (installed(form) / "bin" / "relion_dispatch.py").read_text()
    program = re.findall("^program=(.*)$", text, re.MULTILINE)[0]
    command = tmp_path / "relion_dispatch.py"
    command.write_text(text.replace(program, f"{tmp_path}/nothing"))
    command.chmod(0o755)
    job = tmp_path / "Refine3D" / "job001"
    job.mkdir(parents=True)

    done = subprocess.run(
        [command, "Refine3D/job001/run_submit.script"], cwd=tmp_path, capture_output=True
    )

    assert done.returncode != 0
    assert "tell your admin to run deploy/install.sh again" in (job / "run.err").read_text()
    assert (job / "RELION_JOB_EXIT_FAILURE").exists()
