"""The same particles are found however their file is written, as long as RELION reads it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dispatcher.errors import InputError
from dispatcher.memory.input_images import Images, particle_images
from dispatcher.memory.particle_count import estimated_rows
from dispatcher.relion.star import PIECE

OPTICS = (
    ("_rlnOpticsGroupName", "_rlnOpticsGroup", "_rlnImagePixelSize", "_rlnImageSize"),
    (("first group", "1", "1.25", "256"), ("second", "2", "1.5", "320")),
)
PARTICLES = (
    ("_rlnImageName", "_rlnTomoName", "_rlnOpticsGroup"),
    tuple((f"{n}@Extract/job006/a.mrcs", "t 1", str(n % 2 + 1)) for n in range(1, 8)),
)
GENERAL = (("_rlnTomoSubTomosAre2DStacks",), (("1",),))
Table = tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]
BLANKS = st.sampled_from([" ", "\t", "  ", " \t "])


@st.composite
def word(draw: st.DrawFn, value: str) -> str:
    quotes = ['"', "'"] if " " in value else ["", "", '"', "'"]
    quote = draw(st.sampled_from(quotes))
    return f"{quote}{value}{quote}"


@st.composite
def line(draw: st.DrawFn, values: tuple[str, ...]) -> str:
    """A row or a pair, with any blanks, quotes and a comment behind."""
    indent, tail = draw(st.sampled_from(["", " ", "\t"])), draw(st.sampled_from(["", " ", "\t"]))
    comment = draw(st.sampled_from(["", "", " # a remark", "\t#1"]))
    words = [draw(word(value)) for value in values]
    between = draw(BLANKS)
    return indent + between.join(words) + comment + tail + "\n"


@st.composite
def loop(draw: st.DrawFn, table: Table) -> str:
    labels, rows = table
    order = draw(st.permutations(range(len(labels))))
    number = draw(st.sampled_from([" #{}", "\t#{}", "", "   #{}", " # {}"]))
    between = draw(st.sampled_from(["", "\n", "# data_behind loop_ is a comment here\n", "; x\n"]))
    indent = draw(st.sampled_from(["", "  ", "\t"]))
    text = draw(st.sampled_from(["loop_\n", "loop_ \n", "  loop_ # of rows\n", "\tloop_\n"]))
    for at, place in enumerate(order, 1):
        text += f"{indent}{labels[place]}{number.format(at)}\n{between}"
    return text + "".join(draw(line(tuple(row[p] for p in order))) for row in rows)


@st.composite
def pairs(draw: st.DrawFn, table: Table) -> str:
    labels, rows = table
    text = ""
    for label, value in zip(labels, rows[0], strict=True):
        text += f"{label}{draw(BLANKS)}{draw(word(value))}{draw(st.sampled_from(['', ' #x']))}\n"
        text += draw(st.sampled_from(["", "\n", "# a remark\n"]))
    return text


@st.composite
def table(draw: st.DrawFn, name: str, content: Table, as_pairs: bool = False) -> str:
    before = draw(st.sampled_from(["", "\n# version 50001\n\n", "# by a_data_tool\n", "words\n"]))
    head = draw(
        st.sampled_from(
            ["data_{}\n", "data_{}  \n", "  data_{} \n", "\ufeffdata_{}\n", "x data_{}\n"]
        )
    )
    body = draw(pairs(content) if as_pairs else loop(content))
    blank = draw(st.sampled_from(["\n", " \n", "\t\n", "\n\n\n"]))
    return before + head.format(name) + draw(st.sampled_from(["", "\n", " \n"])) + body + blank


@st.composite
def particle_file(draw: st.DrawFn) -> bytes:
    tables = [
        draw(table("optics", OPTICS)),
        draw(table("particles", PARTICLES)),
        draw(table("general", GENERAL, as_pairs=draw(st.booleans()))),
    ]
    if draw(st.booleans()):
        tables.append(draw(table("other", (("_a", "_b", "_c"), (("1", "2", "3"),)))))
    text = "".join(draw(st.permutations(tables)))
    if draw(st.booleans()):
        text = text.rstrip()  # no end of the last line
    mark = draw(st.sampled_from([b"", b"\xef\xbb\xbf"]))
    return mark + text.encode()


@given(particle_file())
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_one_content_written_in_many_ways_is_read_alike(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "p.star").write_bytes(content)
    expected = Images(
        256, "p.star, optics group 1", 2, tomo_stacks=True, largest=320, pixel_size=1.25
    )
    assert particle_images("p.star", tmp_path) == expected
    assert estimated_rows(tmp_path / "p.star") == 7


def star_text(name: str, content: Table) -> str:
    labels, rows = content
    head = "".join(f"{label} #{at}\n" for at, label in enumerate(labels, 1))
    body = "".join("  ".join(f'"{value}"' for value in row) + "\n" for row in rows)
    return f"\n# version 50001\n\ndata_{name}\n\nloop_\n{head}{body}\n"


@pytest.mark.parametrize("name", ["p.STAR", "p.txt:star"])
def test_star_files_by_other_names(tmp_path: Path, name: str) -> None:
    text = star_text("optics", OPTICS) + star_text("particles", PARTICLES)
    (tmp_path / name.partition(":")[0]).write_text(text)
    assert particle_images(name, tmp_path).box == 256


def bytes_read() -> int:
    """What this process has read so far, by the kernel's account."""
    text = Path("/proc/self/io").read_text()
    return int(text.split("rchar:")[1].split()[0])


