"""The STAR reader takes RELION's dialect and stops where its caller does."""

import io
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.errors import InputError
from dispatcher.relion import star

from ...corpus import CORPUS

PARTICLES = """
# version 30001

data_optics

loop_
_rlnOpticsGroupName #1
_rlnOpticsGroup #2
_rlnImageSize #3
opticsGroup1            1          256
opticsGroup2            2          320


# version 30001

data_particles

loop_
_rlnCoordinateX #1
_rlnImageName #2
_rlnOpticsGroup #3
 1604.000000 000001@Extract/job006/a.mrcs            1
 1605.000000 000002@Extract/job006/a.mrcs            1
"""


def blocks_of(text: str, rows: int | None = None) -> list[star.Block]:
    return list(star.iter_blocks(io.BytesIO(text.encode()), "test.star", rows))


def test_particle_file_has_its_optics_and_its_particles() -> None:
    optics, particles = blocks_of(PARTICLES)
    assert (optics.name, particles.name) == ("optics", "particles")
    assert optics.column("_rlnImageSize") == ("256", "320")
    assert particles.first("_rlnImageName") == "000001@Extract/job006/a.mrcs"
    assert len(particles.rows) == 2


def test_column_that_is_not_there_is_empty() -> None:
    optics = blocks_of(PARTICLES)[0]
    assert optics.column("_rlnVoltage") == ()
    assert optics.first("_rlnVoltage") is None


def test_rows_limits_every_loop_and_the_next_block_is_still_found() -> None:
    optics, particles = blocks_of(PARTICLES, rows=1)
    assert optics.rows == (("opticsGroup1", "1", "256"),)
    assert particles.rows == (("1604.000000", "000001@Extract/job006/a.mrcs", "1"),)


def test_rows_zero_gives_the_labels_only() -> None:
    optics, particles = blocks_of(PARTICLES, rows=0)
    assert optics.rows == particles.rows == ()
    assert particles.labels[1] == "_rlnImageName"


def test_what_follows_the_wanted_rows_is_never_parsed() -> None:
    damaged = PARTICLES + "only-one-value\n"
    with pytest.raises(InputError):
        blocks_of(damaged)
    reader = star.iter_blocks(io.BytesIO(damaged.encode()), "test.star", rows=1)
    assert [next(reader).name, next(reader).name] == ["optics", "particles"]


def test_simple_block_is_one_row() -> None:
    (job,) = blocks_of("data_job\n\n_rlnJobTypeLabel   relion.class2d\n\n_rlnJobIsTomo 0\n \n")
    assert job.labels == ("_rlnJobTypeLabel", "_rlnJobIsTomo")
    assert job.rows == (("relion.class2d", "0"),)


def test_simple_values_before_a_loop_are_a_block_of_the_same_name() -> None:
    pairs, loop = blocks_of("data_a\n_x 1\n_y 2\nloop_\n_z #1\n7\n8\n")
    assert (pairs.name, loop.name) == ("a", "a")
    assert pairs.rows == (("1", "2"),)
    assert loop.column("_z") == ("7", "8")


def test_quotes_of_both_kinds_and_empty_values() -> None:
    text = """data_o\nloop_\n_n #1\n_v #2\na "1.8 degrees"\nb ''\nc 'it's "so"'\nd "a"b" # no\n"""
    assert blocks_of(text)[0].column("_v") == ("1.8 degrees", "", 'it\'s "so"', 'a"b')


def test_hash_is_a_comment_only_at_the_start_of_a_word() -> None:
    text = "data_\nloop_\n_rlnImageName #1\n_rlnB #2\n# a remark\n1@a#1.mrcs 5 # b\n"
    assert blocks_of(text)[0].rows == (("1@a#1.mrcs", "5"),)


def test_comment_between_rows_does_not_end_the_loop() -> None:
    (block,) = blocks_of("data_\nloop_\n_a #1\n_b #2\n1 2\n# a remark\n3 4\n")
    assert block.rows == (("1", "2"), ("3", "4"))


