"""Images of a refinement are found by the names that RELION takes."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from dispatcher.errors import BoxUnknown, InputError
from dispatcher.memory.input_images import body_masks, reference_images
from dispatcher.memory.particle_count import particles
from dispatcher.memory.read_refinement import refinement_of
from dispatcher.relion.command import parse_command
from dispatcher.relion.file_names import file_name, files_opened

from .refinement_files import BODIES, OLD_PARTICLES, OPTICS, PARTICLES, mrc, options


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("7@Extract/a.mrc:mrcs", "Extract/a.mrc"),
        ("7@Extract/a.dat:MRCS", "Extract/a.dat"),
        ("7@Extract/a.MRCS", "Extract/a.MRCS"),
        ("7@Extract/a.spi:mrcs", "Extract/a.spi"),
        ("7@Extract/a.st", "Extract/a.st"),
        ("'7@Extract/my stack.mrcs'", "Extract/my stack.mrcs"),
    ],
)
def test_first_stack_of_an_old_file_by_any_name(project: Path, name: str, file: str) -> None:
    (project / "Extract").mkdir(exist_ok=True)
    (project / file).write_bytes(mrc(48, 9))
    text = OLD_PARTICLES.replace("000007@Extract/job006/a.mrcs", name)
    (project / "p.star").write_text(text)
    found = refinement_of(options("--i p.star --K 2"), project)
    assert (found.box, found.source) == (48, f"{file}, MRC header")
    assert (found.dimensions, found.data_dimensions) == (2, 2)


@pytest.mark.parametrize(
    ("file", "title"),
    [
        ("a", "a SPIDER file"),
        ("a.spi", "a SPIDER file"),
        ("a.STK", "a SPIDER file"),
        ("a.dat", "a SPIDER file"),
        ("a.img", "an Imagic file"),
        ("a.hed", "an Imagic file"),
        ("a.tif", "a TIFF file"),
    ],
)
def test_box_in_a_file_that_cannot_be_read_here_is_not_known(
    project: Path, file: str, title: str
) -> None:
    (project / "p.star").write_text(OLD_PARTICLES.replace("a.mrcs", file))
    with pytest.raises(InputError, match=f"{file} does not exist"):
        refinement_of(options("--i p.star --K 2"), project)
    first, *others = files_opened(file_name(f"Extract/job006/{file}"))
    (project / first).touch()
    for other in others:
        with pytest.raises(InputError, match=f"{other} does not exist, and RELION opens"):
            refinement_of(options("--i p.star --K 2"), project)
        (project / other).touch()
    with pytest.raises(BoxUnknown, match=f"does not read Extract/job006/{file}, {title}, and no"):
        refinement_of(options("--i p.star --K 2"), project)
    given = options("--i p.star --ref InitialModel/job009/initial_model.mrc")
    assert refinement_of(given, project).box == 256
    assert particles(parse_command("relion_refine --i p.star"), project).number == 1
    # With an optics table nobody needs the file.
    text = OPTICS.format(box=64, dimensions=2) + PARTICLES.replace("a.mrcs", file)
    (project / "p.star").write_text(text)
    assert refinement_of(options("--i p.star --K 2"), project).box == 64


@pytest.mark.parametrize(
    ("file", "relion", "known"),
    [("a.st", (3, 1), False), ("a.st", (4, 0), True), ("a.mrcs", (3, 1), True)],
)
def test_the_version_that_will_run_decides_what_is_read_as_mrc(
    project: Path, file: str, relion: tuple[int, int], known: bool
) -> None:
    (project / "p.star").write_text(OLD_PARTICLES.replace("a.mrcs", file))
    (project / "Extract/job006" / file).write_bytes(mrc(48, 9))
    asked = options("--i p.star --K 2")
    if known:
        assert refinement_of(asked, project, relion_version=relion).box == 48
    else:
        with pytest.raises(BoxUnknown, match="a SPIDER file"):
            refinement_of(asked, project, relion_version=relion)


@pytest.mark.parametrize(
    ("name", "sections", "dimensions", "box"),
    [
        ("ref.mrc", 64, 3, 64),
        ("REF.MRC", 64, 3, 64),
        ("ref.map", 64, 3, 64),
        ("ref.dat:mrc", 64, 3, 64),
        ("ref.mrcs:mrc", 64, 3, 64),
        ("ref.mrcs", 64, 2, 64),
        ("ref.mrc:mrcs", 64, 2, 64),
        ("1@ref.mrcs", 64, 2, 64),
        ("ref.mrc", 1, 2, 64),
        ("ref.spi", 64, 3, 0),
        ("1@ref.spi", 64, 2, 0),
        ("ref.hed", 64, 2, 0),
    ],
)
def test_references_by_any_name(
    tmp_path: Path, name: str, sections: int, dimensions: int, box: int
) -> None:
    # The dimensions are those that RELION 5.1.0 wrote into its model files.
    path = tmp_path / name.rpartition("@")[2].partition(":")[0]
    path.write_bytes(mrc(64, sections))
    found = reference_images(name, tmp_path)
    assert (found.dimensions, found.box, found.count) == (dimensions, box, 0)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("data_\n\nloop_\n_rlnReferenceImage #1\n1@a.mrc:mrcs\n2@a.mrc:mrcs\n", 2),
        (
            "data_x\n\n_rlnReferenceImage x.mrc\n\n"
            "data_model_classes\n\nloop_\n_rlnReferenceImage #1\n1@a.mrc:mrcs\n",
            1,
        ),
    ],
)
def test_star_file_of_references_by_any_name(tmp_path: Path, text: str, count: int) -> None:
    (tmp_path / "refs.STAR").write_text(text)
    (tmp_path / "a.mrc").write_bytes(mrc(64, 9))
    found = reference_images("refs.STAR", tmp_path)
    assert (found.dimensions, found.box, found.count) == (2, 64, count)


def test_references_that_relion_does_not_find_are_refused(tmp_path: Path) -> None:
    (tmp_path / "refs.star").write_text(
        "data_x\n\n_rlnNrClasses 1\n\ndata_y\n\nloop_\n_rlnReferenceImage #1\nref.mrc\n"
    )
    with pytest.raises(InputError, match=r"refs\.star names no references: .* the first table"):
        reference_images("refs.star", tmp_path)
    with pytest.raises(InputError, match=r"1@ref\.mrc is one image of a stack"):
        reference_images("1@ref.mrc", tmp_path)


def test_body_masks_by_any_name(tmp_path: Path) -> None:
    (tmp_path / "bodies.txt").write_text(BODIES.replace("head_mask.mrc", "head.dat:mrc"))
    names = ["large_body_mask.mrc", "small_body_mask.mrc", "head.dat"]
    assert body_masks("bodies.txt:star", tmp_path) == [tmp_path / name for name in names]
    (tmp_path / "second.star").write_text("data_x\n\n_rlnBodyMaskName1 1\n" + BODIES)
    with pytest.raises(InputError, match="lists no bodies"):
        body_masks("second.star", tmp_path)


def test_number_of_images_in_a_stack_by_any_name(tmp_path: Path) -> None:
    (tmp_path / "a.mrc").write_bytes(struct.pack("<4i", 64, 64, 321, 2).ljust(1024, b"\0"))
    assert particles(parse_command("relion_refine --i a.mrc:MRCS"), tmp_path).number == 321
