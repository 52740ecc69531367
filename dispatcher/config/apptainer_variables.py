"""Which variables of a user's environment reach Apptainer, and which a container sees.

Apptainer takes options from variables: ``APPTAINER_BINDPATH`` adds folders, ``APPTAINERENV_X`` sets
X in the container, and all of them exist as ``SINGULARITY…`` as well (`apptainer help exec`, 1.4).
The loader takes libraries from ``LD_PRELOAD`` for every program, Apptainer's own included.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..host.hidden_variables import Hidden

__all__ = [
    "LOADER",
    "hidden_from_apptainer",
    "hidden_from_builds",
    "is_apptainers",
    "listed_for_apptainer",
]

LOADER = ("LD_PRELOAD", "LD_AUDIT")

_BEGINNINGS = ("APPTAINER", "SINGULARITY")
# These change nothing that a container sees: where Apptainer has files of its own, and that it is
# to do without root's privileges (as deploy/install/version.sh wants it). deploy/appliance.sh and
# job_template/library/environment.sh have the same names.
_HARMLESS = ("TMPDIR", "CACHEDIR", "CONFIGDIR", "KEYSDIR", "SYPGPDIR", "NO_PRIVS")

# These add folders and variables to the container in which an image is built.
_IN_BUILDS = ("_BIND", "_MOUNT", "ENV_")


def is_apptainers(name: str) -> bool:
    """Whether the variable is one for Apptainer itself, not for a program in a container."""
    return name.startswith(tuple(f"{each}{kind}" for each in _BEGINNINGS for kind in ("_", "ENV_")))


def listed_for_apptainer(environment: Iterable[str]) -> list[str]:
    """What Apptainer itself may see: variables that change nothing, and what the site lists."""
    harmless = [f"{each}_{name}" for each in _BEGINNINGS for name in _HARMLESS]
    return [*harmless, *filter(is_apptainers, environment)]


def hidden_from_apptainer(environment: Iterable[str] = ()) -> Hidden:
    """What Apptainer is not to see; `environment` is what the site lists."""
    return Hidden((*_BEGINNINGS, *LOADER), tuple(listed_for_apptainer(environment)))


def hidden_from_builds(environment: Iterable[str] = ()) -> Hidden:
    """What Apptainer is not to see when it builds an image.

    A build needs more of the user's: the passwords and settings of the registry that it asks.
    """
    names = [f"{each}{kind}" for each in _BEGINNINGS for kind in _IN_BUILDS]
    return Hidden((*names, *LOADER), tuple(listed_for_apptainer(environment)))
