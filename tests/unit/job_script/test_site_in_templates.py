"""Templates see all that site.json says, so that a new key reaches job scripts by them alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dispatcher.config.configuration import load_configuration
from dispatcher.errors import TemplateError
from dispatcher.job_script.variables import NO_TOKEN, job_script, job_variables
from dispatcher.planning.make_plan import plan_script
from dispatcher.planning.plan import Plan

Planned = Callable[[], Plan]

pytestmark = pytest.mark.usefixtures("images")


@pytest.fixture
def planned(corpus_job: Callable[[str], Path]) -> Planned:
    return lambda: plan_script(corpus_job("relion-5.0.1/Refine3D_job011"), load_configuration())


def test_a_key_of_the_site_reaches_a_template(site: Callable[..., Path], planned: Planned) -> None:
    site("site.json", {"projects": "/data/projects", "apptainer": {"bind": ["/scratch"]}})
    site("job_template/gpu.sh.j2", "# {{ job.site.projects }} {{ job.site.apptainer.bind[0] }}\n")

    assert job_script(planned(), NO_TOKEN) == "# /data/projects /scratch\n"


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("site.watch_gpu", '"job.site.watch_gpu"; did you mean "watch_gpus"?'),
        ("gpu_fit.lest", 'lest"; did you mean "least"?'),
        ("npro", '"job.npro"; did you mean "nproc"?'),
        ("site.apptainer.wrong", "has no attribute 'wrong'"),
    ],
)
def test_a_variable_that_does_not_exist_is_named_in_full(
    wrong: str, meant: str, site: Callable[..., Path], planned: Planned
) -> None:
    site("job_template/gpu.sh.j2", f"{{{{ job.{wrong} }}}}\n")

    with pytest.raises(TemplateError) as caught:
        job_script(planned(), NO_TOKEN)

    assert meant in str(caught.value)


def test_a_parameter_that_is_null_is_as_if_it_were_not_set(
    site: Callable[..., Path], planned: Planned
) -> None:
    site("site.json", {"job_parameters": {"submit": {"abort_grace": None, "time": None}}})

    variables = job_variables(planned(), NO_TOKEN)

    assert (variables["abort_grace"], variables["time"]) == (120, None)


def test_a_plan_that_is_printed_or_recorded_does_not_repeat_the_site(planned: Planned) -> None:
    assert "site" not in planned().as_json()


def test_a_template_that_extends_itself_is_told_so(
    site: Callable[..., Path], planned: Planned
) -> None:
    site("job_template/gpu.sh.j2", '{% extends "gpu.sh.j2" %}\n')

    with pytest.raises(TemplateError, match="extends or includes itself: name the file"):
        job_script(planned(), NO_TOKEN)
