"""Variables of whoever calls ``check`` that keep jobs from the hook, or their window's fields.

The CCP-EM Pipeliner reads PIPELINER_QUEUE_USE, PIPELINER_QSUB_COMMAND and the like before RELION's
variables of these names (``add_all_settings`` in pipeliner/user_settings.py, 1.6.1).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ..config.window import LABEL, read_field_names

__all__ = ["foreign_fields", "hidden_settings"]

_SETTING = re.compile("PIPELINER_(QUEUE_[A-Z0-9_]+|QSUB_[A-Z0-9_]+)")
_OURS = {
    "QSUB_COMMAND": ("relion_dispatch.py", "relion_client.sh"),  # the second in a container
    "QSUB_TEMPLATE": ("relion_template.sh",),
}
_TRUE = frozenset({"yes", "true", "y", "1"})  # pipeliner/data_structure.py


def hidden_settings(environment: Mapping[str, str]) -> Iterator[str]:
    """A sentence for each variable of the Pipeliner's that hides one of RELION's, or our hook."""
    for name, value in sorted(environment.items()):
        found = _SETTING.fullmatch(name)
        if not found:
            continue
        setting = found[1]
        ours = environment.get(f"RELION_{setting}")
        if ours is not None and _means(setting, value) == _means(setting, ours):
            continue
        if ours is None and (setting not in _OURS or _is_ours(setting, value)):
            continue
        what = f"RELION_{setting} ({ours})" if ours is not None else "relion-dispatch's"
        yield (
            f"{name} is set here ({value}), and the CCP-EM Pipeliner takes that instead of {what}: "
            f"{_so(setting)}. Unset {name}."
        )


def foreign_fields(environment: Mapping[str, str]) -> Iterator[str]:
    """A sentence if RELION's window would show other fields than the hook takes them for."""
    _, labels, foreign = read_field_names(environment)
    if foreign:
        shown = ", ".join(
            f"{LABEL}{number} ({label})" for number, label in enumerate(labels, 1) if label
        )
        yield (
            f"RELION's window would show the fields of another site: {shown} were set after "
            "relion-dispatch was loaded, and a job is refused if something is typed there. Load "
            "relion-dispatch last, and start RELION anew."
        )


def _means(setting: str, value: str) -> object:
    """The same for values that say the same: two paths may lead to our hook."""
    if setting == "QUEUE_USE":
        return value.lower() in _TRUE
    return _is_ours(setting, value) or value


def _is_ours(setting: str, value: str) -> bool:
    return value.rpartition("/")[2] in _OURS.get(setting, ())


def _so(setting: str) -> str:
    if setting == "QSUB_COMMAND":
        return "its jobs do not come to relion-dispatch"
    if setting == "QUEUE_USE":
        return "its jobs go to the queue only if its window says so"
    if setting == "QSUB_TEMPLATE":
        return "relion-dispatch may not be able to read what it submits"
    return "its window has other values than RELION's"
