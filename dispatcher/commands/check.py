"""``relion-dispatch check``: is the site in order?"""

from __future__ import annotations

__all__ = ["check"]


def check() -> int:
    """Check the site's configuration, images and templates.

    A made-up job of every type is planned, and its script read by bash. Status 1 if something is
    wrong.
    """
    from ..site.check import problems

    found = problems()
    for problem in found:
        print(problem)
    if not found:
        print("Everything is in order.")
    return 1 if found else 0
