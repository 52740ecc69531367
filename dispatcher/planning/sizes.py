"""How large a job's particles and references are, before anything is decided on ranks."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ..errors import BoxUnknown, InputError
from ..memory import particle_count
from ..memory.host_memory import Particles
from ..memory.refinement import Refinement
from ..relion.command import Command
from .job_request import JobRequest

__all__ = ["Sizes", "sizes_of"]


class Sizes(NamedTuple):
    """What the main command holds in memory, as far as it is known here."""

    refinement: Refinement | None = None
    particles: Particles = Particles()
    reasons: tuple[str, ...] = ()


def sizes_of(
    command: Command,
    request: JobRequest,
    version: tuple[int, int] | None,
    refinement_of: Callable[..., Refinement],
) -> Sizes:
    """Box size, classes and number of particles of a refinement; nothing for other programs.

    Raises:
        InputError: an input file is missing or damaged.
    """
    if command.base_program != "relion_refine":
        return Sizes()
    try:
        refinement = refinement_of(
            command, request.project, request.options, relion_version=version
        )
    except BoxUnknown as unknown:
        return Sizes(reasons=(str(unknown),))
    except InputError:
        inputs = [command.value(name) or "" for name in ("i", "ios", "continue", "ref")]
        if "$" not in "".join(inputs):
            raise
        why = "The box size is not known yet: the node will expand a variable in the path."
        return Sizes(reasons=(why,))
    return Sizes(refinement, particle_count.particles(command, request.project))
