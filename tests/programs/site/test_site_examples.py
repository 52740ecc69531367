"""``relion-dispatch check`` finds nothing wrong in a site of docs/sites."""

from __future__ import annotations

from pathlib import Path

import pytest

from dispatcher.config.configuration import load_configuration
from dispatcher.site.job_check import job_problems

from ...fixture_types import WriteSite

SITES = Path(__file__).parents[3] / "docs" / "sites"


@pytest.mark.usefixtures("images")
def test_jobs_of_all_types_have_a_plan_and_scripts_that_bash_reads(site: WriteSite) -> None:
    site("site.json", (SITES / "two_kinds_of_gpu.json").read_text())
    configuration = load_configuration()

    problems = job_problems(configuration.site, configuration.job_types, configuration.catalogue)

    assert [each for each in problems if "is not found: install it" not in each] == []
