"""What a refinement holds, and whether it has ranks, as RELION's version and options have it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from dispatcher.config.configuration import load_configuration
from dispatcher.images.pins import PIN_FILE
from dispatcher.planning.make_plan import plan_script
from dispatcher.planning.plan import Plan

from ...corpus import fill_project
from ...fixture_types import CorpusJob, WriteSite
from ..memory.refinement_files import mrc

REFINE3D = "relion-5.0.1/Refine3D_job011"
CLASS2D = "relion-5.0.1/Class2D_job008"  # VDAM


@pytest.fixture
def planned(
    site: WriteSite, images: Path, corpus_job: CorpusJob, project: Path
) -> Callable[..., Plan]:
    """Plans a job with further options, in a project pinned to that version of RELION."""

    def plan(job: str, options: str, version: str, gpu_memory: str = "48G") -> Plan:
        partition = {"cores": 64, "memory": "500G", "gpus": 4, "gpu_memory": gpu_memory}
        parameters = {"partition": "gpu", "ngpu": 4, "nproc": 13, "nthread": 4}
        site(
            "site.json",
            {
                "scheduler": "slurm",
                "partitions": {"gpu": partition},
                "job_parameters": {"gpu": parameters, "gpu_sp": {"nproc": 1}},
            },
        )
        catalogue = images.read_text().replace('"3.1.3":', f'"{version}":')
        images.write_text(catalogue)
        (project / PIN_FILE).write_text(json.dumps({"images": {"relion": {"version": version}}}))
        script = corpus_job(job)
        fill_project(project, 128)
        (project / "ref.mrc").write_bytes(mrc(512, 512))
        text = script.read_text().replace("InitialModel/job009/initial_model.mrc", "ref.mrc")
        script.write_text(text.replace(" --pad 2", f" --pad 2 {options}"))
        return plan_script(script, load_configuration())

    return plan


def test_a_trusted_reference_is_planned_with_its_own_size_in_relion_4(
    planned: Callable[..., Plan],
) -> None:
    """3dem/relion#465: the reference has 512 pixels, the particles have 128."""
    plan = planned(REFINE3D, "--trust_ref_size", "4.0.2", gpu_memory="24G")

    fit = plan.gpu_fit
    assert (fit.box_size, fit.box_size_source) == (512, "ref.mrc, MRC header")
    assert (plan.nproc, fit.ranks_per_gpu) == (5, 1)
    large = planned(REFINE3D, "--trust_ref_size", "4.0.2", gpu_memory="141G")
    assert (large.nproc, large.job_parameters["mem"]) == (13, "338G")


def test_a_trusted_reference_is_cut_to_the_particles_size_in_relion_5(
    planned: Callable[..., Plan],
) -> None:
    plan = planned(REFINE3D, "--trust_ref_size", "5.0.1", gpu_memory="24G")

    assert plan.gpu_fit.box_size == 128
    assert (plan.nproc, plan.job_parameters["mem"]) == (13, "120G")


@pytest.mark.parametrize(
    ("options", "nproc", "program"),
    [("", 1, "relion_refine"), ("--split_random_halves", 13, "relion_refine_mpi")],
)
def test_gradients_have_ranks_if_half_sets_are_split(
    planned: Callable[..., Plan], options: str, nproc: int, program: str
) -> None:
    plan = planned(CLASS2D, options, "5.0.1")

    assert (plan.nproc, plan.commands[0].command.program) == (nproc, program)
    assert plan.gpu_fit.split_halves is bool(options)


def test_gradients_with_split_halves_have_ranks_where_the_box_is_not_known(
    planned: Callable[..., Plan],
) -> None:
    plan = planned(REFINE3D, "--grad --i $PARTICLES/particles.star", "5.0.1")

    assert plan.gpu_fit.box_size is None
    assert plan.nproc == 13
