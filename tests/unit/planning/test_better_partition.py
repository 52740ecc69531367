"""Of the partitions that can run a job, the first on which it would not run badly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dispatcher.errors import DoesNotFit

from ...corpus import fill_project
from ...fixture_types import CorpusJob, WriteSite
from .planned import CLASS3D, REFINE, plan

pytestmark = pytest.mark.usefixtures("images")

SMALL = {"cores": 64, "gpus": 4, "gpu_memory": "24G", "memory": "256G"}
LARGE = {"cores": 128, "gpus": 8, "gpu_memory": "80G", "memory": "1T"}
MULTIBODY = "relion-5.0.1/MultiBody_job012"


def on(site: WriteSite, partitions: dict[str, Any], **of_gpu: Any) -> None:
    """A Slurm site whose GPU jobs may run on these partitions, in their order."""
    gpu = {"partitions": list(partitions), **of_gpu}
    content = {"partitions": partitions, "job_parameters": {"gpu": gpu}}
    site("site.json", {"scheduler": "slurm", **content})


@pytest.mark.parametrize("job", [REFINE, MULTIBODY])
def test_one_whose_gpus_stay_without_ranks_gives_way(
    job: str, site: WriteSite, corpus_job: CorpusJob, project: Path
) -> None:
    """Host memory for two of the four followers: two cards would stay idle."""
    fill_project(project, 600 if job == REFINE else 448)
    on(site, {"small": SMALL, "large": LARGE})

    planned = plan(corpus_job(job))

    assert planned.job_parameters["partition"] == "large"
    assert planned.ngpu == 8
    assert planned.reasons[1:3] == (
        "Not on partition small: only 2 of the 4 GPUs that the job may have could carry ranks.",
        "Partition large: the first on which that is not so.",
    )


def test_one_where_a_rank_would_have_a_single_thread_gives_way(
    site: WriteSite, corpus_job: CorpusJob
) -> None:
    on(site, {"few": {**SMALL, "cores": 5}, "many": SMALL}, nproc=5)

    planned = plan(corpus_job(REFINE))

    assert planned.job_parameters["partition"] == "many"
    assert "Not on partition few: " in planned.reasons[1]
    assert "1 thread" in planned.reasons[1]


def test_the_sites_order_stands_where_none_is_better(
    site: WriteSite, corpus_job: CorpusJob, project: Path
) -> None:
    fill_project(project, 600)
    little = {**LARGE, "memory": "256G", "gpus": 4}
    on(site, {"small": SMALL, "little": little})

    planned = plan(corpus_job(REFINE))

    assert planned.job_parameters["partition"] == "small"
    assert not any("Not on partition" in reason for reason in planned.reasons)


def test_fewer_gpus_as_the_site_says_are_no_drawback(
    site: WriteSite, corpus_job: CorpusJob
) -> None:
    on(site, {"small": SMALL, "large": LARGE}, ngpu=2)

    planned = plan(corpus_job(REFINE))

    assert (planned.job_parameters["partition"], planned.ngpu) == ("small", 2)


@pytest.mark.parametrize(("ngpu", "cores"), [(1, 16), (2, 32), (3, 48), (None, 64)])
def test_a_job_takes_the_cores_that_lie_beside_its_gpus(
    ngpu: int | None, cores: int, site: WriteSite, corpus_job: CorpusJob
) -> None:
    on(site, {"small": SMALL}, ngpu=ngpu)

    planned = plan(corpus_job(REFINE))

    assert cores - planned.nproc < planned.nproc * planned.nthread <= cores


def test_numbers_of_the_site_are_limits(site: WriteSite, corpus_job: CorpusJob) -> None:
    on(site, {"small": SMALL}, nproc=9, nthread=5)

    planned = plan(corpus_job(REFINE))

    assert (planned.nproc, planned.nthread) == (9, 5)


def test_a_classification_that_fits_up_to_the_expected_resolution_is_planned_with_a_warning(
    site: WriteSite, corpus_job: CorpusJob, project: Path
) -> None:
    fill_project(project, 448)
    on(site, {"one": {"cores": 24, "gpus": 2, "gpu_memory": "28G", "memory": "256G"}})

    planned = plan(corpus_job(CLASS3D))

    (warning,) = (each for each in planned.warnings if "Nyquist" in each)
    assert warning.startswith(
        "The job fits up to 67% of Nyquist's frequency (expected_resolution). If the job reaches a "
        "finer resolution, RELION may run out of memory. At the full resolution: This refinement "
    )
    assert "usable of 28.0 GiB" in warning


@pytest.mark.parametrize(
    ("job", "part"),
    [
        (CLASS3D, 1),  # a site that wants to be sure
        (MULTIBODY, 0.5),  # its last iteration has the full box
    ],
)
def test_what_would_use_its_full_box_is_refused(
    job: str, part: float, site: WriteSite, corpus_job: CorpusJob, project: Path
) -> None:
    fill_project(project, 512)
    card = {"cores": 24, "gpus": 2, "gpu_memory": "28G", "memory": "256G"}
    content = {"partitions": {"one": card}, "job_parameters": {"gpu": {"partition": "one"}}}
    site("site.json", {"scheduler": "slurm", "expected_resolution": part, **content})

    with pytest.raises(DoesNotFit, match="does not fit on the GPU"):
        plan(corpus_job(job))


def test_what_is_assumed_is_said(site: WriteSite, corpus_job: CorpusJob, project: Path) -> None:
    for mask in ("one.mrc", "two.mrc", "three.mrc"):
        (project / mask).write_bytes(b"not an image")
    site("site.json", {"scheduler": "slurm"})

    said = "\n".join(plan(corpus_job(MULTIBODY)).reasons)

    assert (
        "3 bodies in 3D that are assumed to overlap, as their masks could not be compared" in said
    )
    assert "usable of 22.4 GiB, which the job type says (adjust_GPU_nproc_to_mem)" in said


def test_a_single_process_is_not_told_how_many_would_fit(
    site: WriteSite, corpus_job: CorpusJob
) -> None:
    on(site, {"small": SMALL})

    (said,) = (
        each
        for each in plan(corpus_job("relion-5.0.1/InitialModel_job009")).reasons
        if "GPU by the relion model" in each
    )

    assert said.startswith("The process needs ")
    assert said.endswith("and has 23.3 GiB usable of 24.0 GiB.")


def test_memory_of_ranks_whose_number_is_open_is_asked_for(
    site: WriteSite, corpus_job: CorpusJob
) -> None:
    content = {"cpu": {"cores": 24, "gpus": 0, "memory": "200G"}}
    extract = {"partition": "cpu", "mem_per_rank": "3G"}
    site("site.json", {"partitions": content, "job_parameters": {"extract": extract}})

    planned = plan(corpus_job("relion-5.0.1/Extract_job006"))

    assert (planned.nproc, planned.job_parameters["mem"]) == (24, "72G")
    assert "72G of host memory instead of 64G: 24 ranks with 3.0 GiB each (mem_per_rank)." in (
        planned.reasons
    )


def test_a_plan_begins_with_what_the_job_gets(site: WriteSite, corpus_job: CorpusJob) -> None:
    on(site, {"small": SMALL}, time="2-00:00:00")

    assert plan(corpus_job(REFINE)).summary[:2] == (
        "Refine3D/job011: refine",
        "partition small, 13 ranks x 4 threads, 4 GPUs, 120G of memory, time 2-00:00:00, "
        "52 of 64 cores",
    )


@pytest.mark.parametrize("job", [REFINE, CLASS3D])
def test_a_partition_without_gpus_is_not_better(
    job: str, site: WriteSite, corpus_job: CorpusJob, project: Path
) -> None:
    """A class that fits on the GPUs up to the expected resolution runs there as well."""
    fill_project(project, 600 if job == REFINE else 430)
    on(site, {"small": SMALL, "cpu": {"cores": 96, "gpus": 0, "memory": "1T"}})

    planned = plan(corpus_job(job))

    assert planned.job_parameters["partition"] == "small"
    assert planned.ngpu >= 2
    assert bool(planned.warnings) == (job == CLASS3D)


@pytest.mark.parametrize(
    ("cores", "nproc", "nthread"), [(64, 13, 4), (24, 5, 4), (16, 5, 3), (40, 9, 4), (8, 5, 1)]
)
def test_fewer_ranks_share_a_gpu_where_there_are_few_cores(
    cores: int, nproc: int, nthread: int, site: WriteSite, corpus_job: CorpusJob
) -> None:
    on(site, {"one": {**SMALL, "cores": cores}})

    planned = plan(corpus_job(REFINE))

    assert (planned.nproc, planned.nthread, planned.ngpu) == (nproc, nthread, 4)
    few = f"{nproc} ranks instead of 13, which would have only "
    assert any(reason.startswith(few) for reason in planned.reasons) == (cores in (16, 24, 40))


def test_half_sets_get_their_ranks_on_a_single_gpu_for_one_rank(
    site: WriteSite, corpus_job: CorpusJob
) -> None:
    on(site, {"one": {"cores": 16, "gpus": 1, "gpu_memory": "24G", "ranks_per_gpu": 1}})

    planned = plan(corpus_job(REFINE))

    assert (planned.nproc, planned.gpu_fit.ranks_per_gpu) == (3, 2)


@pytest.mark.parametrize("job", ["Class3D_job010", "ModelAngelo_job025", "InitialModel_job009"])
def test_a_part_of_the_gpus_never_takes_more_than_its_part_of_the_cores(
    job: str, site: WriteSite, corpus_job: CorpusJob
) -> None:
    eight = {"cores": 16, "gpus": 8, "gpu_memory": "24G"}
    ngpu = {"ngpu": 1}
    types = {"gpu_sp": ngpu, "gpu_one": ngpu}
    content = {"partitions": {"eight": eight}, "scheduler": "slurm"}
    gpu = {"partition": "eight", **ngpu}
    site("site.json", {**content, "job_parameters": {"gpu": gpu, **types}})

    planned = plan(corpus_job(f"relion-5.0.1/{job}"))

    assert planned.ngpu == 1
    assert planned.nproc * planned.nthread == 2


@pytest.mark.parametrize(("cores", "nproc", "nthread"), [(10, 2, 5), (11, 2, 5), (64, 10, 6)])
def test_ranks_on_cpus_leave_few_cores_idle(
    cores: int, nproc: int, nthread: int, site: WriteSite, corpus_job: CorpusJob
) -> None:
    cpu = {"partitions": {"cpu": {"cores": cores, "memory": "500G", "gpus": 0}}}
    site("site.json", {**cpu, "job_parameters": {"submit": {"partition": "cpu"}}})

    planned = plan(corpus_job("relion-5.0.1/MotionCorr_job002"))

    assert (planned.nproc, planned.nthread) == (nproc, nthread)


@pytest.mark.parametrize("job", ["MotionCorr_job002", "LocalRes_job017", "Extract_job006"])
def test_ranks_that_take_memory_each_are_as_the_window_says_if_nobody_told_how_much_there_is(
    job: str, site: WriteSite, corpus_job: CorpusJob
) -> None:
    """A rank on each of the cores would ask for more memory than a node may have."""
    cpu = {"partitions": {"cpu": {"cores": 64, "gpus": 0}}}
    site("site.json", {**cpu, "job_parameters": {"submit": {"partition": "cpu"}}})

    assert plan(corpus_job(f"relion-5.0.1/{job}")).nproc == 4
