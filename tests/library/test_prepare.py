"""What must be in order on each node before the commands: the image above all."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from ..sif_file import write_sif
from .conftest import Shell


def test_a_function_runs_once_on_the_only_node(shell: Shell) -> None:
    """In a shell of its own: what it sets is not seen outside."""
    function = 'f() { x=1; echo "$@"; return 3; }'

    assert shell.says(f'{function}; on_each_node f "a b" c; echo "$? <$x>"').splitlines() == [
        "a b c",
        "3 <>",
    ]


def test_a_function_runs_once_on_each_of_several_nodes(shell: Shell) -> None:
    shell.stand_in("srun")
    code = 'f() { echo "$NODE: $1, $(process_began $$ | grep -c .)"; [ "$NODE" != 2 ]; }\n'

    done = shell(code + 'on_each_node f "a b"', scheduler="slurm", given=["dispatch_nodes=2"])

    assert sorted(done.stdout.splitlines()) == ["1: a b, 1", "2: a b, 1"]
    assert done.returncode == 1


def test_a_node_gets_the_library_without_what_it_does_not_need(shell: Shell) -> None:
    """A variable of the environment holds 128 kB at most, and a site may know many endings."""
    words = 'printf -v words "%0200000d" 1; eval "known_endings() { : $words; }"'

    said = shell.says(f"{words}; commands() {{ :; }}; functions_for_a_node")

    assert "keep_gpus ()" in said and "process_began ()" in said
    assert not re.search(r"^(known_endings|commands) \(\)", said, re.MULTILINE)
    assert len(said) < 100_000


def test_when_a_process_began_tells_it_from_another(shell: Shell) -> None:
    began = Path("/proc/self/stat").read_text().rpartition(") ")[2].split()[19]

    assert shell.says(f"process_began {os.getpid()}") == began
    assert shell.says("sleep 0 & wait $!; process_began $!") == ""
    # A zombie: nobody collects the child of a process that has become another program.
    zombie = "sleep 0.5 & exec sleep 77"
    said = shell.says(
        f"bash -c '{zombie}' >child &\n"
        "until ps -o stat= --ppid $! | grep -q Z; do sleep 0.05; done\n"
        'process_began "$(pgrep -P $! sleep)"; kill $!'
    )
    assert said == ""


@pytest.mark.parametrize(
    ("given", "steps"),
    [
        ([], []),
        (["dispatch_image=x.sif"], ["image"]),
        (["dispatch_uses_scratch=yes"], ["scratch"]),
        (["dispatch_image=x.sif", "dispatch_uses_scratch=yes"], ["image", "scratch"]),
    ],
)
def test_what_a_job_has_is_prepared(given: list[str], steps: list[str], shell: Shell) -> None:
    code = "look_at_images() { echo image; }; prepare_scratch() { echo scratch; }; prepare_nodes"

    assert shell.says(code, given=given).split() == steps


# The image


def image(folder: Path) -> tuple[Path, str]:
    """An image's file, and its size and SIF id as the plan has them."""
    path = folder / "x.sif"
    write_sif(path)
    return path, f"{path.stat().st_size} {path.read_bytes()[48:64].hex()}"


def test_the_image_that_was_chosen_passes(shell: Shell, tmp_path: Path) -> None:
    path, state = image(tmp_path)

    done = shell(f"look_at_image '{path}' '{state}'")

    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda path: path.unlink(), "does not exist on"),
        (lambda path: path.write_bytes(path.read_bytes() + b"x"), "not the file that was chosen"),
    ],
)
def test_another_image_ends_the_job_with_one_sentence(
    spoil: Callable[[Path], None], says: str, shell: Shell, tmp_path: Path
) -> None:
    shell.stand_in("srun")
    path, state = image(tmp_path)
    spoil(path)

    done = shell(
        "trap 'echo \"$dispatch_reason\"' EXIT; look_at_images",
        scheduler="slurm",
        given=[f"dispatch_image='{path}'", f"dispatch_image_state='{state}'", "dispatch_nodes=2"],
    )

    assert done.returncode == 1
    assert says in done.stdout
    assert done.stdout.count("\n") == 1  # though two nodes have said it


# Scratch


def test_the_container_is_known_as_the_nodes_have_settled_it(shell: Shell) -> None:
    code = (
        "dispatch_know_container() { dispatch_container=(apptainer $settled --mount=/gone x); }; "
    )
    code += "settled=here dispatch_left_out=(--mount=/gone); "
    known = 'know_container; echo "${dispatch_container[*]-none}"'

    assert shell.says(f"{code} {known}") == "apptainer here x"
    assert shell.says(known) == "none"
