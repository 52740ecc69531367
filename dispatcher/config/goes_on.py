"""After which ends from outside does a job go on by itself, and how often?"""

from __future__ import annotations

from typing import get_args

from ..errors import ConfigError
from .ends_from_outside import Cause
from .json_files import strict
from .where import Where

__all__ = ["MOST_AHEAD", "MOST_TIMES", "GoesOnSetting", "check_goes_on", "goes_on_setting"]

MOST_TIMES = 1000
MOST_AHEAD = 100  # the hook submits each of them


@strict
class GoesOnSetting:
    """How jobs go on by themselves.

    Attributes:
        after: the ends from outside that a job is to survive; None for a time limit, preemption
            and a lost node, as far as jobs of its scheduler can.
        at_most: how many times a job goes on, so it has one run more at most.
        gives_up_after: how many runs in a row may bring no new iteration and no new output.
        queued_ahead: how many next runs are queued at the submission; as many as the scheduler's
            file says if unset.
    """

    after: list[Cause] | None = None
    at_most: int = 10
    gives_up_after: int = 2
    queued_ahead: int | None = None


def goes_on_setting(said: GoesOnSetting | bool | None, wanted: bool | None) -> GoesOnSetting | None:
    """How a job goes on, None if it does not.

    Args:
        said: what holds for jobs of its type.
        wanted: what its user has typed, None for nothing.
    """
    if wanted is False or (wanted is None and not said):
        return None
    return said if isinstance(said, GoesOnSetting) else GoesOnSetting()


def check_goes_on(said: GoesOnSetting | bool | None, where: Where) -> None:
    """Check the numbers at `where`, and that something is survived.

    Raises:
        ConfigError: one of them is not possible.
    """
    if not isinstance(said, GoesOnSetting):
        return
    if said.after == []:
        causes = ", ".join(get_args(Cause))
        raise ConfigError(
            f"{where.at('after')}: expected one or more of {causes}, found []; for jobs that do "
            f'not go on, write "goes_on": false'
        )
    for name in ("at_most", "gives_up_after"):
        number = getattr(said, name)
        if not 1 <= number <= MOST_TIMES:
            raise ConfigError(
                f"{where.at(name)}: expected a whole number from 1 to {MOST_TIMES}, found {number}"
            )
    ahead = said.queued_ahead
    if ahead is not None and not 0 <= ahead <= MOST_AHEAD:
        raise ConfigError(
            f"{where.at('queued_ahead')}: expected a whole number from 0 to {MOST_AHEAD}, found "
            f"{ahead}"
        )
