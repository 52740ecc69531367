"""Line ends are judged by the version of RELION that will read the file.

What each version does was seen with RELION 3.1.3 and 5.1.0; 4.0 is from its source.
"""

from pathlib import Path

import pytest

from dispatcher.relion.line_ends import line_end_problem

TWO_TABLES = (
    "data_optics\n\nloop_\n_rlnImageSize #1\n64\n\ndata_particles\n\nloop_\n_rlnImageName #1\n"
)
ROWS = "1@a.mrcs\n2@a.mrcs\n"
ONE_LOOP = "data_\n\nloop_\n_rlnImageName #1\n1@a.mrcs\n"
PAIRS = "data_optimiser_general\n\n_rlnModelStarFile model.star\n"
NEW, FOUR, OLD = (5, 1), (4, 0), (3, 1)


def windows(text: str) -> str:
    return text.replace("\n", "\r\n")


@pytest.mark.parametrize(
    ("text", "stops"),
    [
        (TWO_TABLES + ROWS, ()),
        (windows(TWO_TABLES + ROWS), (NEW, FOUR, OLD, None)),
        (TWO_TABLES + windows(ROWS), (NEW, None)),
        ("\r\n" + TWO_TABLES + ROWS, ()),
        (windows(ONE_LOOP), (NEW, FOUR, None)),
        (windows(PAIRS), (NEW, FOUR, OLD, None)),
        (TWO_TABLES.replace("\n", "\r"), (NEW, FOUR, OLD, None)),
        (TWO_TABLES + "1@a\rb.mrcs\n", ()),
    ],
    ids=["unix", "windows", "rows", "empty line", "one loop", "pairs", "mac", "within a line"],
)
def test_which_versions_stop_at_the_line_ends(
    text: str, stops: tuple[tuple[int, int] | None, ...], tmp_path: Path
) -> None:
    path = tmp_path / "a.star"
    path.write_bytes(text.encode())
    found = tuple(v for v in (NEW, FOUR, OLD, None) if line_end_problem(path, v))
    assert found == stops


def test_the_sentence_names_the_line_and_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "my particles.star"
    path.write_bytes(b"# made elsewhere\n\ndata_particles\r\n")
    assert line_end_problem(path, NEW) == (
        f"{path}, line 3, ends in CR+LF as in Windows, which RELION 4.0 and newer do not read; "
        f"correct the file with `sed -i 's/\\r$//' '{path}'` or with dos2unix."
    )


def test_a_file_that_cannot_be_read_is_no_problem_of_line_ends(tmp_path: Path) -> None:
    assert line_end_problem(tmp_path / "none.star", NEW) is None
    assert line_end_problem(tmp_path, NEW) is None
