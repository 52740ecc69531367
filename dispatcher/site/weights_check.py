"""Can the programs of each image find the weights of their networks without a download?"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from ..config.catalogue import Catalogue, Listed
from ..relion.programs import lookup

__all__ = ["weights_problems"]

_CHECKPOINTS = "hub/checkpoints"  # torch.hub keeps them there, below TORCH_HOME


def weights_problems(catalogue: Catalogue, environment: Collection[str]) -> Iterator[str]:
    """A sentence for each image whose programs would download weights at first use.

    `environment` are the variables that the site lets into containers: with TORCH_HOME among them
    the site looks after the weights elsewhere.
    """
    if "TORCH_HOME" in environment:
        return
    for listed in catalogue.builds():
        programs = [name for name in listed.build.programs if _downloads(name, listed)]
        if not programs:
            continue
        names = f"{', '.join(programs[:-1])} and {programs[-1]}" if programs[1:] else programs[0]
        theirs = "their networks" if programs[1:] else "its network"
        if listed.weights is None:
            yield (
                f"{catalogue.path}: {listed} has no folder of weights, so {names} will download "
                f"the weights of {theirs} at first use, and nodes without internet cannot: give "
                'the image such a folder, as docs/images.md ("Weights of networks") says.'
            )
        elif listed.weights.is_dir():
            folders = ", ".join(f"{_CHECKPOINTS}/{lookup(name).weights}" for name in programs)
            yield (
                f"{catalogue.path}: {listed}: the folder of weights {listed.weights} has no "
                f"{folders}, and {names} cannot write there: put the weights of {theirs} there, as "
                'docs/images.md ("Weights of networks") says.'
            )


def _downloads(program: str, listed: Listed) -> bool:
    """Whether the weights of the program are neither in the image nor in its folder of weights."""
    weights = lookup(program).weights
    if not weights or weights in listed.build.own_weights:
        return False
    return listed.weights is None or not (listed.weights / _CHECKPOINTS / weights).is_dir()
