"""Partitions: what their cards and nodes allow, and which of several takes a job."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dispatcher.config.configuration import load_configuration
from dispatcher.errors import ConfigError, DoesNotFit, ImageError
from dispatcher.planning.plan import Plan

from ...corpus import fill_project
from ...fixture_types import CorpusJob, WriteSite
from .planned import CLASS3D, CLASSIC, REFINE, plan

pytestmark = pytest.mark.usefixtures("images")


PARTITIONS = {
    "old": {"cores": 48, "gpus": 4, "gpu_memory": "11G", "memory": "190G"},
    "new": {"cores": 64, "gpus": 4, "gpu_memory": "48G", "memory": "500G"},
}


def reasons(planned: Plan) -> str:
    return "\n".join(planned.reasons)


@pytest.fixture
def gpu_site(site: WriteSite) -> Callable[..., None]:
    """A Slurm site with two kinds of card: ``gpu_site(partitions=[…])`` sets gpu's parameters."""

    def write(described: dict[str, Any] = PARTITIONS, /, **parameters: Any) -> None:
        described = {"partitions": described, "job_parameters": {"gpu": parameters}}
        site("site.json", {"scheduler": "slurm", **described})

    return write


GpuSite = Callable[..., None]


@pytest.mark.parametrize(("box", "partition"), [(256, "old"), (400, "old"), (600, "new")])
def test_a_job_goes_to_the_first_partition_that_holds_it(
    box: int, partition: str, gpu_site: GpuSite, corpus_job: CorpusJob, project: Path
) -> None:
    gpu_site(partitions=["old", "new"])
    fill_project(project, box)

    planned = plan(corpus_job(REFINE))

    assert planned.job_parameters["partition"] == partition
    passed_over = partition != "old"
    assert ("Not on partition old: This refinement does not fit" in reasons(planned)) == passed_over
    assert (
        "Partition new: the first of the job's partitions that can run the job." in planned.reasons
    ) == passed_over


def test_a_job_that_no_partition_holds_is_refused_with_the_numbers_of_each(
    gpu_site: GpuSite, corpus_job: CorpusJob, project: Path
) -> None:
    gpu_site(partitions=["old", "new"])
    fill_project(project, 1200)

    with pytest.raises(DoesNotFit) as caught:
        plan(corpus_job(REFINE))

    said = str(caught.value)
    assert said.startswith("None of the job's partitions can run the job. Partition old: This")
    assert said.index("Partition old") < said.index("Partition new")
    assert "usable of 11.0 GiB" in said and "usable of 48.0 GiB" in said
    assert said.count("--pad 1") == 1  # on the new cards only


def test_the_nearest_of_partition_and_partitions_counts(
    site: WriteSite, corpus_job: CorpusJob
) -> None:
    parameters = {"gpu": {"partitions": ["old", "new"]}, "refine": {"partition": "new"}}
    site("site.json", {"partitions": PARTITIONS, "job_parameters": parameters})

    assert plan(corpus_job(REFINE)).job_parameters["partition"] == "new"
    assert plan(corpus_job(CLASS3D)).job_parameters["partition"] == "old"


def test_a_partition_without_an_image_is_passed_over(
    images: Path, site: WriteSite, gpu_site: GpuSite, corpus_job: CorpusJob
) -> None:
    build = {"path": "relion-5.1.0-cuda.sif", "gpu": "nvidia", "variant": "new"}
    versions = {"5.1.0": [{**build, "partitions": ["new"]}]}
    site("images.json", {"relion": {"default": "5.1.0", "versions": versions}})
    gpu_site(partitions=["old", "new"])

    planned = plan(corpus_job(REFINE))

    assert planned.job_parameters["partition"] == "new"
    assert "Not on partition old: relion 5.1.0 has no variant for NVIDIA GPUs" in reasons(planned)
    gpu_site(partition="old")
    with pytest.raises(ImageError, match="no variant for NVIDIA GPUs on partition old"):
        plan(corpus_job(REFINE))


@pytest.mark.parametrize("where", ["site.json", "dispatch_config.json"])
def test_a_partition_to_choose_from_must_be_described(where: str, site: WriteSite) -> None:
    parameters = {"gpu": {"partitions": ["old", "nwe"]}}
    shape = {"partitions": PARTITIONS}
    if where == "site.json":
        site(where, {**shape, "job_parameters": parameters})
    else:
        site("site.json", shape)
        gpu: Any = {**CLASSIC["gpu"], "job_parameters": parameters["gpu"]}  # type: ignore[dict-item]
        site(where, {**CLASSIC, "gpu": gpu})

    with pytest.raises(ConfigError, match=rf'{where}.*no partition "nwe".*did you mean "new"'):
        load_configuration()


