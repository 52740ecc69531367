"""Submissions for which there is no plan."""

from __future__ import annotations

from pathlib import Path

import pytest

from dispatcher.errors import DoesNotFit, InputError

from ...corpus import fill_project
from ...fixture_types import CorpusJob, WriteSite
from .planned import CLASSIC, plan

pytestmark = pytest.mark.usefixtures("images")


def test_a_box_that_fits_on_no_gpu_is_refused_with_the_numbers(
    site: WriteSite, corpus_job: CorpusJob, project: Path
) -> None:
    site("dispatch_config.json", CLASSIC)
    fill_project(project, 1200)

    with pytest.raises(DoesNotFit, match=r"1200 pixels.*--pad 1"):
        plan(corpus_job("relion-5.0.1/Refine3D_job011"))


def test_an_unknown_program_is_refused(project: Path, corpus_job: CorpusJob) -> None:
    script = corpus_job("relion-5.0.1/Select_job022")
    script.write_text(script.read_text().replace("relion_star_handler", "relion_frobnicate"))

    with pytest.raises(InputError, match="relion_frobnicate"):
        plan(script)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "Select/job007/particles.star"),
        ("", "Select/job007/particles.star"),
        (
            "data_optics\n\nloop_\n_rlnImageSize #1\n 64\n\n"
            "data_particles\n\nloop_\n_rlnImageName #1\n",
            "no ",
        ),
    ],
    ids=["missing", "empty", "no images"],
)
def test_unusable_particles_are_refused(
    content: str | None, says: str, project: Path, corpus_job: CorpusJob
) -> None:
    particles = project / "Select/job007/particles.star"
    particles.unlink() if content is None else particles.write_text(content)

    with pytest.raises(InputError, match=says):
        plan(corpus_job("relion-5.0.1/Refine3D_job011"))


def test_a_damaged_stack_header_is_refused(project: Path, corpus_job: CorpusJob) -> None:
    (project / "Select/job007/particles.star").write_text(
        "data_\n\nloop_\n_rlnImageName #1\n000001@stack.mrcs\n"
    )
    (project / "stack.mrcs").write_bytes(b"\xff" * 1024)

    with pytest.raises(InputError, match=r"stack\.mrcs"):
        plan(corpus_job("relion-3.1.4/Refine3D_job005"))
