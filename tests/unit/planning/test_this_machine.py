"""What this machine tells of itself, and the plan of a job that runs on this machine alone."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from dispatcher.config.gpu_vendors import VENDORS, GpuVendor
from dispatcher.config.site import Partition
from dispatcher.errors import DoesNotFit, NeedsGpus
from dispatcher.job_script.variables import NO_TOKEN, job_script
from dispatcher.planning import make_plan, this_machine
from dispatcher.planning.plan import Plan

from ...corpus import fill_project
from ...fixture_types import CorpusJob, WriteSite
from .planned import CLASS3D, REFINE, plan

pytestmark = pytest.mark.usefixtures("images")

VDAM, AUTOPICK, CTF = (
    "relion-5.0.1/Class2D_job008",
    "relion-3.1.4/AutoPick_job009",
    "relion-5.0.1/CtfFind_job003",
)


@pytest.fixture
def cards(tmp_path: Path) -> GpuVendor:
    """A vendor whose driver has a device, and shows two cards."""
    (tmp_path / "cards" / "0").mkdir(parents=True)
    (tmp_path / "cards" / "1").mkdir()
    (tmp_path / "device").touch()
    return VENDORS["nvidia"]._replace(cards=tmp_path / "cards", device=tmp_path / "device")


def test_gpus_are_those_that_the_driver_shows(
    cards: GpuVendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert this_machine.gpus_here(cards) == 2

    for allowed, count in (("0", 1), ("1,0", 2), ("", 0), ("-1,0", 0), ("0,7,1", 1)):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", allowed)
        assert this_machine.gpus_here(cards) == count, allowed


def test_no_driver_is_no_gpu_and_a_driver_that_does_not_tell_is_no_answer(
    cards: GpuVendor, tmp_path: Path
) -> None:
    silent = cards._replace(cards=None)

    assert this_machine.gpus_here(silent) is None
    assert this_machine.gpus_here(silent._replace(device=tmp_path / "none")) == 0


def test_memory_is_the_machines_or_the_least_that_a_group_allows(tmp_path: Path) -> None:
    meminfo, member = tmp_path / "meminfo", tmp_path / "cgroup"
    meminfo.write_text("MemFree: 1 kB\nMemTotal:       1000000 kB\n")
    member.write_text("0::/user.slice/one.scope\n")
    group = tmp_path / "groups" / "user.slice" / "one.scope"
    group.mkdir(parents=True)

    def memory() -> int | None:
        return this_machine.memory_here(meminfo, tmp_path / "groups", member)

    assert memory() == 1_024_000_000
    (group / "memory.max").write_text("max\n")
    assert memory() == 1_024_000_000
    (group.parent / "memory.max").write_text("512000000\n")
    assert memory() == 512_000_000


def test_memory_is_read_in_linuxs_older_layout_as_well(tmp_path: Path) -> None:
    (tmp_path / "cgroup").write_text("3:cpu:/a\n2:memory,pids:/a\n1:name=systemd:/a\n")
    (tmp_path / "memory" / "a").mkdir(parents=True)
    (tmp_path / "memory" / "a" / "memory.limit_in_bytes").write_text("4096\n")

    assert this_machine.memory_here(tmp_path / "none", tmp_path, tmp_path / "cgroup") == 4096
    assert this_machine.memory_here(tmp_path / "none", tmp_path, tmp_path / "none") is None


def test_this_machine_is_described_by_what_this_process_may_use() -> None:
    here = this_machine.this_machine(VENDORS["nvidia"])

    assert here.cores == len(os.sched_getaffinity(0))
    assert isinstance(here.memory, int)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> type[Partition]:
    """Give the test a machine: ``machine(cores=4, memory=…, gpus=0)``."""

    def described(**shape: int) -> None:
        monkeypatch.setattr(make_plan, "this_machine", lambda vendor: Partition(**shape))

    return described  # type: ignore[return-value]


def cores_taken(planned: Plan) -> int:
    return planned.nproc * planned.nthread


@pytest.mark.parametrize("cores", [4, 16, 64])
@pytest.mark.parametrize("job", [REFINE, CLASS3D, VDAM, AUTOPICK, CTF])
def test_ranks_and_threads_stay_within_the_cores(
    job: str, cores: int, machine: type[Partition], corpus_job: CorpusJob
) -> None:
    machine(cores=cores, memory=256 << 30, gpus=0)

    assert cores_taken(plan(corpus_job(job))) <= cores


def test_a_program_without_mpi_has_no_more_threads_than_there_are_cores(
    machine: type[Partition], corpus_job: CorpusJob
) -> None:
    machine(cores=2, memory=8 << 30, gpus=0)

    planned = plan(corpus_job("relion-5.0.1/Polish_job019"))

    assert planned.nthread == 2
    assert planned.commands[0].command.value("j") == "2"
    assert "2 threads instead of 24: this machine has 2 cores." in planned.reasons


def test_the_least_ranks_of_split_halves_may_be_more_than_the_cores(
    machine: type[Partition], corpus_job: CorpusJob
) -> None:
    machine(cores=2, memory=64 << 30, gpus=0)

    planned = plan(corpus_job(REFINE))

    assert (planned.nproc, planned.nthread) == (3, 1)


def test_fewer_ranks_are_planned_for_less_memory(
    machine: type[Partition], corpus_job: CorpusJob
) -> None:
    ranks = []
    for memory in (128 << 30, 24 << 30):
        machine(cores=64, memory=memory, gpus=0)
        ranks.append(plan(corpus_job(CLASS3D)).nproc)

    assert ranks[0] > ranks[1] >= 2


@pytest.mark.parametrize(
    ("memory", "ranks"), [(256 << 30, 10), (128 << 30, 9), (32 << 30, 2), (8 << 30, 1)]
)
def test_ranks_of_programs_whose_memory_is_not_computed_share_that_of_their_type(
    memory: int, ranks: int, machine: type[Partition], corpus_job: CorpusJob
) -> None:
    """Each rank of RELION's own motion correction has 15G and 6 threads."""
    machine(cores=64, memory=memory, gpus=0)

    planned = plan(corpus_job("relion-5.0.1/MotionCorr_job002"))

    assert planned.nproc == ranks
    said = [each for each in planned.reasons if "15.0 GiB of memory (mem_per_rank)" in each]
    assert len(said) == (ranks < 10)


