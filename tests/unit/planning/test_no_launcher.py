"""A job on several nodes is refused with what to set, if its scheduler has no launcher."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dispatcher.config.configuration import load_configuration
from dispatcher.errors import ConfigError
from dispatcher.planning.make_plan import plan_script


@pytest.mark.usefixtures("images")
def test_the_admin_is_told_to_let_the_scheduler_inherit(
    site: Callable[..., Path], corpus_job: Callable[[str], Path]
) -> None:
    site(
        "site.json",
        {
            "scheduler": "own",
            "schedulers": {"own": {"submit_command": ["own"]}},
            "job_parameters": {"class3d": {"nodes": 2}},
        },
    )

    with pytest.raises(ConfigError, match='its "inherits" to a scheduler that has "launch"'):
        plan_script(corpus_job("relion-5.0.1/Class3D_job010"), load_configuration())
