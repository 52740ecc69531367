"""What the shipped job types ask for: ranks, threads, GPUs, memory and options."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from dispatcher.config.job_types import JobType, lineage, merged_parameters
from dispatcher.config.places import shipped_folder
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


class Row(NamedTuple):
    """The numbers of docs/dispatch_config.md for some job types; None for what is not limited."""

    ranks: int | None
    per_gpu: int | None
    threads: int | None
    gpus: int | None


def rows_of_the_page() -> tuple[dict[str, Row], list[str]]:
    """By job type; and the cells for all others."""
    text = (shipped_folder() / "docs" / "dispatch_config.md").read_text()
    section = text.partition("## As many as fit\n")[2].partition("\n## ")[0]
    lines = [line.strip("| ").split(" | ") for line in section.splitlines() if line[:2] == "| "]
    rows = {
        name: Row(number(ranks), number(ranks.partition(", ")[2]), number(threads), number(gpus))
        for names, ranks, threads, gpus, _ in lines[1:-1]
        for name in names.split(", ")
    }
    return rows, lines[-1]


def number(cell: str) -> int | None:
    word = cell.split(" ")[0]
    return 0 if word == "none" else int(word) if word.isdigit() else None


def test_the_page_has_the_numbers_of_each_job_type(types: dict[str, JobType]) -> None:
    rows, others = rows_of_the_page()
    assert set(rows) <= set(types)
    unnamed = []

    for name, kind in types.items():
        if not kind.matches_jobs:
            continue
        found = parameters(types, name)
        told = [rows[level] for level in lineage(types, name) if level in rows]
        if not told:
            unnamed.append(found)
            continue
        ranks, per_gpu, threads, gpus = told[-1]
        assert (found["nproc"], found["nthread"], found["ngpu"]) == (ranks, threads, gpus), name
        assert per_gpu in (None, found.get("ranks_per_gpu")), name

    threads_of_others = [int(str(found["nthread"])) for found in unnamed]
    assert others[:4] == [
        "all others", "1", f"{min(threads_of_others)} to {max(threads_of_others)}", "none, or 1",
    ]  # fmt: skip
    assert {(found["nproc"], found["ngpu"]) for found in unnamed} == {(1, 0), (1, 1)}
