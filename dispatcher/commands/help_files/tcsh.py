"""The completion of tcsh: commands alone."""

from __future__ import annotations

from .command_tree import Command, all_of

__all__ = ["tcsh_completion"]


def tcsh_completion(tree: Command, version: str) -> str:
    """The line, which is sourced; what it does not know, tcsh completes as the name of a file."""
    rules = [
        f"'{place}/({' '.join(each.path[-1] for each in group.below)})/'"
        for group in reversed([each for each in all_of(tree) if each.below])
        for place in [f"n/{group.path[-1]}" if group.path else "p/1"]
    ]
    return (
        f"# Completion of relion-dispatch {version} for tcsh, by `relion-dispatch help-files`.\n"
        f"complete relion-dispatch {' '.join(rules)}\n"
    )
