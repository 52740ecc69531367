"""What would become of a submission now, whether or not its image has been added?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..config.configuration import Configuration
from ..images.awaited import as_if_there, awaited_images, none_yet
from ..ranks.learned import Learned
from .make_plan import plan_script
from .plan import Plan

__all__ = ["plan_now"]


def plan_now(
    script: Path,
    configuration: Configuration,
    learned_in: Callable[[Path], Learned] | None = None,
) -> Plan:
    """The plan of the submission in `script`.

    While the catalogue has no image at all, the plan is for one that is still to be added, and has
    a warning that says so. `learned_in` looks at the job's earlier runs.

    Raises:
        DispatchError: as for :func:`plan_script`.
    """
    site, types, catalogue = configuration
    if catalogue.images:
        return plan_script(script, configuration, learned_in=learned_in)
    awaited = configuration._replace(catalogue=awaited_images(catalogue.path, types, site))
    planned = plan_script(script, awaited, check_file=as_if_there, learned_in=learned_in)
    if planned.image is None:
        return planned
    return planned._replace(warnings=(*planned.warnings, none_yet(catalogue, planned.image.name)))