def test_optics_behind_many_particles_cost_one_piece_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "p.star"
    row = "000002@Extract/data_optics/a.mrcs 'tomogram' 1\n"
    with path.open("w") as stream:
        stream.write(star_text("particles", PARTICLES).rstrip() + "\n")
        for _ in range(100):
            stream.write(row * 10_000)
        stream.write("\n" + star_text("optics", OPTICS) + star_text("general", GENERAL))
    assert path.stat().st_size > 40_000_000

    before = bytes_read()
    images = particle_images("p.star", tmp_path)
    read = bytes_read() - before

    assert (images.box, images.tomo_stacks) == (256, True)
    assert read < 2.5 * PIECE  # a piece for each of the two tables
    assert estimated_rows(path) == pytest.approx(1_000_007, rel=0.03)


def test_damage_behind_the_particles_is_named_with_its_line(tmp_path: Path) -> None:
    optics = star_text("optics", OPTICS).replace('"256"', "")
    (tmp_path / "p.star").write_text(star_text("particles", PARTICLES) + optics)
    with pytest.raises(InputError, match=r"line 28: 3 values for the 4 labels of data_optics"):
        particle_images("p.star", tmp_path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            star_text("optics", OPTICS) + star_text("images", PARTICLES),
            "looks for a table data_particles, and the file has data_optics, data_images",
        ),
        (
            star_text("optics", OPTICS) + star_text("particles", PARTICLES).replace("Image", "X"),
            r"names no images \(_rlnImageName\) in its table data_particles",
        ),
        (
            star_text("other", GENERAL) + star_text("particles", PARTICLES),
            r"names no images \(_rlnImageName\) in its table data_other",
        ),
        (star_text("particles", PARTICLES), "has no table data_optics"),
        (
            star_text("optics # remark", OPTICS) + star_text("particles", PARTICLES),
            "in its table data_optics # remark",
        ),
        (
            star_text("optics", OPTICS) + star_text("particles", PARTICLES).replace("mrcs", "mrc"),
            "1@Extract/job006/a.mrc is one image of a stack",
        ),
    ],
)
def test_files_that_relion_stops_at_are_refused(tmp_path: Path, text: str, says: str) -> None:
    # Each was given to RELION 3.1.3 and 5.1.0, which stop, crash, or end without doing anything.
    (tmp_path / "p.star").write_text(text)
    with pytest.raises(InputError, match=says):
        particle_images("p.star", tmp_path)