@pytest.mark.parametrize("gpus", [0, 1, 2])
def test_a_refinement_of_unknown_box_keeps_the_least_that_relion_needs(
    gpus: int, machine: type[Partition], corpus_job: CorpusJob
) -> None:
    machine(cores=64, memory=8 << 30, gpus=gpus)
    script = corpus_job(REFINE)
    particles = re.search(r" --i (\S+)", script.read_text())
    assert particles
    script.write_text(script.read_text().replace(particles[1], "$HERE/particles.star"))

    planned = plan(script)

    assert (planned.nproc, planned.ngpu) == (3, gpus)
    assert planned.commands[0].command.program.endswith("_mpi")
    assert any("so the job may run out of memory" in each for each in planned.reasons)


def test_every_gpu_keeps_a_rank_where_memory_is_short(
    machine: type[Partition], corpus_job: CorpusJob
) -> None:
    machine(cores=64, memory=16 << 30, gpus=4)

    planned = plan(corpus_job(AUTOPICK))

    assert (planned.nproc, planned.ngpu) == (4, 4)


def test_one_process_is_not_told_of_ranks_that_it_cannot_have(
    machine: type[Partition], corpus_job: CorpusJob
) -> None:
    machine(cores=64, memory=1 << 30, gpus=0)

    planned = plan(corpus_job("relion-5.0.1/Polish_job019"))

    assert not any("of memory for" in each for each in planned.reasons)


def test_what_no_memory_of_this_machine_holds_is_refused(
    machine: type[Partition], corpus_job: CorpusJob, project: Path
) -> None:
    machine(cores=8, memory=16 << 30, gpus=0)
    fill_project(project, 600)

    with pytest.raises(DoesNotFit, match="does not fit into this machine's host memory"):
        plan(corpus_job(REFINE))


def test_a_small_refinement_runs_on_a_small_machine(
    machine: type[Partition], corpus_job: CorpusJob, project: Path
) -> None:
    """The estimate for file buffers alone is more than such a machine has."""
    machine(cores=2, memory=3 << 30, gpus=0)
    fill_project(project, 64)

    assert plan(corpus_job(REFINE)).nproc == 3


@pytest.mark.parametrize("job", [REFINE, CLASS3D, VDAM, AUTOPICK, "relion-5.0.1/Denoise_job030"])
def test_without_gpus_gpu_types_run_on_the_cpu_with_a_warning(
    job: str, machine: type[Partition], corpus_job: CorpusJob
) -> None:
    machine(cores=16, memory=128 << 30, gpus=0)

    planned = plan(corpus_job(job))

    assert not planned.uses_gpu
    assert "--gpu" not in planned.commands[0].command.argv
    assert planned.image is not None
    assert planned.image.variant == "cpu"
    (warning,) = planned.warnings
    assert "shows no GPU, so the job runs on its CPUs" in warning
    assert f"Warning: {warning}" in job_script(planned, NO_TOKEN)  # and so in run.out


