"""Inputs that are no files, have no end, or only begin like what they should be."""

from __future__ import annotations

import os
import random
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from dispatcher.errors import InputError
from dispatcher.memory.body_masks import extra_projectors
from dispatcher.memory.image_header import image_header
from dispatcher.memory.input_images import body_masks, particle_images, reference_images
from dispatcher.memory.particle_count import estimated_rows
from dispatcher.memory.particle_tables import particle_tables
from dispatcher.memory.tilt_series import first_stack
from dispatcher.relion import job_star, star
from dispatcher.relion.line_ends import line_end_problem
from dispatcher.relion.pipeline import PIPELINE, pipeline_major, read_processes
from dispatcher.relion.spider_header import is_spider
from dispatcher.relion.submission import read_submission
from dispatcher.relion.submission_forms import is_from_our_template

from ...limits import sentence_within_limits, sentences_within_limits

OPTICS = "data_optics\n\nloop_\n_rlnOpticsGroup #1\n_rlnImageSize #2\n1 256\n\n"
PARTICLES = "data_particles\n\nloop_\n_rlnImageName #1\n_rlnOpticsGroup #2\n"
ROW = "000001@Extract/job006/a.mrcs 1\n"
HUGE = 3_000_000_000


def of_zeros(path: Path, beginning: str = "") -> None:
    path.write_text(beginning)
    os.truncate(path, HUGE)


KINDS: dict[str, Callable[[Path], object]] = {
    "pipe": os.mkfifo,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "folder": Path.mkdir,
    "loop of links": lambda path: path.symlink_to(path),
    "zeros": of_zeros,
    "zeros behind a table": lambda path: of_zeros(path, OPTICS),
    "zeros behind particles": lambda path: of_zeros(path, OPTICS + PARTICLES + ROW * 400),
    "zeros behind 3.0's": lambda path: of_zeros(
        path, f"data_\n\nloop_\n_rlnImageName #1\n{ROW[:-3]}\n"
    ),
    "zeros behind pairs": lambda path: of_zeros(path, "data_job\n\n_rlnJobType 8\n"),
}


def readers(path: Path) -> list[Callable[[], object]]:
    """All that may read the file at the path in a project's folder."""
    project = path.parent
    name = path.name
    return [
        lambda: list(star.read_blocks(path, rows=1)),
        lambda: list(star.read_blocks(path)),
        lambda: star.read_block(path, "nowhere"),
        lambda: star.read_block(path, "particles", rows=1),
        lambda: star.first_block(path),
        lambda: star.block_behind(path, "general", 0),
        lambda: star.block_behind(path, "particles", 0, 1),
        lambda: list(star.column(path, "_rlnImageName")),
        lambda: particle_tables(path),
        lambda: particle_images(name, project),
        lambda: particle_images(f"1@{name}:mrcs", project),
        lambda: particle_images(f"1@{name}:spi", project),
        lambda: reference_images(name, project),
        lambda: reference_images(f"{name}:mrc", project),
        lambda: first_stack(name, project),
        lambda: body_masks(name, project),
        lambda: extra_projectors([path, path, path]),
        lambda: image_header(path),
        lambda: is_spider(path),
        lambda: line_end_problem(path, None),
        lambda: job_star.read(path),
        lambda: read_submission(path),
        lambda: is_from_our_template(path),
        lambda: pipeline_major(project),
        lambda: read_processes(project),
        lambda: _estimated(path),
    ]


def _estimated(path: Path) -> None:
    try:
        estimated_rows(path)
    except (OSError, InputError):  # as documented
        return


@pytest.mark.parametrize("kind", KINDS)
def test_every_reader_refuses_what_is_no_file_or_has_no_end(tmp_path: Path, kind: str) -> None:
    path = tmp_path / PIPELINE
    KINDS[kind](path)

    said = sentences_within_limits(readers(path))

    assert all(str(path) in sentence or "cannot" in sentence for sentence in said if sentence)
    assert sum(map(bool, said)) >= 8


TEXTS: dict[str, Callable[[], str]] = {
    "labels": lambda: OPTICS + "data_particles\n\nloop_\n" + "_rlnX\n" * 400_000,
    "labels of pairs": lambda: "data_job\n\n" + "_rlnX 1\n" * 400_000,
    "tables": lambda: "data_a\n\nloop_\n_rlnX\n1\n\n" * 150_000,
    "empty tables": lambda: "data_a\n" * 600_000,
    "lines before a table": lambda: "\n" * 3_000_000 + OPTICS,
    "text before a table": lambda: "hello\n" * 1_000_000,
    "rows of a small table": lambda: "data_optics\n\nloop_\n_rlnImageSize\n" + "256\n" * 1_500_000,
    "rows of pairs of letters": lambda: "data_\n\nloop_\n_rlnImageName\n_y\n" + "a b\n" * 1_500_000,
    "rows that look like tables": lambda: OPTICS + PARTICLES + ROW * 301 + "data_ x\n" * 999_999,
    "a column of names": lambda: "data_a\n\nloop_\n_x\n" + "data_x\n" * 999_999,
    "quotes": lambda: "data_\n\nloop_\n_rlnX\n_rlnY\n_rlnZ\n" + "\"a'" * 300_000 + "\n",
    "values in a row": lambda: f"{OPTICS}{PARTICLES}{'a ' * 500_000}\n",
    "long names": lambda: f"data_{'n' * 900_000}\n\nloop_\n_{'x' * 900_000}\n1\n\n" * 9,
    "a line of names": lambda: OPTICS + "data_" * 200_000 + "\n" + "data_general\n" * 50_000,
    "one line": lambda: "data_" * 1_000_000,
}  # fmt: skip


