"""The size of an image stack comes from its header alone, in either byte order."""

import gzip
import os
import struct
import subprocess
import sys
import tracemalloc
from pathlib import Path

import mrcfile  # type: ignore[import-untyped]
import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.errors import InputError
from dispatcher.memory.image_header import THREADS, ImageHeader, image_header

STAMPS = {"<": b"\x44\x44\0\0", ">": b"\x11\x11\0\0"}


def header_bytes(*sizes: int, order: str = "<", stamp: bytes = b"") -> bytes:
    head = struct.pack(f"{order}4i", *sizes).ljust(208, b"\0") + b"MAP "
    return (head + (stamp or STAMPS[order])).ljust(1024, b"\0")


@pytest.mark.parametrize("order", ["<", ">"])
def test_both_byte_orders_give_the_size(tmp_path: Path, order: str) -> None:
    path = tmp_path / "stack.mrcs"
    path.write_bytes(header_bytes(256, 256, 1200, 12, order=order))
    assert image_header(path) == ImageHeader(nx=256, ny=256, nz=1200, mode=12)


@pytest.mark.parametrize("order", ["<", ">"])
def test_file_with_the_wrong_stamp_is_read_by_its_sizes(tmp_path: Path, order: str) -> None:
    path = tmp_path / "old.mrc"
    for stamp in (b"\0\0\0\0", *STAMPS.values()):
        path.write_bytes(header_bytes(64, 64, 64, 2, order=order, stamp=stamp))
        assert image_header(path) == ImageHeader(64, 64, 64, 2)


@pytest.mark.parametrize("dtype", ["int8", "int16", "float32", "uint16", "float16"])
def test_files_that_mrcfile_writes_are_read(tmp_path: Path, dtype: str) -> None:
    path = tmp_path / "a.mrcs"
    with mrcfile.new(path) as stack:
        stack.set_data(numpy.zeros((3, 20, 24), dtype=dtype))
        mode = int(stack.header.mode)
    assert image_header(path) == ImageHeader(24, 20, 3, mode)


@pytest.mark.parametrize("size", [0, 1, 1023])
def test_short_file_is_named_with_its_size(tmp_path: Path, size: int) -> None:
    path = tmp_path / "a.mrcs"
    path.write_bytes(header_bytes(64, 64, 1, 2)[:size])
    with pytest.raises(InputError, match=rf"a\.mrcs has {size} bytes, fewer than the 1024"):
        image_header(path)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.mrcs cannot be read \(No such file"):
        image_header(tmp_path / "gone.mrcs")


@pytest.mark.parametrize("sizes", [(0, 64, 1, 2), (64, -1, 1, 2), (64, 64, 1, 99)])
def test_senseless_header_is_named_with_what_it_says(
    tmp_path: Path, sizes: tuple[int, int, int, int]
) -> None:
    path = tmp_path / "a.mrcs"
    path.write_bytes(header_bytes(*sizes))
    nx, ny, nz, mode = sizes
    says = f"a.mrcs has a damaged MRC header: size {nx} x {ny} x {nz}, mode {mode}"
    with pytest.raises(InputError, match=says):
        image_header(path)


def test_text_file_gets_mrcfiles_opinion_too(tmp_path: Path) -> None:
    path = tmp_path / "a.mrcs"
    path.write_text("this is no image\n" * 100)
    with pytest.raises(InputError, match=r"damaged MRC header.*Map ID string not found"):
        image_header(path)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("length", [2**31 - 1, -1, -(2**31)])
def test_a_damaged_length_of_the_extended_header_takes_no_memory(
    tmp_path: Path, length: int, order: str
) -> None:
    path = tmp_path / "a.mrcs"
    damaged = bytearray(header_bytes(64, 64, 1, 2, order=order))
    damaged[92:96] = struct.pack(f"{order}i", length)
    path.write_bytes(damaged)
    tracemalloc.start()
    try:
        header = image_header(path)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert header == ImageHeader(64, 64, 1, 2, 1024 + max(0, length))
    assert most < 30_000_000  # what the import of numpy takes, if this test is the first


def test_compressed_file_is_no_image_as_for_relion(tmp_path: Path) -> None:
    path = tmp_path / "a.mrcs"
    with gzip.open(path, "wb", compresslevel=0) as stream:
        stream.write(header_bytes(64, 64, 1, 2))
    with pytest.raises(InputError, match="damaged MRC header"):
        image_header(path)


EXTENT = st.integers(1, 65535)


@given(EXTENT, EXTENT, st.integers(1, 2**31 - 1), st.sampled_from([0, 1, 2, 6, 12, 101]))
def test_any_size_is_read_in_both_orders_whatever_the_stamp(
    tmp_path_factory: pytest.TempPathFactory, nx: int, ny: int, nz: int, mode: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.mrcs"
    for order in "<>":
        for stamp in STAMPS.values():
            path.write_bytes(header_bytes(nx, ny, nz, mode, order=order, stamp=stamp))
            assert image_header(path) == ImageHeader(nx, ny, nz, mode)


def run_python(code: str, *options: str) -> list[str]:
    """The words that a fresh Python prints."""
    root = Path(__file__).parents[3]
    environment = {key: value for key, value in os.environ.items() if key != THREADS}
    return subprocess.run(
        [sys.executable, *options, "-c", code],
        cwd=root, env=environment, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip


@pytest.mark.skipif(os.cpu_count() == 1, reason="numpy starts a thread for each further core")
def test_reading_a_header_starts_no_threads_and_leaves_the_environment(tmp_path: Path) -> None:
    path = tmp_path / "a.mrcs"
    path.write_bytes(header_bytes(64, 64, 1, 2))
    code = (
        "import os; from dispatcher.memory.image_header import image_header; "
        f"image_header({str(path)!r}); "
        "print(len(os.listdir('/proc/self/task')), os.environ.get('OPENBLAS_NUM_THREADS'))"
    )
    assert run_python(code) == ["1", "None"]


def test_hook_modules_do_not_import_numpy_or_mrcfile() -> None:
    modules = "relion.job_star", "memory.read_refinement", "planning.placement"
    imported = ", ".join(f"dispatcher.{module}" for module in modules)
    loaded = run_python(f"import sys, {imported}; print(*sys.modules)", "-S")
    assert "dispatcher.ranks.rank_fit" in loaded
    assert not {"numpy", "mrcfile", "pydantic", "jinja2"} & set(loaded)
