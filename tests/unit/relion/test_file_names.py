"""Names of images and STAR files are taken apart as RELION does it."""

import pytest

from dispatcher.errors import InputError
from dispatcher.relion.file_names import (
    FileName,
    file_name,
    files_opened,
    image_kind,
    is_star,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("000012@Extract/job006/a.mrcs", FileName("Extract/job006/a.mrcs", "mrcs", 12)),
        ("12@a.dat:mrcs", FileName("a.dat", "mrcs", 12)),
        ("a.MRCS", FileName("a.MRCS", "mrcs")),
        ("1@a.mrc:MRCS", FileName("a.mrc", "mrcs", 1)),
        ("a.mrc:x:mrcs", FileName("a.mrc:x", "mrcs")),
        ("b/c.d/a", FileName("b/c.d/a", "d/a")),
        ("a", FileName("a", "")),
        ("@a.mrcs", FileName("a.mrcs", "mrcs", 0)),
        ("x1@a.mrcs", FileName("x1@a.mrcs", "mrcs")),
        ("me@lab/1@a.mrcs", FileName("me@lab/1@a.mrcs", "mrcs")),
        ("1@me@lab/a.mrcs", FileName("me@lab/a.mrcs", "mrcs", 1)),
        ("1@a.mrcs%x", FileName("a.mrcs", "mrcs%x", 1)),
        ("", FileName("", "")),
    ],
)
def test_parts_of_a_name(text: str, expected: FileName) -> None:
    assert file_name(text) == expected


@pytest.mark.parametrize(
    ("text", "star"),
    [
        ("a.star", True),
        ("A.STAR", True),
        ("a.txt:star", True),
        ("a.star:STAR", True),
        ("a.star:rlnImageName", False),
        ("1@a.star", False),
        ("a#1.star", False),
        ("a.star.bak", False),
        ("star", False),
        ("", False),
    ],
)
def test_which_names_are_star_files(text: str, star: bool) -> None:
    assert is_star(text) is star


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("1@a.mrcs", "stack"),
        ("1@a.MRCS", "stack"),
        ("1@a.mrc:mrcs", "stack"),
        ("1@a.spi:mrcs", "stack"),
        ("1@a.st", "stack"),
        ("a.mrc", "map"),
        ("a.MAP", "map"),
        ("a.mrcs:mrc", "map"),
        ("1@a.spi", "SPIDER"),
        ("1@a.stk", "SPIDER"),
        ("a.vol", "SPIDER"),
        ("1@a.dat", "SPIDER"),
        ("a", "SPIDER"),
        ("1@a.img", "Imagic"),
        ("1@a.HED", "Imagic"),
        ("1@a.tiff", "TIFF"),
    ],
)
def test_as_what_relion_reads_an_image(text: str, kind: str) -> None:
    assert image_kind(text) == kind


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        # 3.1, 4.0, 5.0
        ("1@a.mrcs", "stack stack stack"),
        ("1@a.st", "SPIDER stack stack"),
        ("a.mrc", "map map map"),
        ("a.map", "SPIDER SPIDER map"),
        ("a.map:mrc", "map map map"),
        ("1@a.stk", "SPIDER SPIDER SPIDER"),
    ],
)
def test_a_format_is_mrcs_from_a_version_on(text: str, kinds: str) -> None:
    versions = ((3, 1), (4, 0), (5, 0))
    assert [image_kind(text, version) for version in versions] == kinds.split()
    assert image_kind(text) == image_kind(text, (5, 1))


@pytest.mark.parametrize(
    ("text", "files"),
    [
        ("1@Extract/a", ["Extract/a", "Extract/a.spi"]),
        ("1@a.img", ["a.img", "a.hed"]),
        ("1@b.x/a.hed", ["b.x/a.hed", "b.x/a.img"]),
        ("1@a.dat:img", ["a.dat", "a.hed", "a.img"]),
        ("1@a:img", ["a", "a.hed", "a.img"]),
        ("1@a.spi", ["a.spi"]),
        ("1@b.x/a", ["b.x/a"]),  # the ending is x/a
        ("1@a.dat:mrcs", ["a.dat"]),
    ],
)
def test_files_that_relion_opens_for_an_image(text: str, files: list[str]) -> None:
    # RELION 5.1.0: `a` with a.spi alone "does not exist", and alone it "cannot open".
    assert list(files_opened(file_name(text))) == files


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1@a.mrc", "write 1@a.mrc:mrcs, or rename"),
        ("7@a.mrcs:mrc", "RELION takes mrc for the format of 3D maps"),
        ("1@a#1.mrcs", "has a # in its name"),
        ("a.dm4", "format dm4, which RELION does not read"),
        ("1@a.eer", "format eer"),
        ("a.mrc.bz2", "format bz2"),
    ],
)
def test_names_that_relion_stops_at_are_refused(text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        image_kind(text)