@pytest.mark.parametrize("kind", TEXTS)
def test_every_reader_has_bounds_for_what_looks_like_a_star_file(tmp_path: Path, kind: str) -> None:
    path = tmp_path / PIPELINE
    path.write_text(TEXTS[kind]())

    said = sentences_within_limits(readers(path))

    assert all(len(sentence) < 5000 for sentence in said)


def test_a_table_of_many_jobs_is_still_read(tmp_path: Path) -> None:
    rows = "".join(f"Class2D/job{n:06d}/ None relion.class2d Succeeded\n" for n in range(20_000))
    labels = "".join(
        f"_rlnPipeLineProcess{label}\n" for label in ("Name", "Alias", "TypeLabel", "StatusLabel")
    )
    nodes = "data_pipeline_nodes\n\nloop_\n_rlnPipeLineNodeName\n" + "a.star\n" * 200_000
    (tmp_path / PIPELINE).write_text(f"data_pipeline_processes\n\nloop_\n{labels}{rows}\n{nodes}\n")

    assert sentence_within_limits(lambda: read_processes(tmp_path)) == ""
    assert len(read_processes(tmp_path)) == 20_000


def test_a_pipeline_without_the_jobs_states_is_named(tmp_path: Path) -> None:
    (tmp_path / PIPELINE).write_text(
        "data_pipeline_processes\n\nloop_\n_rlnPipeLineProcessName #1\nClass2D/job001/\n"
    )

    with pytest.raises(InputError, match=r"line 3: data_pipeline_processes does not give each job"):
        read_processes(tmp_path)


def test_references_are_counted_without_keeping_them(tmp_path: Path) -> None:
    table = "data_model_classes\n\nloop_\n_rlnReferenceImage #1\n_rlnClassDistribution #2\n"
    rows = "".join(f"{n:06d}@run_it025_classes.mrcs 0.001\n" for n in range(1, 400_001))
    (tmp_path / "model.star").write_text(f"{OPTICS}{table}{rows}\n")

    assert sentence_within_limits(lambda: reference_images("model.star", tmp_path)) == ""
    assert reference_images("model.star", tmp_path).count == 400_000


def test_a_table_behind_many_rows_is_found_by_its_line_if_it_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "particles.star"
    path.write_text(
        f"{PARTICLES}{ROW * 50_000}\n{OPTICS.replace('1 256', '1')}\n".replace(
            "_rlnImageSize #2\n", "_rlnImageSize #2\n_rlnVoltage #3\n"
        )
    )

    with pytest.raises(InputError, match=r"line 50013: 1 value for the 3 labels of data_optics"):
        particle_tables(path)


@pytest.mark.parametrize("seed", range(8))
def test_a_damaged_header_costs_no_more_than_itself(tmp_path: Path, seed: int) -> None:
    """Sizes and lengths of up to 2 GB, in either byte order, in a file of a kilobyte."""
    chance = random.Random(seed)
    path = tmp_path / "damaged.mrc"
    odd = (0, 1, -1, 2, 100, 65535, 65536, 2**31 - 1, -(2**31), 2**24, 12)

    def read() -> None:
        header = bytearray(chance.randbytes(1024) if seed % 2 else 1024)
        order = chance.choice("<>")
        for at in (0, 4, 8, 12, 28, 32, 36, 88, 92, 96, 208, 212):
            if chance.random() < 0.8:
                struct.pack_into(f"{order}i", header, at, chance.choice(odd))
        path.write_bytes(bytes(header))
        extra_projectors([path, path])
        image_header(path)

    sentences_within_limits([read] * 30)


def test_masks_that_were_never_written_are_compared_at_once(tmp_path: Path) -> None:
    masks = []
    for n in range(40):
        header = bytearray(1024)
        struct.pack_into("<4i", header, 0, 1000, 1000, 1000, 2)
        masks.append(tmp_path / f"{n}.mrc")
        masks[-1].write_bytes(header)
        os.truncate(masks[-1], 1024 + 4 * 1000**3)

    assert sentences_within_limits(
        [lambda: extra_projectors(masks[:20]), lambda: extra_projectors(masks)]
    ) == ["", ""]
    assert extra_projectors(masks[:20]) == 0
    assert extra_projectors(masks) is None


def test_masks_with_something_beyond_what_was_never_written_are_read_there(tmp_path: Path) -> None:
    masks = []
    for n in range(3):
        header = bytearray(1024)
        struct.pack_into("<4i", header, 0, 500, 500, 500, 2)
        masks.append(tmp_path / f"{n}.mrc")
        with masks[-1].open("wb") as stream:
            stream.write(header)
            stream.truncate(1024 + 4 * 500**3)
            stream.seek(1024 + 4 * (60_000_000 + 2_000_000 * (n // 2)))
            stream.write(struct.pack("<f", 1.0))

    assert extra_projectors([masks[0], masks[2]]) == 0
    assert extra_projectors(masks[:2]) == 2
    assert extra_projectors(masks) == 3  # the second touches the first before the third as well


@pytest.mark.parametrize("name", ["x" * 300, "a/" * 3000, "$(x)", "é" * 200, "\udcff.mrcs"])
@pytest.mark.parametrize(
    "form", ["{}.star", "1@{}:mrcs", "{}:spi", "{}:img", "{}", "9999999999@{}:hed"]
)
def test_a_name_that_no_file_can_have_gets_a_sentence(tmp_path: Path, name: str, form: str) -> None:
    calls = [
        lambda: particle_images(form.format(name), tmp_path),
        lambda: reference_images(form.format(name), tmp_path),
    ]

    said = sentences_within_limits(calls)

    assert said[0]
