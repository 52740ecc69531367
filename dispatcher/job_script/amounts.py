"""Times, sizes and names as a scheduler's directives have them: filters of the templates."""

from __future__ import annotations

import re
from typing import Any

from ..errors import TemplateError

__all__ = ["clock", "mebibytes_in", "plain_name"]

_UNITS = {"KB": 2**10, "MB": 2**20, "GB": 2**30, "TB": 2**40}


def clock(seconds: int) -> str:
    """Seconds as ``hours:minutes:seconds``.

    >>> clock(174600)
    '48:30:00'
    """
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def mebibytes_in(mebibytes: int, unit: str) -> int:
    """MiB in the unit KB, MB, GB or TB of 2^10, 2^20, 2^30 or 2^40 bytes, rounded up.

    >>> mebibytes_in(1536, "GB"), mebibytes_in(1, "KB")
    (2, 1024)

    Raises:
        TemplateError: there is no such unit.
    """
    each = _UNITS.get(unit.upper())
    if each is None:
        raise TemplateError(
            f'The unit of memory {unit!r} in "names" of the scheduler is not known: write '
            f"{', '.join(_UNITS)}."
        )
    return -(-(mebibytes << 20) // each)


def plain_name(value: Any) -> str:
    """A name in the characters that every scheduler takes: letters, digits, ``_``, ``.``, ``-``.

    >>> plain_name("Refine3D/job019"), plain_name("7 µ")
    ('Refine3D.job019', 'job.7__')
    """
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", str(value).strip("/").replace("/", "."))
    return name if name[:1].isalpha() else f"job.{name}"
