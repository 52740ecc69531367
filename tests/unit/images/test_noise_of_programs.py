"""What a program writes to its standard error is no proof: its status and its answer are looked at.

LD_PRELOAD can name a library that a machine lacks: then the loader writes a line for each program,
and goes on.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from dispatcher.config.site import Apptainer
from dispatcher.errors import ImageError
from dispatcher.images import apptainer
from dispatcher.images.inspect import read_answer

NOISE = (
    "ERROR: ld.so: object '/opt/CUDA 12.1/libx.so' from LD_PRELOAD cannot be preloaded "
    "(cannot open shared object file): ignored."
)


def answered(mpi: str, runs: bool = True) -> str:
    end = "== mpi runs\n" if runs else ""
    return (
        f"relion_refine\nmpirun\n== relion\n{NOISE}\nRELION version: 5.0.1 \n"
        f"Precision: BASE=double\n== mpi\n{NOISE}\n{mpi}\n{end}"
    )


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("mpirun (Open MPI) 4.1.4", "Open MPI 4.1.4"),
        ("HYDRA build details:\n    Version:    4.0.2", "MPICH 4.0.2"),
        ("Error-Correcting MPI 7.2", "Error-Correcting MPI 7.2"),
    ],
)
def test_an_image_is_read_beside_what_the_loader_says(said: str, name: str) -> None:
    programs, relion, gpu, mpi = read_answer(answered(said), Path("x.sif"))

    assert (programs, relion, gpu, mpi) == (("mpirun", "relion_refine"), "5.0.1", None, name)


@pytest.mark.parametrize("said", ["mpirun 1.2: not possible here", "sh: 1: mpirun: not found"])
def test_an_mpirun_that_fails_has_no_version(said: str) -> None:
    with pytest.raises(ImageError, match="instead of a version"):
        read_answer(answered(said, runs=False), Path("x.sif"))


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A stand-in for Apptainer that warns of what it does not need, and succeeds."""
    path = tmp_path / "apptainer"
    path.write_text(
        "#!/bin/sh\n"
        "echo 'executable file not found; integrity compromised' >&2\n"
        "case $1 in\n"
        "--version) echo 'a module was loaded'; echo 'apptainer version 1.4.5' ;;\n"
        """verify) echo '{"SignerKeys": null}' ;;\n"""
        "*) echo answer ;;\n"
        "esac\n"
    )
    path.chmod(0o755)
    return path


def test_an_apptainer_that_succeeds_is_believed(program: Path) -> None:
    image = Path("x.sif")

    assert apptainer.version(str(program)) == "1.4.5"
    assert apptainer.inside(Apptainer(program=str(program)), image, "true") == "answer\n"
    assert apptainer.signers(str(program), image) == ()