def test_longest_line_that_is_taken() -> None:
    row = "x" * ((1 << 20) - 1)
    (block,) = blocks_of(f"data_\nloop_\n_a #1\n{row}\n")
    assert block.first("_a") == row
    with pytest.raises(InputError, match="line 4: this is not a STAR file"):
        blocks_of(f"data_\nloop_\n_a #1\n{row}x\n")


def test_line_ends_of_windows_are_taken() -> None:
    assert [block.rows for block in blocks_of(PARTICLES.replace("\n", "\r\n"))] == [
        block.rows for block in blocks_of(PARTICLES)
    ]


def test_blank_lines_between_labels_and_rows_do_not_end_the_loop() -> None:
    text = "data_\n\nloop_\n\n_a #1\n\n_b #2\n\n1 2\n3 4\n\n5 6\n"
    (block,) = blocks_of(text)
    assert block.rows == (("1", "2"), ("3", "4"))  # RELION ends the rows at a blank line


def test_loop_without_rows_is_an_empty_table() -> None:
    empty, other = blocks_of("data_particles\n\nloop_\n_a #1\n_b #2\n\ndata_x\n_c 1\n")
    assert (empty.name, empty.rows) == ("particles", ())
    assert other.first("_c") == "1"


def test_row_that_begins_like_a_block_is_a_row() -> None:
    (block,) = blocks_of("data_\nloop_\n_a #1\n_b #2\ndata_1/a.mrcs 1\ndata_2/a.mrcs 2\n")
    assert block.column("_a") == ("data_1/a.mrcs", "data_2/a.mrcs")


def test_only_a_blank_line_ends_a_single_column() -> None:
    (names,) = blocks_of("data_\nloop_\n_a #1\nx\ndata_1\n")
    assert names.column("_a") == ("x", "data_1")
    names, block = blocks_of("data_\nloop_\n_a #1\nx\n\ndata_1\n_b 2\n")
    assert (names.column("_a"), block.name) == (("x",), "1")


@pytest.mark.parametrize("behind", ["data_b", "# version 30001", "loop_"])
def test_what_stands_right_behind_the_rows_is_a_row_for_relion(behind: str) -> None:
    # RELION 3.1.3 and 5.1.0: "A line in the STAR file contains fewer columns …"
    text = f"data_a\nloop_\n_x #1\n_y #2\n_z #3\n1 2 3\n{behind}\n"
    with pytest.raises(InputError, match=rf"line 7: RELION takes '{behind}' for a row of data_a"):
        blocks_of(text)


def test_table_may_stand_right_behind_rows_that_are_passed_over() -> None:
    first, second = blocks_of("data_a\nloop_\n_x #1\n_y #2\n1 2\ndata_b\nloop_\n_z #1\n3\n", 1)
    assert (first.rows, second.rows) == ((("1", "2"),), (("3",),))


def test_missing_value_in_two_columns_is_empty() -> None:
    assert blocks_of("data_\nloop_\n_a #1\n_b #2\nfn_mtf\n")[0].rows == (("fn_mtf", ""),)


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("", 1, "not a STAR file"),
        ("hello\n", 1, "not a STAR file"),
        ("# nothing else\n", 1, "not a STAR file"),
        ("loop_\n_a #1\n1\n", 1, "not a STAR file"),
        ("data_a\nloop_\n_a #1\n_b #2\n_c #3\n1 2 3\n4 5", 7, "2 values for the 3 labels"),
        ("data_a\nloop_\n_a #1\n_b #2\n1 2 3\n", 5, "3 values for the 2 labels"),
        ("data_a\nloop_\n_a #1\n'open\n", 4, "quote ' is not closed"),
        ("data_a\nloop_\n", 2, "a loop without labels"),
        ("data_a\nloop_\ndata_b\n_x 1\n", 3, "a loop without labels"),
        ("data_a\n_rlnX\n", 2, "_rlnX has no value"),
        ("data_a\n_x 1\n\0\0\0\n", 3, "not a STAR file"),
    ],
)
def test_damage_is_named_with_file_and_line(text: str, line: int, says: str) -> None:
    with pytest.raises(InputError) as caught:
        blocks_of(text)
    assert f"test.star, line {line}: " in str(caught.value)
    assert says in str(caught.value)


