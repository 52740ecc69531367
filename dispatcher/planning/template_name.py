"""Which job template renders a job: the nearest along its type's lineage."""

from __future__ import annotations

from collections.abc import Sequence

from ..config.places import template_folders
from ..errors import TemplateError

__all__ = ["nearest_template"]


def nearest_template(lineage: Sequence[str], named: str | None = None) -> str:
    """The template of the leaf-most type that has one, or the one that the configuration names.

    Raises:
        TemplateError: there is none.
    """
    folders = template_folders()
    wanted = [f"{name}.sh.j2" for name in ([named] if named else reversed(lineage))]
    for name in wanted:
        inside = not name.startswith("/") and ".." not in name.split("/")
        if inside and any((folder / name).is_file() for folder in folders):
            return name
    raise TemplateError(
        f"There is no job template for {' → '.join(lineage)}: add one of {', '.join(wanted)} to "
        f"{' or '.join(map(str, folders))}."
    )
