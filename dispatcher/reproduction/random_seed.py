"""The random seed of a refinement that was not given one: RELION draws it from the clock."""

from __future__ import annotations

import re
from glob import escape
from pathlib import Path
from typing import NamedTuple

from ..errors import InputError
from ..relion.command import Command
from ..relion.star import read_block

__all__ = ["Seed", "draws_seed", "recorded_seed"]


class Seed(NamedTuple):
    """A seed, and RELION's file that has it, relative to the project."""

    value: int
    file: str


def draws_seed(command: Command) -> bool:
    """Whether the command takes its random seed from the clock.

    Of RELION's queue jobs only ``relion_refine`` does. A continued one goes on with the seed in its
    optimiser file (``MlOptimiser::parseInitial`` and ``read``, ml_optimiser.cpp, 3.1.3 to 5.0.1).
    """
    return (
        command.base_program == "relion_refine"
        and command.value("random_seed") in (None, "", "-1")
        and "continue" not in command
    )


def recorded_seed(command: Command, project: Path) -> Seed | None:
    """The seed that the command drew, as RELION wrote it beside its results.

    None if it drew none, or if no optimiser file is left that tells it.
    """
    if not draws_seed(command):
        return None
    root = Path(command.value("o") or "run")
    folder = project / root.parent
    begin = escape(root.name)
    for name in (f"{begin}_it[0-9][0-9][0-9]_optimiser.star", f"{begin}_optimiser.star"):
        for path in filter(Path.is_file, sorted(folder.glob(name))):
            try:
                seed = read_block(path, "optimiser_general").first("_rlnRandomSeed")
            except InputError:
                continue
            if seed and re.fullmatch(r"-?[0-9]{1,18}", seed):
                return Seed(int(seed), str(root.parent / path.name))
    return None
