"""What does Apptainer mount by its own configuration, apptainer.conf?"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from typing import NamedTuple

from ..host import programs

__all__ = ["Configured", "configured"]

_PATIENCE = 1.0  # seconds
# Apptainer's own answer (`apptainer buildcfg`) takes ten times as long. The file lies beside the
# program: that of a distribution's package in /etc, that of an installation without root in a
# folder for its kind of machine. A program outside the appliance reads it, because the appliance
# does not show these folders.
_READ = """
program=$(command -v "$1") && program=$(readlink -f "$program") || exit
prefix=${program%/*/*}
[ "$prefix" != /usr ] || prefix=
conf=etc/apptainer/apptainer.conf
for file in "$prefix/$conf" ${prefix:+"$prefix"/*/$conf}; do
    [ ! -r "$file" ] || exec cat "$file"
done
"""
_LINE = re.compile(
    r"^[ \t]*(mount home|mount tmp|mount hostfs|bind path)[ \t]*=[ \t]*(\S.*)$", re.M
)
# Mount points that "mount hostfs" leaves out (container_linux.go, addHostMount).
_NOT_MOUNTED = ("/proc", "/sys", "/dev", "/run", "/boot", "/var")


class Configured(NamedTuple):
    """What is mounted by itself, as shipped: the home, /tmp, further folders, and file systems."""

    home: bool = True
    tmp: bool = True
    bound: tuple[str, ...] = ()
    file_systems: tuple[str, ...] = ()


def configured(program: str) -> Configured:
    """By the file beside this Apptainer; as shipped if the file is not found or cannot be read."""
    lines = [
        (key, value.strip())
        for key, value in _LINE.findall(_printed("sh", "-c", _READ, "sh", program))
    ]
    last = dict(lines)
    bound = [(path.split(":")[1:] or [path])[0] for key, path in lines if key == "bind path"]
    return Configured(
        home=last.get("mount home") != "no",
        tmp=last.get("mount tmp") != "no",
        bound=tuple(bound),
        file_systems=tuple(_file_systems()) if last.get("mount hostfs") == "yes" else (),
    )


def _file_systems() -> Iterator[str]:
    for line in _printed("cat", "/proc/self/mountinfo").splitlines():
        place = re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), line.split(" ")[4])
        if place != "/" and not place.startswith(_NOT_MOUNTED):
            yield place


def _printed(*argv: str) -> str:
    try:
        return programs.run(argv, timeout=_PATIENCE).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
