"""Which variables of a user's environment reach Apptainer, and which its container."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from dispatcher.config.apptainer_variables import (
    hidden_from_apptainer,
    hidden_from_builds,
    listed_for_apptainer,
)
from dispatcher.config.configuration import load_configuration
from dispatcher.config.site import load_site
from dispatcher.host import programs
from dispatcher.images.apptainer import labels
from dispatcher.images.building.streamed import streamed
from dispatcher.planning.make_plan import plan_script
from dispatcher.planning.window_variables import WindowVariables
from dispatcher.session.container import session_variables

from ...fixture_types import CorpusJob, WriteSite

REPOSITORY = Path(__file__).parents[3]

USERS = {
    "APPTAINER_BINDPATH": "/apps/other",
    "SINGULARITY_NO_HOME": "1",
    "APPTAINERENV_PATH": "/x",
    "LD_PRELOAD": "",
    "APPTAINER_TMPDIR": "/scratch",
    "SINGULARITY_CACHEDIR": "/scratch",
    "OTHER": "x",
}


@pytest.fixture
def users(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user's environment that would change containers."""
    for name, value in USERS.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("users")
@pytest.mark.parametrize(
    ("listed", "seen"),
    [
        ([], {"APPTAINER_TMPDIR", "SINGULARITY_CACHEDIR", "OTHER"}),
        (
            ["APPTAINER_BINDPATH", "OTHER"],
            {"APPTAINER_BINDPATH", "APPTAINER_TMPDIR", "SINGULARITY_CACHEDIR", "OTHER"},
        ),
    ],
)
def test_apptainer_sees_what_changes_nothing_and_what_the_site_lists(
    listed: list[str], seen: set[str]
) -> None:
    program = [sys.executable, "-c", "import os; print('\\n'.join(os.environ))"]
    hidden = hidden_from_apptainer(listed)

    here = programs.run(program, hidden=hidden).stdout.split()
    # The shell outside the appliance does the same.
    outside = programs.run(
        ["sh", "-c", "\n".join([*hidden.as_shell(), 'exec "$@"']), "sh", *program]
    )

    assert set(here) & set(USERS) == seen
    assert set(outside.stdout.split()) & set(USERS) == seen


@pytest.mark.usefixtures("users")
def test_apptainers_other_commands_do_not_see_them_either(tmp_path: Path) -> None:
    program = tmp_path / "apptainer"
    program.write_text(
        f"#!/bin/sh\nenv > {tmp_path}/seen\n"
        """echo '{"data": {"attributes": {"labels": {"a": "b"}}}}'\n"""
    )
    program.chmod(0o755)

    assert labels(str(program), Path("x.sif")) == {"a": "b"}

    seen = (tmp_path / "seen").read_text()
    assert "APPTAINER_TMPDIR=/scratch" in seen
    assert "BINDPATH" not in seen


@pytest.mark.usefixtures("users")
@pytest.mark.parametrize(("listed", "more"), [([], []), (["APPTAINER_BINDPATH"], ["BINDPATH"])])
def test_a_build_sees_what_a_registry_wants_and_nothing_that_changes_its_container(
    listed: list[str], more: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DOCKER_PASSWORD", "BIND", "MOUNT"):
        monkeypatch.setenv(f"APPTAINER_{name}", "x")
    program = [sys.executable, "-c", "import os; print('\\n'.join(os.environ))"]

    seen = streamed(program, tmp_path, hidden_from_builds(listed)).output.split()

    assert {each for each in seen if each.startswith(("APPTAINER", "LD_"))} == {
        f"APPTAINER_{each}" for each in ("DOCKER_PASSWORD", "TMPDIR", *more)
    }


def test_a_variable_of_apptainers_own_goes_to_apptainer_and_no_further(
    site: WriteSite, images: Path, corpus_job: CorpusJob
) -> None:
    names = ["LICENCE", "APPTAINER_BINDPATH", "LD_PRELOAD"]
    parameters = {"gpu": {"nodes": 2, "ngpu": 1, "nproc": 3}}
    site(
        "site.json",
        {
            "scheduler": "slurm",
            "apptainer": {"environment": names},
            "job_parameters": parameters,
        },
    )

    plan = plan_script(corpus_job("relion-5.0.1/Refine3D_job011"), load_configuration())

    assert plan.environment[:2] == ("LICENCE", "LD_PRELOAD")
    main = next(each for each in plan.commands if each.is_main)
    (exported,) = (word.planned for word in main.prefix if word.planned.startswith("--export"))
    # LD_PRELOAD itself would reach Apptainer's own programs.
    assert exported.split("PYTHONNOUSERSITE,")[1].split(",") == [
        *("LICENCE", "APPTAINERENV_LD_PRELOAD", "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"),
        "APPTAINER_BINDPATH",
    ]


@pytest.mark.parametrize("file", ["deploy/appliance.sh", "job_template/library/environment.sh"])
def test_the_shell_lets_the_same_variables_through(file: str) -> None:
    (names,) = re.findall(r"TMPDIR ?\|[^)]*", (REPOSITORY / file).read_text())

    each = re.findall(r"\w+", names)
    assert listed_for_apptainer([]) == [
        *(f"APPTAINER_{name}" for name in each),
        *(f"SINGULARITY_{name}" for name in each),
    ]


@pytest.mark.usefixtures("users")
def test_a_session_hides_them_as_well(site: WriteSite) -> None:
    site("site.json", {"apptainer": {"environment": ["APPTAINER_BINDPATH", "OTHER"]}})
    apptainer = load_site().apptainer

    assert "OTHER" in session_variables(os.environ, apptainer, WindowVariables())
    assert "APPTAINER_BINDPATH" not in session_variables(os.environ, apptainer, WindowVariables())
    assert "APPTAINER_BINDPATH" in apptainer.hidden.exceptions