@pytest.mark.parametrize(
    ("partition", "parameters", "nproc"),
    [
        ({}, {"nproc": 21}, 13),  # three ranks a card unless the site says otherwise
        ({"ranks_per_gpu": 5}, {"nproc": 21}, 21),
        ({"ranks_per_gpu": 2}, {"nproc": 21}, 9),
        ({}, {"nproc": 21, "ranks_per_gpu": 4}, 17),
        ({"ranks_per_gpu": 5}, {"nproc": 21, "ranks_per_gpu": 4}, 21),  # the card's own goes first
        ({}, {"nproc": 9}, 9),
        ({}, {}, 13),  # as many as the cap allows
    ],
)
def test_no_more_ranks_share_a_card_than_the_site_says(
    partition: dict[str, int], parameters: dict[str, int], nproc: int,
    gpu_site: GpuSite, corpus_job: CorpusJob,
) -> None:  # fmt: skip
    gpu_site({"new": {**PARTITIONS["new"], **partition}}, partition="new", **parameters)

    planned = plan(corpus_job(REFINE))

    assert planned.nproc == nproc
    per_gpu = (nproc - 1) // 4
    limited = nproc < parameters.get("nproc", 13)
    assert (
        f"At most {per_gpu} ranks may share a GPU, not 5 (ranks_per_gpu)." in planned.reasons
    ) == limited


@pytest.mark.parametrize("model", ["relion", "fmi"])
def test_a_file_in_the_fmi_format_keeps_its_five_ranks_per_card(
    model: str, site: WriteSite, corpus_job: CorpusJob
) -> None:
    """5 ranks on each V100 of 32 GB, 21 in all, at a box at which either formula has room."""
    refine: Any = {**CLASSIC["refine"], "gpu_memory_model": model}  # type: ignore[dict-item]
    site("dispatch_config.json", {**CLASSIC, "refine": refine})

    assert plan(corpus_job(REFINE)).nproc == 21

    site("site.json", {"partitions": {"v100": {"ranks_per_gpu": 3}}, "job_parameters": {
        "gpu": {"partition": "v100"}}})  # fmt: skip
    assert plan(corpus_job(REFINE)).nproc == 13


def test_a_type_of_the_sites_own_has_the_cap_of_current_cards(
    site: WriteSite, corpus_job: CorpusJob
) -> None:
    types: Any = {
        **CLASSIC,
        "refine": {"inherits": "gpu", "match_command": "relion_refine"},
        "pick": {"inherits": "gpu", "match_command": "relion_autopick"},
    }
    site("dispatch_config.json", types)

    assert plan(corpus_job(REFINE)).nproc == 13
    assert plan(corpus_job("relion-3.1.4/AutoPick_job009")).nproc == 20  # holds no references


def test_a_node_with_little_host_memory_gets_fewer_ranks(
    gpu_site: GpuSite, corpus_job: CorpusJob, project: Path
) -> None:
    fill_project(project, 400)  # 40 V = 10.4 GB a follower, 72 V = 18.7 GB a reconstruction
    gpu_site({"new": {**PARTITIONS["new"], "memory": "110G"}}, partition="new", nproc=9)

    planned = plan(corpus_job(REFINE))

    assert (planned.nproc, planned.ngpu) == (5, 4)
    assert "5 ranks instead of 9, which would need " in reasons(planned)
    assert (planned.gpu_fit.host_memory or 0) <= 110 * 2**30
    assert planned.job_parameters["mem"] == "110G"  # the type's 120G, but no node has more


def test_memory_is_asked_for_as_needed(
    gpu_site: GpuSite, corpus_job: CorpusJob, project: Path
) -> None:
    fill_project(project, 512)  # 8 x (0.5 + 21.7) + 2 x 39.1 + 9 x 1.1 + 4 = 269.4 GB
    gpu_site(partition="new", nproc=9, mem="120G")

    planned = plan(corpus_job(REFINE))

    assert planned.nproc == 9
    assert planned.job_parameters["mem"] == "251G"
    assert "the job asks for 251G instead of 120G." in reasons(planned)


