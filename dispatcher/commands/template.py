"""``relion-dispatch template``: the path of the template for RELION's queue."""

from __future__ import annotations

import os

__all__ = ["template"]


def template() -> int:
    """Print the submission template's path, for RELION.

    Set RELION_QSUB_TEMPLATE to this path before RELION starts.
    """
    from ..config.places import shipped_folder

    # An installation names its copy, whose path stays when it is upgraded.
    installed = os.environ.get("RELION_DISPATCH_TEMPLATE")
    print(installed or shipped_folder() / "job_template" / "relion_template.sh")
    return 0
