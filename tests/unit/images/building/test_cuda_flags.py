"""What RELION is compiled for, by containers/cuda_flags.sh; with a simulated nvcc of three CUDAs.

The real nvcc of Debian's CUDA 11.8 answers in tests/system/images/test_source.py.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ....definitions import CONTAINERS, stages

KNOWN = {
    "11.8": "35 37 50 52 53 60 61 62 70 72 75 80 86 87 89 90",
    "12.8": "50 52 53 60 61 62 70 72 75 80 86 87 89 90 100 101 120",
    "13.0": "75 80 86 87 88 89 90 100 103 110 120 121",
}
SHIPPED = stages((CONTAINERS / "relion-source.def").read_text())[0].arguments["architectures"]


def flags(folder: Path, cuda: str | None, architectures: str) -> subprocess.CompletedProcess[str]:
    """Run it with the nvcc of this CUDA; None for a base without one."""
    if cuda:
        nvcc = folder / "nvcc"
        listed = "".join(f"compute_{each}\n" for each in KNOWN[cuda].split())
        release = f"Cuda compilation tools, release {cuda}, V{cuda}.89"
        nvcc.write_text(
            f'#!/bin/sh\ncase $1 in --version) echo "{release}";; *) printf "{listed}";; esac\n'
        )
        nvcc.chmod(0o755)
    return subprocess.run(
        ["/bin/sh", CONTAINERS / "cuda_flags.sh", architectures],
        env={"PATH": f"{folder}:/usr/bin:/bin" if cuda else str(folder)},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("cuda", "kept", "later"),
    [("11.8", "70 75 80 86 89 90", "100 120"), ("12.8", "70 75 80 86 89 90 100 120", "")],
)
def test_the_shipped_architectures_fit_older_compilers(
    tmp_path: Path, cuda: str, kept: str, later: str
) -> None:
    done = flags(tmp_path, cuda, SHIPPED)

    label, lowest, rest = done.stdout.splitlines()
    assert (label, lowest) == (f"CUDA {cuda}, sm {kept}", "70")
    codes = [word.partition("code=")[2] for word in rest.split() if "code=" in word]
    newest = kept.split()[-1]
    assert codes == [*(f"sm_{each}" for each in kept.split()[1:]), f"compute_{newest}"]
    assert (f"cannot compile for {later}: left out" in done.stderr) == bool(later)


@pytest.mark.parametrize(
    ("architectures", "label"),
    [
        ("80", "CUDA 11.8, sm 80"),
        ("90 80 80", "CUDA 11.8, sm 80 90"),
        ("120 80", "CUDA 11.8, sm 80"),
    ],
)
def test_the_lowest_comes_first_and_alone_needs_no_flags(
    tmp_path: Path, architectures: str, label: str
) -> None:
    lines = flags(tmp_path, "11.8", architectures).stdout.splitlines()

    assert lines[:2] == [label, "80"]
    assert bool(lines[2]) == ("90" in label)


@pytest.mark.parametrize(
    ("cuda", "architectures", "sentence"),
    [
        ("13.0", "70 80", "cannot compile for the architecture 70: leave it out"),
        ("11.8", "100 120", "can compile for none of the architectures (100 120)"),
        ("11.8", "81", "cannot compile for the architecture 81"),
        ("11.8", "8.6", '"8.6" is no architecture'),
        ("11.8", "80;86", '"80;86" is no architecture'),
        ("11.8", "sm_80", '"sm_80" is no architecture'),
        ("11.8", "", "for none of the architectures"),
        (None, "80", "there is no nvcc"),
    ],
)
def test_what_cannot_be_compiled_is_refused_in_the_first_second(
    tmp_path: Path, cuda: str | None, architectures: str, sentence: str
) -> None:
    done = flags(tmp_path, cuda, architectures)

    assert done.returncode == 1
    assert done.stdout == ""
    assert sentence in done.stderr.splitlines()[-1]
