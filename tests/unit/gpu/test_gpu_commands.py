"""``relion-dispatch gpu …``: answers for people and programs, the table, the picture, site.json."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dispatcher.config.gpu_constants import HardwareConstants
from dispatcher.gpu.asked import asked, sized
from dispatcher.gpu.fit import answer
from dispatcher.gpu.table import BOXES, CARDS
from dispatcher.memory.card import Card
from dispatcher.memory.read_refinement import refinement_of
from dispatcher.relion.submission import read_submission

from ...fixture_types import CorpusJob, WriteSite
from ...limits import sentence_within_limits
from ..memory.refinement_files import mrc
from .gpu_calls import REFINE3D, Run

ROOT = Path(__file__).parents[3]


GPU = 24 * 2**30


CLASS3D = "relion_refine --K 4 --ref map.mrc --pad 2 --zero_mask --offset_range 5"


@pytest.fixture
def fit(gpu: Run) -> Callable[..., dict[str, Any]]:
    """The JSON of ``gpu fit`` for a command line without particles, in an empty folder."""

    def run(command: str, options: str = "--box 256 --gpu-memory 24G") -> dict[str, Any]:
        found: dict[str, Any] = json.loads(gpu(f"fit --json {options} -- {command}"))
        return found

    return run


def test_fit_answers_programs(fit: Callable[..., dict[str, Any]]) -> None:
    found = fit(f"{CLASS3D} --j 4", "--box 400 --gpu-memory 80G")

    assert found["model"] == "relion"
    assert found["fixed_bytes_per_rank"] == 4 * 20 * 803 * 803 * 402
    fine = (64 * 8 * 84 + 44 * 8) * 192 * 24 * 4
    images = 9 * 400 * 201 * 4 + 100_000_000
    assert found["pool_bytes_per_rank"] == 2 * fine + 2 * fine // 2 + 4 * images
    least = 500_000_000 + 4 * 200_000_000 + found["pool_bytes_per_rank"]
    assert found["ranks_per_gpu"] == found["usable_bytes"] // found["bytes_per_rank"] == 2
    allocated = found["allocated_bytes_per_rank"]
    left_free = math.ceil(allocated / 4 / 10**6) - 4 * 200  # by two ranks
    assert found["free_gpu_memory"] == left_free
    assert found["bytes_per_rank"] == least + allocated + left_free * 1_000_000


@pytest.mark.parametrize(
    ("command", "fixed"),
    [
        ("relion_refine --grad --denovo_3dref --pad 1", 32 * 259 * 259 * 130),
        ("relion_refine --K 200", 20 * 200 * 515 * 258),
        (f"{REFINE3D} --skip_align", 0),
    ],
)
def test_fit_knows_all_kinds_of_refinements(
    fit: Callable[..., dict[str, Any]], command: str, fixed: int
) -> None:
    assert fit(command)["fixed_bytes_per_rank"] == fixed


@pytest.mark.parametrize(
    ("options", "projectors"), [("", 3 * 20 + 6 * 8), ("--multibody_norm_overlap", 3 * 20)]
)
def test_fit_reads_the_files_of_a_continued_run(
    fit: Callable[..., dict[str, Any]],
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: str,
    projectors: int,
) -> None:
    monkeypatch.chdir(project)
    command = "relion_refine --continue Refine3D/job011/run_optimiser.star"
    found = fit(f"{command} --multibody_masks bodies.star {options}", "--gpu-memory 24G")

    assert found["fixed_bytes_per_rank"] == projectors * 515 * 515 * 258
    assert found["assumed"] == []


def test_the_version_decides_what_a_trusted_reference_takes(
    fit: Callable[..., dict[str, Any]], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    (project / "large.mrc").write_bytes(mrc(512, 512))
    command = "relion_refine --i Select/job007/particles.star --ref large.mrc --trust_ref_size"

    boxes = [
        fit(command, f"--gpu-memory 24G {relion}")["box_size"]
        for relion in ("--relion 4.0", "--relion 5.0", "")
    ]

    assert boxes == [512, 256, 512]


def test_more_of_anything_takes_more(fit: Callable[..., dict[str, Any]]) -> None:
    def needed(options: str, command: str = "relion_refine --ref map.mrc --zero_mask") -> int:
        own, _, ours = options.partition("|")
        one_alone = f"--box 256 --gpu-memory 1G {ours}"
        return int(fit(f"{command} {own}", one_alone)["bytes_per_rank"])

    plain = needed("--j 4 | --relion 5.0")
    assert needed("--j 4 | --relion 4.0") > plain
    assert needed("--j 4 | --relion 3.1") == needed("--j 4 |") == needed("--j 4| --relion 4.0.2")
    assert needed("--j 8 | --relion 5.0") > plain + 4 * 200_000_000
    assert needed("| --relion 5.0 --threads 4") == plain
    assert needed("--j 8 | --relion 5.0 --threads 4") == plain
    assert needed("--j 4 --free_gpu_memory 700 | --relion 5.0") == plain + 700_000_000
    assert needed("--j 4 --maxsig 100 | --relion 5.0") < plain
    assert needed("--j 4 --auto_refine | --relion 5.0") > plain
    assert needed("--j 4 --sym D2 | --relion 5.0") < plain
    assert needed("--j 4 --ios set.star | --relion 5.0") > plain
    assert needed("--blush | --relion 5.0") == 4_500_000_000


def test_fit_by_the_historic_formula(fit: Callable[..., dict[str, Any]]) -> None:
    found = fit(REFINE3D, "--box 256 --gpu-memory 24G --model fmi")

    assert (found["model"], found["bytes_per_rank"]) == ("fmi", 84 * 256**3 * 2)
    assert found["ranks_per_gpu"] == 9


def test_fit_answers_people(gpu: Run) -> None:
    text = gpu(f"fit --box 256 --gpu-memory 24G --relion 5.0 -- {REFINE3D} --j 4")
    assert "box 256 pixels from --box, padding 2, 1 class in 3D, 4 threads per rank" in text
    assert "fixed part, as RELION counts      1.27 GiB" in text
    assert "left free (--free_gpu_memory)     0.93 GiB" in text
    assert "ranks per GPU: 3" in text
    assert "left free" not in gpu(f"fit --box 256 --gpu-memory 6G --relion 5.0 -- {REFINE3D} --j 4")
    assert "so relion-dispatch starts one rank, with less working memory" in gpu(
        f"fit --box 400 --gpu-memory 24G -- {CLASS3D} --j 4"
    )
    assert "41.42 GiB at least" in gpu(f"fit --box 800 --gpu-memory 24G -- {REFINE3D}")


def test_a_job_is_sized_as_planning_sizes_it(gpu: Run, corpus_job: CorpusJob) -> None:
    script = corpus_job("relion-5.0.1/Refine3D_job011")
    submission, project = read_submission(script)
    planned = refinement_of(submission.main, project)

    for named in (script, script.parent):
        found = json.loads(gpu(f"fit {named} --gpu-memory 24G --json"))
        assert (found["box_size"], found["box_size_source"]) == (planned.box, planned.source)
        assert found["threads"] == 4
        assert found["assumed"] == []
        assert sized(asked([str(named)])).refinement == planned


def test_a_quoted_command_line_is_what_its_words_are(gpu: Run) -> None:
    long = "--norm " * 40  # longer than a file's name may be
    quoted = gpu(
        f"fit --box 256 --gpu-memory 24G '`which relion_refine_mpi` --K 50 {long} --gpu \"\"'"
    )

    assert quoted == gpu(f"fit --box 256 --gpu-memory 24G -- relion_refine --K 50 {long} --gpu ''")


def test_a_box_that_is_given_goes_before_that_of_the_files(gpu: Run, corpus_job: CorpusJob) -> None:
    job = corpus_job("relion-5.0.1/Refine3D_job011").parent
    found = json.loads(gpu(f"fit {job} --box 400 --gpu-memory 24G --json"))

    assert (found["box_size"], found["box_size_source"], found["assumed"]) == (400, "--box", [])


def test_what_stands_in_for_missing_files_is_said(
    gpu: Run, fit: Callable[..., dict[str, Any]]
) -> None:
    assert fit("relion_refine --i gone.star --K 50")["assumed"] == [
        "No particles can be read: relion-dispatch assumes that the particles are 2D images of 256 "
        "pixels (--box), and that references are 2D."
    ]
    assert "2D stacks of tilt series" in fit("relion_refine --ios gone.star")["assumed"][0]
    text = gpu("fit --box 256 --gpu-memory 24G")
    assert (
        "No refinement is given: the numbers are for Refine3D with the defaults of RELION's window."
    ) in text
    assert "1 class in 3D, 1 thread per rank" in text


def test_skipped_alignment_is_no_limit(
    gpu: Run, fit: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    skipped = f"{REFINE3D} --skip_align"
    options = "--box 800 --gpu-memory 24G"
    text = gpu(f"fit {options} -- {skipped}")
    assert "uses no GPU" in text
    assert "ranks per GPU: no limit" in text
    assert fit(skipped, options)["ranks_per_gpu"] is None
    assert fit(f"{skipped} --blush --j 4", options)["ranks_per_gpu"] == 6
    picture = f"fit {options} --plot {tmp_path}/ranks.png -- {skipped}"
    assert "nothing to draw" in gpu(picture, status=1)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("--box 256", "Give the memory of one GPU"),
        ("--gpu-memory 24G", "To go on without the particles, give their box size: --box"),
        ("--box 256 --gpu-memory much", '--gpu-memory: expected bytes or a size like "32G"'),
        ("--box 256 --gpu-memory 24G --relion new", "--relion new is not a version"),
        ("--gpu-memory 24G ''", "The refinement is an empty text"),
        (
            "--gpu-memory 24G Class2D/job8",
            "Class2D/job8 is not a refinement: give a job of relion_",
        ),
        ("--gpu-memory 24G -- mpirun relion_refine", "a command line that begins with relion_ref"),
        ("--gpu-memory 24G .", "run_submit.script cannot be read"),
        ("--gpu-memory 24G -- relion_refine --i gone.star", "gone.star cannot be read"),
        ("--gpu-memory 24G -- relion_refine --i gone.star --pad x", "The padding factor (--pad)"),
        ("--gpu-memory 24G --box 99 -- relion_refine --continue x.star", "x.star cannot be read"),
        ("--gpu-memory 24G --box 99 -- relion_refine --j many", "--j is 'many'"),
    ],
)
def test_fit_says_what_it_needs(gpu: Run, arguments: str, says: str) -> None:
    assert says in gpu(f"fit {arguments}", status=1)


@pytest.mark.parametrize(
    "arguments",
    [
        f"fit --gpu-memory 24G --box 1{'0' * 400}",
        "fit --gpu-memory 24G --box 65536",
        "fit --gpu-memory 24G --box 256 --threads 1000000000",
        "table --threads 1000000000",
        "calibrate --dry-run --device 1000000000",
        "calibrate --dry-run --device 128",  # they count from 0
    ],
)
def test_a_number_without_end_is_refused_before_anything_is_counted(
    gpu: Run, arguments: str
) -> None:
    assert "less than or equal to" in gpu(arguments, status=2)


def test_a_million_classes_are_counted_as_quickly_as_one(gpu: Run) -> None:
    command = "relion_refine --i gone.star --ref gone.mrc --K 1000000"

    assert sentence_within_limits(lambda: gpu(f"fit --gpu-memory 24G --box 300 -- {command}")) == ""


def test_one_rank_alone_needs_no_mps() -> None:
    hardware = HardwareConstants(context=10**9, context_mps=10**8)
    asked_for = sized(asked([]), 256).refinement
    card = Card(GPU, asked_for, mps=True, one_pool=False, hardware=hardware)
    several = answer(card, 4)
    assert several.ranks_per_gpu and several.ranks_per_gpu > 1
    room = (several.bytes_per_rank + 10**8) * 100 // 97
    alone = answer(card._replace(gpu_bytes=room), 4)
    assert alone.bytes_per_rank == several.bytes_per_rank + 9 * 10**8
    assert (alone.ranks_per_gpu, alone.small_pool) == (1, True)


def test_constants_of_the_site_count(fit: Callable[..., dict[str, Any]], site: WriteSite) -> None:
    before = fit(REFINE3D)
    site("site.json", {"gpu_constants": {"context_mps": 300_000_000}})
    after = fit(REFINE3D)

    assert before["bytes_per_rank"] - after["bytes_per_rank"] == 200_000_000


def test_the_documentation_has_the_table_that_is_printed(gpu: Run) -> None:
    printed = gpu("table")

    assert printed in (ROOT / "docs" / "gpu.md").read_text()
    rows = [line for line in printed.splitlines() if line.startswith(f"| {BOXES[0]} ")]
    assert len(rows) == 4
    assert all(row.count(" / ") == len(CARDS) for row in rows)