def test_binary_without_line_ends_is_not_read_whole() -> None:
    class Endless(io.RawIOBase):
        given = 0

        def tell(self) -> int:
            return self.given

        def readline(self, size: int | None = -1, /) -> bytes:
            assert size is not None and 0 < size <= 1 << 20
            self.given += size
            return b"x" * size

    stream = Endless()
    with pytest.raises(InputError, match="not a STAR file"):
        list(star.iter_blocks(stream, "map.mrc"))  # type: ignore[arg-type]
    assert stream.given <= 1 << 20


def test_missing_file_and_missing_block_name_the_path(tmp_path: Path) -> None:
    absent = tmp_path / "particles.star"
    with pytest.raises(InputError, match=r"particles\.star cannot be read \(No such file"):
        star.read_block(absent, "optics")
    absent.write_text(PARTICLES)
    with pytest.raises(InputError, match="no block data_model_general, only data_optics"):
        star.read_block(absent, "model_general")
    assert star.read_block(absent, "optics").first("_rlnImageSize") == "256"


def test_name_that_is_no_utf8_survives(tmp_path: Path) -> None:
    path = tmp_path / "a.star"
    path.write_bytes(b"data_\nloop_\n_rlnImageName #1\n1@M\xfcller.mrcs\n")
    image = star.read_block(path, "").first("_rlnImageName")
    assert image is not None
    assert image.encode("utf-8", "surrogateescape") == b"1@M\xfcller.mrcs"


def test_all_job_star_files_of_the_corpus_are_read() -> None:
    files = sorted(CORPUS.glob("*/*/job.star"))
    assert len(files) == 62
    for path in files:
        names = [block.name for block in star.read_blocks(path)]
        assert names == ["job", "joboptions_values"], path


def test_first_particle_of_a_million_costs_less_than_a_millisecond(tmp_path: Path) -> None:
    path = tmp_path / "particles.star"
    row = " 1605.000000 000002@Extract/job006/a.mrcs            1\n"
    with open(path, "w") as stream:
        stream.write(PARTICLES)
        for _ in range(100):
            stream.write(row * 10_000)

    def seconds_to_first_particle() -> float:
        began = time.perf_counter()
        for block in star.read_blocks(path, rows=1):
            if block.name == "particles":
                break
        return time.perf_counter() - began

    assert path.stat().st_size > 50_000_000
    assert min(seconds_to_first_particle() for _ in range(5)) < 1e-3


VALUE = st.text(st.sampled_from("ab# '@/.\t0"), max_size=8)


def quoted(value: str) -> str:
    return f'"{value}"'


@given(st.lists(st.tuples(VALUE, VALUE, VALUE), min_size=1, max_size=5))
def test_quoted_values_come_back_as_written(rows: list[tuple[str, str, str]]) -> None:
    body = "\n".join("  ".join(quoted(value) for value in row) for row in rows)
    (block,) = blocks_of(f"data_x\nloop_\n_a #1\n_b #2\n_c #3\n{body}\n")
    assert block.rows == tuple(rows)


@given(st.binary(max_size=400))
def test_any_bytes_give_blocks_or_an_input_error(noise: bytes) -> None:
    try:
        blocks = list(star.iter_blocks(io.BytesIO(noise), "noise", None))
    except InputError as error:
        assert "noise" in str(error)
    else:
        assert b"data_" in noise
        assert all(len(row) == len(block.labels) for block in blocks for row in block.rows)


ROWS = st.lists(st.tuples(VALUE, VALUE), max_size=6)


@given(ROWS, ROWS, st.integers(0, 7))
def test_a_limit_gives_the_first_rows_of_every_loop(
    one: list[tuple[str, str]], two: list[tuple[str, str]], rows: int
) -> None:
    text = "".join(
        f"data_{name}\n\nloop_\n_a #1\n_b #2\n"
        + "".join(f"{quoted(a)} {quoted(b)}\n" for a, b in table)
        + "\n"
        for name, table in (("one", one), ("two", two))
    )
    assert [block.rows for block in blocks_of(text, rows)] == [
        tuple(one[:rows]), tuple(two[:rows]),
    ]  # fmt: skip
