"""``relion-dispatch template``: the path of the template for RELION's queue."""

from __future__ import annotations

__all__ = ["template"]


def template() -> int:
    """Print the submission template's path, for RELION.

    Set RELION_QSUB_TEMPLATE to this path before RELION starts.
    """
    from ..config.places import submission_template

    print(submission_template())
    return 0
