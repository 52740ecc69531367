"""The environment of a container, and of a program with a window."""

from __future__ import annotations

import pytest

from .conftest import Shell

EXPORTED = "export -p | grep -oE '(APPTAINERENV_|PYTHONNOUSERSITE).*'"


def test_the_container_gets_the_variables_that_the_site_lets_through(shell: Shell) -> None:
    said = shell.says(
        f"clean_environment; {EXPORTED}",
        given=["dispatch_image=x.sif", "dispatch_environment=(SET EMPTY UNSET)"],
        SET="a b",
        EMPTY="",
    )

    assert said.splitlines() == [
        'APPTAINERENV_EMPTY=""',
        'APPTAINERENV_PYTHONNOUSERSITE="1"',
        'APPTAINERENV_SET="a b"',
    ]


def test_over_several_nodes_the_launcher_makes_the_environment(shell: Shell) -> None:
    said = shell.says(
        f"clean_environment; {EXPORTED}",
        given=["dispatch_image=x.sif", "dispatch_nodes=2", "dispatch_environment=(SET)"],
        SET="a",
    )

    assert said.splitlines() == [
        'APPTAINERENV_PYTHONNOUSERSITE="1"',
        'APPTAINERENV_SET="a"',
        'PYTHONNOUSERSITE="1"',
    ]


@pytest.mark.parametrize("nodes", [1, 2])
def test_what_the_users_environment_would_add_to_a_container_is_forgotten(
    nodes: int, shell: Shell
) -> None:
    user = {
        "APPTAINER_BINDPATH": "/apps/other",
        "SINGULARITY_BIND": "/apps/other",
        "APPTAINER_CONTAIN": "1",
        "APPTAINERENV_LD_PRELOAD": "x.so",
        "SINGULARITYENV_PATH": "/x",
        "LD_PRELOAD": "libdlfaker.so",
        "LD_AUDIT": "libaudit.so",
        "APPTAINER_TMPDIR": "/scratch",
        "APPTAINER_NO_HOME": "1",
        "OTHER_APPTAINER_X": "stays",
    }

    said = shell.says(
        "clean_environment; export -p | grep -oE ' [A-Z_]*(APPTAINER|SINGULARITY|LD_)[A-Z_]*'",
        given=[
            "dispatch_image=x.sif",
            f"dispatch_nodes={nodes}",
            "dispatch_for_apptainer=APPTAINER_NO_HOME",
        ],
        **user,
    )

    assert said.split() == [
        *("APPTAINERENV_PYTHONNOUSERSITE", "APPTAINER_NO_HOME", "APPTAINER_TMPDIR"),
        "OTHER_APPTAINER_X",
    ]


def test_a_script_that_does_not_know_what_the_site_lists_leaves_apptainers_variables(
    shell: Shell,
) -> None:
    """As that of a site's own base.sh.j2 of 0.1.0, which has no such setting."""
    said = shell.says(
        "clean_environment; export -p | grep -oE ' (APPTAINER|SINGULARITY)_[A-Z]*'",
        given=["dispatch_image=x.sif"],
        APPTAINER_TMPDIR="/large",
        APPTAINER_BINDPATH="/data",
        SINGULARITY_CACHEDIR="/large",
    )

    assert said.split() == ["APPTAINER_BINDPATH", "APPTAINER_TMPDIR", "SINGULARITY_CACHEDIR"]


def test_a_library_that_the_site_lets_through_is_preloaded_in_the_container_alone(
    shell: Shell,
) -> None:
    said = shell.says(
        "clean_environment; export -p | grep -oE '[A-Z_]*LD_PRELOAD.*'",
        given=["dispatch_image=x.sif", "dispatch_environment=(LD_PRELOAD)"],
        LD_PRELOAD="libdlfaker.so",
    )

    assert said == 'APPTAINERENV_LD_PRELOAD="libdlfaker.so"'


def test_a_job_on_the_host_keeps_its_environment(shell: Shell) -> None:
    assert shell.says(f"clean_environment; {EXPORTED}", given=["dispatch_environment=(HOME)"]) == ""


def test_the_display_is_let_through_if_there_is_one(shell: Shell) -> None:
    code = f"let_display_through; {EXPORTED}"

    assert shell.says(code) == ""
    assert shell.says(code, DISPLAY=":1", XAUTHORITY="/x").splitlines() == [
        'APPTAINERENV_DISPLAY=":1"',
        'APPTAINERENV_XAUTHORITY="/x"',
    ]


# Nodes