def test_a_node_that_does_not_hold_the_least_is_passed_over(
    gpu_site: GpuSite, corpus_job: CorpusJob, project: Path
) -> None:
    small = {**PARTITIONS["new"], "memory": "32G"}
    gpu_site({"small": small, "new": PARTITIONS["new"]}, partitions=["small", "new"])
    fill_project(project, 400)

    planned = plan(corpus_job(REFINE))

    assert planned.job_parameters["partition"] == "new"
    assert "Not on partition small: This refinement does not fit into a node's" in reasons(planned)
    assert "host memory: the refinement needs at least 3 ranks and " in reasons(planned)


def test_particles_read_in_beforehand_take_host_memory(
    gpu_site: GpuSite, corpus_job: CorpusJob, project: Path
) -> None:
    particles = project / "Select/job007/particles.star"
    row = "000001@Extract/job006/stack.mrcs            1\n"
    particles.write_text(particles.read_text() + row * 99_999)
    gpu_site(partition="new", nproc=9)
    script = corpus_job(REFINE)
    text = script.read_text().replace("--scratch_dir /scratch", "")
    before = plan(script).gpu_fit.host_memory
    script.write_text(text.replace("--pool 3", "--pool 3 --preread_images"))

    planned = plan(script)

    after = planned.gpu_fit.host_memory
    assert before and after and after - before == pytest.approx(9 * 100_000 * 4 * 256**2, rel=0.01)
    assert "of particles that are read at the start" in reasons(planned)


def test_the_last_threads_are_shared_out_when_memory_has_made_ranks_fewer(
    gpu_site: GpuSite, corpus_job: CorpusJob, project: Path
) -> None:
    fill_project(project, 512)  # one rank fits on a card of 24 GB
    gpu_site({"p": {"cores": 32, "gpus": 4, "gpu_memory": "24G"}}, partition="p", nthread=8)

    planned = plan(corpus_job(REFINE))

    assert (planned.nproc, planned.nthread) == (5, 6)


def test_the_job_scripts_fallback_is_told_the_rules(corpus_job: CorpusJob) -> None:
    fit = plan(corpus_job(REFINE)).gpu_fit

    assert (fit.least, fit.idle_leader, fit.split_halves) == (1, True, True)
    assert fit.least_bytes_per_rank and fit.bytes_per_rank_without_mps
    assert fit.least_bytes_per_rank <= fit.bytes_per_rank_without_mps
    assert (fit.usable_percent, fit.total_gpus) == (97, 4)


def test_the_images_version_is_that_of_the_project(
    project: Path, corpus_job: CorpusJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dispatcher.planning import resources

    asked = []
    decide = resources.decide
    monkeypatch.setattr(
        resources, "decide", lambda *given: asked.append(given[2]) or decide(*given)
    )
    script = corpus_job(REFINE)
    plan(script)
    (project / ".relion_dispatch.json").write_text('{"images": {"relion": {"version": "3.1.3"}}}')
    plan(script)

    assert [card.relion_version for card in asked] == [(5, 1), (3, 1)]


@pytest.mark.parametrize(
    ("job", "mps", "per_gpu", "says"),
    [
        (CLASS3D, True, 48, "At most 48 ranks may share a GPU through MPS, not 60."),
        (CLASS3D, False, 60, None),
        (REFINE, True, 48, "At most 48 ranks may share a GPU through MPS, not 60."),
        ("relion-5.0.1/Refine3D_job011 --blush", True, 24, "At most 24 ranks may share a GPU"),
        ("relion-3.1.4/AutoPick_job009", True, 60, None),  # does not use MPS
    ],
)
def test_a_gpu_gets_no_more_ranks_than_mps_takes(
    job: str, mps: bool, per_gpu: int, says: str | None, site: WriteSite, corpus_job: CorpusJob
) -> None:
    """Blush has a process of its own for each rank."""
    job, _, option = job.partition(" ")
    card = {"gpus": 2, "ranks_per_gpu": 60, "gpu_memory": "2000G"}
    content = {"partitions": {"gpu": card}, "mps": mps}
    gpu = {"partition": "gpu", "ngpu": 2, "nproc": 121, "mem": None}
    site("site.json", {**content, "job_parameters": {"gpu": gpu, "autopick": gpu}})
    script = corpus_job(job)
    script.write_text(script.read_text().replace(" --i ", f" {option} --i ", 1))

    planned = plan(script)

    assert planned.nproc in (2 * per_gpu, 2 * per_gpu + 1)
    assert planned.gpu_fit.ranks_per_gpu == per_gpu
    assert planned.mps is (mps and "AutoPick" not in job)
    said = [each for each in planned.reasons if "may share" in each]
    assert [says in each for each in said if says] == ([True] if says else [])
    assert bool(said) == bool(says)
