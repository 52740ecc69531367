"""What the shipped job types ask for: ranks, threads, GPUs, memory and options."""

from __future__ import annotations

import pytest

from dispatcher.config.job_types import JobType, lineage, merged_parameters
from dispatcher.planning.rewrite import rewrite
from dispatcher.relion.command import parse_command
from dispatcher.relion.programs import lookup


def parameters(types: dict[str, JobType], name: str) -> dict[str, object]:
    return merged_parameters([types[level] for level in lineage(types, name)])


def rewritten(types: dict[str, JobType], line: str, name: str) -> list[str]:
    levels = [types[level] for level in lineage(types, name)]
    return rewrite(parse_command(line), levels).argv


def test_every_type_says_its_ranks_threads_gpus_and_memory(types: dict[str, JobType]) -> None:
    for name in types:
        found = parameters(types, name)
        assert {"nproc", "nthread", "ngpu", "nodes", "mem"} <= set(found), name
        assert "partition" not in found, "a partition is the site's to name"


def test_ranks_fit_the_gpus_and_the_rules_of_their_program(types: dict[str, JobType]) -> None:
    for name, kind in types.items():
        if not kind.matches_jobs or name in ("external", "pipeliner", "pipeliner_gpu"):
            continue
        found = parameters(types, name)
        nproc, ngpu = found["nproc"], found["ngpu"]
        program = lookup(kind.match_command[0])
        if nproc != 1:
            assert program.mpi, name
        if ngpu != 0:
            assert program.gpu, name
        if nproc is None:  # as many as fit
            assert found["mem_per_rank"], name
            assert ngpu in (None, 0), name
        elif ngpu and nproc != 1:
            raise AssertionError(f"{name} has {nproc} ranks, whatever the number of GPUs is")


def test_split_half_sets_have_as_many_ranks_as_fit(types: dict[str, JobType]) -> None:
    for name in ("refine", "multibody", "refine_continue", "multibody_continue"):
        assert parameters(types, name)["nproc"] is None


def test_what_knows_no_mpi_is_one_process(types: dict[str, JobType]) -> None:
    for name in ("initialmodel", "initialmodel_continue", "class2d_vdam", "polish_train",
                 "subtract_revert", "autopick_topaz_train", "postprocess"):  # fmt: skip
        assert parameters(types, name)["nproc"] == 1


def test_what_uses_no_gpu_asks_for_none(types: dict[str, JobType]) -> None:
    for name in ("autopick_log", "class2d_noalign", "class3d_noalign", "motioncorr_own",
                 "align_tiltseries", "modelangelo_hmm"):  # fmt: skip
        assert parameters(types, name)["ngpu"] == 0
    assert parameters(types, "external")["ngpu"] is None  # what its command asks for


def test_memory_is_known_to_every_refinement_on_gpus(types: dict[str, JobType]) -> None:
    for name in ("refine", "class2d", "class3d", "multibody", "initialmodel", "class2d_vdam"):
        levels = [types[level] for level in lineage(types, name)]
        assert any(level.adjust_GPU_nproc_to_mem for level in levels)


@pytest.mark.parametrize(
    ("name", "line", "option"),
    [
        ("refine", 'relion_refine_mpi --auto_refine --gpu "0:1"', ["--gpu", ""]),
        ("refine", "relion_refine_mpi --auto_refine", ["--gpu", ""]),
        ("autopick_topaz", 'relion_autopick --topaz_extract --gpu "0"', ["--gpu", ""]),
        ("align_tiltseries_aretomo", "relion_align_tiltseries --aretomo2 --gpu 0:1  ",
         ["--gpu", "0"]),
        ("dynamight", "relion_python_dynamight optimize-deformations --gpu-id 3",
         ["--gpu-id", "0"]),
        ("modelangelo", "relion_python_modelangelo build -d 0,1 -o x", ["-d", "0"]),
        ("denoise", "relion_python_tomo_denoise cryoCARE:train --gpu 2 ", ["--gpu", "0"]),
    ],
)  # fmt: skip
def test_each_program_gets_the_gpu_option_it_knows(
    name: str, line: str, option: list[str], types: dict[str, JobType]
) -> None:
    argv = rewritten(types, line, name)

    assert argv[-2:] == option
    assert argv.count(option[0]) == 1
    assert ("--gpu" in argv) == (option[0] == "--gpu")


def test_what_stays_in_relions_window_starts_at_once(types: dict[str, JobType]) -> None:
    for name in ("manualpick", "display", "picks", "exclude_tilt_images", "dynamight_explore"):
        assert parameters(types, name)["scheduler"] == "interactive"


def test_an_external_job_keeps_the_threads_of_relions_window(types: dict[str, JobType]) -> None:
    assert parameters(types, "external")["nthread"] is None