def test_an_image_for_gpus_serves_without_gpus_if_there_is_no_other(
    machine: type[Partition], corpus_job: CorpusJob, images: Path
) -> None:
    machine(cores=16, memory=128 << 30, gpus=0)
    images.write_text(images.read_text().replace("cpu.sif", "cuda.sif"))

    planned = plan(corpus_job(REFINE))

    assert planned.image is not None
    assert "--nv" not in planned.commands[0].prefix


def test_gpus_of_this_machine_are_used(machine: type[Partition], corpus_job: CorpusJob) -> None:
    machine(cores=16, memory=128 << 30, gpus=2)

    planned = plan(corpus_job(REFINE))

    assert (planned.ngpu, planned.warnings) == (2, ())
    assert planned.commands[0].command.value("gpu") == "0:1"


def test_what_needs_no_gpu_is_not_warned_of(
    machine: type[Partition], corpus_job: CorpusJob
) -> None:
    machine(cores=16, memory=128 << 30, gpus=0)

    assert plan(corpus_job(CTF)).warnings == ()


@pytest.mark.parametrize(
    ("job", "program", "instead"),
    [
        ("relion-3.1.4/CtfFind_job008", "Gctf", "CTFFIND"),
        ("relion-5.0.1/AlignTiltSeries_job027", "AreTomo2", "IMOD"),
    ],
)
def test_a_program_that_runs_on_gpus_alone_is_refused(
    job: str, program: str, instead: str, machine: type[Partition], corpus_job: CorpusJob
) -> None:
    machine(cores=16, memory=128 << 30, gpus=0)

    with pytest.raises(NeedsGpus) as caught:
        plan(corpus_job(job))

    assert str(caught.value) == (
        f"{program} runs on GPUs alone, but this machine has no GPU: choose {instead} in RELION's "
        "window, or choose a machine with GPUs."
    )


def test_what_the_site_describes_goes_before_what_the_machine_tells(
    site: WriteSite, machine: type[Partition], corpus_job: CorpusJob
) -> None:
    machine(cores=2, memory=64 << 30, gpus=0)
    site(
        "site.json",
        {
            "partitions": {"here": {"cores": 32, "gpus": 2}},
            "job_parameters": {"submit": {"partition": "here"}},
        },
    )

    planned = plan(corpus_job(REFINE))

    assert (planned.ngpu, planned.nproc, planned.warnings) == (2, 7, ())


def test_a_described_partition_without_gpus_needs_no_warning(
    site: WriteSite, machine: type[Partition], corpus_job: CorpusJob
) -> None:
    machine(cores=16, memory=128 << 30, gpus=2)
    site(
        "site.json",
        {"partitions": {"here": {"gpus": 0}}, "job_parameters": {"gpu": {"partition": "here"}}},
    )

    planned = plan(corpus_job(REFINE))

    assert (planned.ngpu, planned.warnings) == (0, ())
    assert "No GPU: the partition has no GPUs, so the job runs on CPUs." in planned.reasons


def test_a_scheduler_of_other_machines_does_not_look_at_this_one(
    site: WriteSite, machine: type[Partition], corpus_job: CorpusJob
) -> None:
    machine(cores=1, memory=1 << 30, gpus=0)
    site("site.json", {"scheduler": "slurm"})

    assert plan(corpus_job(REFINE)).ngpu == 4


def test_an_external_job_keeps_the_devices_of_this_machine(
    machine: type[Partition], corpus_job: CorpusJob
) -> None:
    machine(cores=16, memory=128 << 30, gpus=4)
    script = corpus_job("relion-5.0.1/External_job023")
    script.write_text(script.read_text().replace("--foo bar", "--gpu 2,3"))

    planned = plan(script)

    assert planned.ngpu == 2
    assert planned.commands[0].command.value("gpu") == "2,3"
    assert planned.warnings == ()


def test_an_external_job_has_no_more_threads_than_there_are_cores(
    machine: type[Partition], corpus_job: CorpusJob
) -> None:
    for cores, threads in ((2, "2"), (16, "4")):
        machine(cores=cores, memory=128 << 30, gpus=0)
        planned = plan(corpus_job("relion-5.0.1/External_job023"))
        assert planned.commands[0].command.value("j") == threads


def test_an_external_job_that_asks_for_gpus_which_are_not_here_is_warned_of(
    machine: type[Partition], corpus_job: CorpusJob
) -> None:
    machine(cores=16, memory=128 << 30, gpus=0)
    script = corpus_job("relion-5.0.1/External_job023")
    script.write_text(script.read_text().replace("--foo bar", "--gpu 0"))

    (warning,) = plan(script).warnings

    assert "(--gpu 0), but this machine has none" in warning
