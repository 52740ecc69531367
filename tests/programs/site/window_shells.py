"""Shells and modules in which users load the dispatcher, as they are installed here."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

__all__ = ["LOADERS", "MODULES", "SOURCED", "fill", "loaded", "share"]

ENVIRONMENT = Path(__file__).parents[3] / "deploy" / "environment"
LMOD = Path("/usr/share/lmod/lmod/init/bash")
TCL_MODULES = os.environ.get("RELION_TEST_TCL_MODULES", "modulecmd.tcl")

# How each shell reads a file, and says which variables there are then; {again} is what follows.
SOURCED = {
    "dash": ["dash", "-euc", '. "$1"; {again} exec env -0', "dash"],
    "bash": ["bash", "-euc", '. "$1"; {again} exec env -0', "bash"],
    "zsh": ["zsh", "-feuc", '. "$1"; {again} exec env -0', "zsh"],
    "tcsh": ["tcsh", "-fec", "source $RD_FILE; {again} exec env -0"],
    "csh": ["bsd-csh", "-fec", "source $RD_FILE; {again} exec env -0"],
}
_LMOD = f". {LMOD}; module use $1; module load relion-dispatch; {{again}} exec env -0"
MODULES = {
    "lmod": ["bash", "-c", _LMOD, "lmod"],
    "lmod-tcl": ["bash", "-c", _LMOD, "lmod"],
    "tcl": [
        "bash",
        "-c",
        'module() { eval "$(tclsh ' + TCL_MODULES + ' bash "$@")"; }; module use "$1"; '
        "module load relion-dispatch; {again} exec env -0",
        "tcl",
    ],
}
LOADERS = {**SOURCED, **MODULES}


def fill(prefix: Path) -> None:
    """What deploy/install.sh makes of deploy/environment in ``share/`` of the prefix."""
    folder = prefix / "share"
    for below in ("lmod", "tcl"):
        (folder / below).mkdir(parents=True)
    for name, to in (
        ("sh", "relion-dispatch.sh"),
        ("csh", "relion-dispatch.csh"),
        ("lua", "lmod/relion-dispatch.lua"),
        ("tcl", "tcl/relion-dispatch"),
    ):
        text = (ENVIRONMENT / f"relion-dispatch.{name}").read_text()
        text = text.replace("@PREFIX@", str(prefix)).replace("@VERSION@", "1")
        (folder / to).write_text(text)


def loaded(
    loader: str, path: Path, environment: dict[str, str] | None = None, again: str = ""
) -> dict[str, str]:
    """The variables after that shell has loaded the file, or the module of that folder."""
    *start, text = LOADERS[loader][:3]
    assert shutil.which(start[0]), f"install {start[0]}"
    done = subprocess.run(
        [*start, text.replace("{again}", again), *LOADERS[loader][3:], str(path)],
        env={"PATH": os.environ["PATH"], "RD_FILE": str(path), **(environment or {})},
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert not done.stderr, done.stderr.decode()
    pairs = (each.partition("=") for each in os.fsdecode(done.stdout).split("\0") if each)
    return {name: value for name, _, value in pairs}


def share(loader: str, prefix: Path) -> Path:
    """What that shell loads of an installation."""
    if loader in MODULES:
        return prefix / "share" / ("lmod" if loader == "lmod" else "tcl")
    return prefix / "share" / f"relion-dispatch.{'csh' if 'csh' in loader else 'sh'}"
