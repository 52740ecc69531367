"""Which variables of its caller's environment is a program not to see?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["NOTHING", "Hidden"]


class Hidden(NamedTuple):
    """Variables whose names begin in one of some ways, less the exceptions."""

    beginnings: tuple[str, ...] = ()
    exceptions: tuple[str, ...] = ()

    def hides(self, name: str) -> bool:
        """Whether the program is not to see the variable of that name."""
        return name.startswith(self.beginnings) and name not in self.exceptions

    def as_shell(self) -> Iterator[str]:
        """Lines of POSIX shell that unset them.

        For a shell outside the appliance, where there are variables that nobody inside sees:
        Apptainer keeps its own to itself.
        """
        if self.beginnings:
            names = r"""$(env | sed -n 's/^\([A-Za-z_][A-Za-z0-9_]*\)=.*/\1/p')"""
            yield f"for variable in {names}; do case $variable in"
            if self.exceptions:
                yield f"    {' | '.join(self.exceptions)}) ;;"
            yield f"    {' | '.join(f'{each}*' for each in self.beginnings)}) unset $variable ;;"
            yield "esac; done"


NOTHING = Hidden()
