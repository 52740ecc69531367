"""A job goes on whose template has options that end a script at once."""

from __future__ import annotations

import pytest

from ....fixture_types import WriteSite
from ..test_strict_shell import STRICT
from .conftest import Refinement


@pytest.mark.parametrize(
    ("iterations", "where"), [("1 2", "from iteration 2"), ("", "from the beginning")]
)
def test_a_job_of_such_a_template_goes_on(
    iterations: str, where: str, refinement: Refinement, site: WriteSite
) -> None:
    site(
        "job_template/refine.sh.j2",
        f'{{% extends "gpu.sh.j2" %}}{{% block prologue %}}\n{STRICT}{{{{ super() }}}}\n'
        "{% endblock %}\n",
    )
    refinement.at_its_limit(iterations)

    refinement.start(ends=True).communicate(timeout=60)

    assert refinement.run_record(1)["why"] == "time_limit"
    assert f"Run 2 of the job goes on {where}" in refinement.says()
    assert refinement.run_record()["ending"] == "SUCCESS"
