"""What an image says about itself: its labels, the programs in it, RELION's and MPI's versions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from ..config.gpu_vendors import VENDORS, GpuName
from ..config.site import Site
from ..errors import ImageError
from . import apptainer
from .integrity import sha256_of
from .sif import SifHeader, ours, read_header

__all__ = ["ImageReport", "agrees", "inspect"]

# A stand-in for /bin/which: the images of others may lack it.
_QUESTIONS = r"""
IFS=:
for folder in $PATH; do
    for file in "$folder"/relion* "$folder"/mpirun; do
        if [ -f "$file" ] && [ -x "$file" ]; then echo "${file##*/}"; fi
    done
done
echo '== relion'
relion_refine --version 2>&1
echo '== mpi'
mpirun --version 2>&1 && echo '== mpi runs'
echo '== weights'
wrapper=$(command -v relion_python_blush)
for home in "${TORCH_HOME:-}" "$(sed -n 's/^torch_home="\(.*\)"$/\1/p' "${wrapper:-/dev/null}")"; do
    for folder in "${home:-/nowhere}"/hub/checkpoints/*; do
        if [ -d "$folder" ]; then echo "${folder##*/}"; fi
    done
done
exit 0
"""


class ImageReport(NamedTuple):
    """What an image says about itself.

    Attributes:
        header: of the SIF.
        sha256: of the whole file, in hexadecimal digits.
        labels: all of them.
        relion: RELION's own version ("5.1.0", "5.0.1-commit-1a2b3c").
        gpu: the kind of GPU RELION was built for.
        mpi: the MPI ("Open MPI 4.1.4").
        programs: the names of RELION's programs and mpirun.
        weights: the folders of networks' weights in the image itself.
        signed_by: the fingerprints of the keys that signed it.
    """

    header: SifHeader
    sha256: str
    labels: Mapping[str, str]
    relion: str
    gpu: GpuName | None
    mpi: str
    programs: tuple[str, ...]
    weights: tuple[str, ...]
    signed_by: tuple[str, ...]


def inspect(path: Path, site: Site) -> ImageReport:
    """Look into the image; all but its labels is measured, and the labels must agree with that.

    Raises:
        ImageError: no SIF, cut short, for another architecture, without MPI or RELION, changed
            while it was read, contradicting itself, or Apptainer cannot start it.
    """
    header = read_header(path)
    if header.architecture not in (ours(), "unknown"):
        raise ImageError(
            f"{path} is for {header.architecture}, but this machine is {ours()}: build the image "
            f"for {ours()}, or run this command on a machine with {header.architecture}."
        )
    program = site.apptainer.program
    apptainer.version(program)
    labels = apptainer.labels(program, path)
    answer = apptainer.inside(site.apptainer, path, _QUESTIONS)
    answer, _, weights = answer.partition("== weights\n")
    programs, relion, gpu, mpi = read_answer(answer, path)
    _check_labels(path, labels, relion, gpu)
    signed_by = apptainer.signers(program, path)
    digest = sha256_of(path)
    if read_header(path) != header:
        raise ImageError(
            f"{path} changed while relion-dispatch read it: wait until the file is complete, then "
            "try again."
        )
    own_weights = tuple(sorted(set(weights.split())))
    return ImageReport(header, digest, labels, relion, gpu, mpi, programs, own_weights, signed_by)


def read_answer(answer: str, path: Path) -> tuple[tuple[str, ...], str, GpuName | None, str]:
    """The programs, RELION's version and kind of GPU, and the MPI, out of what the image printed.

    Raises:
        ImageError: there is no mpirun or no RELION in the image, or one does not run.
    """
    names, _, rest = answer.partition("== relion\n")
    relion_said, _, mpi_said = rest.partition("== mpi\n")
    programs = tuple(sorted(set(names.split())))
    if "relion_refine" not in programs:
        raise ImageError(
            f"There is no RELION in {path} (no relion_refine on its PATH): name an image that has "
            "RELION, or correct PATH in %environment of the image's definition."
        )
    if "mpirun" not in programs:
        raise ImageError(
            f"There is no mpirun in {path}: add the MPI that RELION is linked with to the image "
            "(in Debian and Ubuntu the package openmpi-bin), and build the image again."
        )
    version = re.search(r"^RELION version: (\S+)", relion_said, re.MULTILINE)
    if not version:
        raise ImageError(
            f'`relion_refine --version` in {path} prints "{_last_line(relion_said)}" instead of a '
            "version: correct the image, and run its %test (`apptainer test`)."
        )
    built_for = (each.name for each in VENDORS.values() if f"{each.build}-ACC" in relion_said)
    return programs, version[1], next(built_for, None), _mpi(mpi_said, path)


def _mpi(said: str, path: Path) -> str:
    if found := re.search(r"\((Open MPI|OpenRTE|PRRTE)\) (\S+)", said):
        return f"Open MPI {found[2]}"
    if found := re.search(r"^\s*Version:\s+(\S+)", said, re.MULTILINE):
        return f"MPICH {found[1]}"  # "HYDRA build details:"
    if found := re.search(r"Intel\(R\) MPI Library.*Version (\S+)", said):
        return f"Intel MPI {found[1]}"
    lines, runs, _ = said.partition("== mpi runs")
    if runs and (found := re.search(r"^(?!.*ld\.so: ).*\d+\.\d+.*$", lines, re.MULTILINE)):
        return found[0].strip()
    raise ImageError(
        f'`mpirun --version` in {path} prints "{_last_line(lines)}" instead of a version: correct '
        "the image, and run its %test (`apptainer test`)."
    )


def agrees(version: str, other: str) -> bool:
    """Whether two names can be of one version.

    "5.1" and "5.1.3" can, "5.1.0" and "5.1.3" cannot; what follows the numbers, such as a commit
    or a site's own suffix, is not compared.
    """
    pairs = zip(_numbers(version), _numbers(other), strict=False)
    return bool(_numbers(version) and _numbers(other)) and all(one == two for one, two in pairs)


def _numbers(version: str) -> list[int]:
    found = re.match(r"v?(\d+(?:\.\d+)*)", version)
    return [int(number) for number in found[1].split(".")] if found else []


def _check_labels(path: Path, labels: Mapping[str, str], relion: str, gpu: GpuName | None) -> None:
    label = labels.get("relion.version")
    if label and not agrees(label, relion):
        raise ImageError(
            f"{path} contradicts itself: its label relion.version says {label}, but its "
            f"relion_refine says {relion}. An image that is built on another image keeps the "
            "labels of that image: correct the definition, and build the image again."
        )
    label = labels.get("relion.gpu")
    if label and label != (gpu or "none"):
        raise ImageError(
            f"{path} contradicts itself: its label relion.gpu says {label}, but its relion_refine "
            f"was built for {gpu or 'the CPU'}: correct the definition, and build the image again."
        )


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if re.search(r"\w", line)]
    return (lines or ["nothing"])[-1][:120]
