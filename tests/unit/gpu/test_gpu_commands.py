"""``relion-dispatch gpu …``: answers for people and programs, the table, the picture, site.json."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from matplotlib.image import imread

from dispatcher.cli import main
from dispatcher.config.gpu_constants import HardwareConstants
from dispatcher.config.site import load_site
from dispatcher.errors import ConfigError
from dispatcher.gpu import calibration
from dispatcher.gpu.calibration import write
from dispatcher.gpu.fit import Question, answer, refinement
from dispatcher.gpu.plot import COLOURS
from dispatcher.gpu.table import BOXES, CARDS

ROOT = Path(__file__).parents[3]
GPU = 24 * 2**30
Run = Callable[..., str]


@pytest.fixture
def gpu(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run ``relion-dispatch gpu`` with these words; what it prints."""

    def run(line: str, status: int = 0) -> str:
        assert main(["gpu", *line.split()]) == status
        printed = capsys.readouterr()
        return printed.err if status else printed.out

    return run


def test_fit_answers_programs(gpu: Run) -> None:
    found = json.loads(gpu("fit --box 400 --classes 4 --pad 2 --gpu-memory 80G --json"))

    assert found["model"] == "relion"
    assert found["fixed_bytes_per_rank"] == 4 * 20 * 803 * 803 * 402
    fine = (56 * 8 * 84 + 44 * 8) * 192 * 24 * 4
    images = 9 * 400 * 201 * 4 + 100_000_000
    assert found["pool_bytes_per_rank"] == fine + 3 * fine // 2 + 4 * images
    least = 500_000_000 + 4 * 200_000_000 + found["pool_bytes_per_rank"]
    assert found["bytes_per_rank"] == least + found["allocated_bytes_per_rank"]
    assert found["ranks_per_gpu"] == found["usable_bytes"] // found["bytes_per_rank"] == 3


@pytest.mark.parametrize(
    ("arguments", "fixed"),
    [
        ("--box 256 --gradient --pad 1", 32 * 259 * 259 * 130),
        ("--box 256 --dimensions 2 --classes 200", 20 * 200 * 515 * 258),
        ("--box 256 --bodies 3", (3 * 20 + 6 * 8) * 515 * 515 * 258),
        ("--box 256 --bodies 3 --overlaps 2", (3 * 20 + 2 * 8) * 515 * 515 * 258),
        ("--box 256 --skip-align", 0),
    ],
)
def test_fit_knows_all_kinds_of_refinements(gpu: Run, arguments: str, fixed: int) -> None:
    found = json.loads(gpu(f"fit {arguments} --gpu-memory 24G --json"))

    assert found["fixed_bytes_per_rank"] == fixed


def test_more_of_anything_takes_more(gpu: Run) -> None:
    def needed(arguments: str) -> int:
        found = json.loads(gpu(f"fit --box 256 --gpu-memory 141G --json {arguments}"))
        return int(found["bytes_per_rank"])

    plain = needed("--relion 5.0")
    assert needed("--relion 4.0") > plain
    assert needed("--relion 3.1") == needed("") == needed("--relion 4.0.2")
    assert needed("--relion 5.0 --threads 8") > plain + 4 * 200_000_000
    assert needed("--relion 5.0 --free-gpu-memory 700") == plain + 700_000_000
    assert needed("--relion 5.0 --maxsig 100") < plain
    assert needed("--relion 5.0 --auto-refine") > plain
    assert needed("--relion 5.0 --sym D2") < plain
    assert needed("--relion 5.0 --subtomograms") > plain
    assert needed("--relion 5.0 --blush --threads 1") == 4_500_000_000


def test_fit_by_the_historic_formula(gpu: Run) -> None:
    found = json.loads(gpu("fit --box 256 --gpu-memory 24G --json --model fmi"))

    assert (found["model"], found["bytes_per_rank"]) == ("fmi", 84 * 256**3 * 2)
    assert found["ranks_per_gpu"] == 9


def test_fit_answers_people(gpu: Run) -> None:
    text = gpu("fit --box 256 --auto-refine --gpu-memory 24G --relion 5.0")
    assert "fixed part, as RELION counts      1.37 GB" in text
    assert "ranks per GPU: 5" in text
    assert "so one may run, with a smaller pool" in gpu(
        "fit --box 400 --classes 4 --gpu-memory 24G"
    )
    assert "44.48 GB at the very least" in gpu("fit --box 800 --gpu-memory 24G")


def test_skipped_alignment_is_no_limit(gpu: Run, tmp_path: Path) -> None:
    skipped = "fit --box 800 --gpu-memory 24G --skip-align"
    text = gpu(skipped)
    assert "uses no GPU" in text
    assert "ranks per GPU: no limit" in text
    assert json.loads(gpu(f"{skipped} --json"))["ranks_per_gpu"] is None
    assert json.loads(gpu(f"{skipped} --blush --json"))["ranks_per_gpu"] == 6
    assert "nothing to draw" in gpu(f"{skipped} --plot {tmp_path}/ranks.png", status=1)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("--box 256", "Give the memory of one GPU"),
        ("--box 256 --gpu-memory much", '--gpu-memory: expected bytes or a size like "32G"'),
        ("--box 256 --gpu-memory 24G --relion new", "--relion new is no version"),
    ],
)
def test_fit_says_what_it_needs(gpu: Run, arguments: str, says: str) -> None:
    assert says in gpu(f"fit {arguments}", status=1)


def test_one_rank_alone_needs_no_mps() -> None:
    hardware = HardwareConstants(context=10**9, context_mps=10**8)
    asked = Question(refinement=refinement(256), gpu_bytes=GPU, hardware=hardware)
    several = answer(asked)
    assert several.ranks_per_gpu and several.ranks_per_gpu > 1
    room = (several.bytes_per_rank + 10**8) * 100 // 97
    alone = answer(Question(refinement=refinement(256), gpu_bytes=room, hardware=hardware))
    assert alone.bytes_per_rank == several.bytes_per_rank + 9 * 10**8
    assert (alone.ranks_per_gpu, alone.small_pool) == (1, True)


def test_constants_of_the_site_count(gpu: Run, site: Callable[..., Path]) -> None:
    before = json.loads(gpu("fit --box 256 --gpu-memory 24G --json"))
    site("site.json", {"gpu_constants": {"context_mps": 300_000_000}})
    after = json.loads(gpu("fit --box 256 --gpu-memory 24G --json"))

    assert before["bytes_per_rank"] - after["bytes_per_rank"] == 200_000_000


def test_the_documentation_has_the_table_that_is_printed(gpu: Run) -> None:
    printed = gpu("table")

    assert printed in (ROOT / "docs" / "gpu.md").read_text()
    rows = [line for line in printed.splitlines() if line.startswith(f"| {BOXES[0]} ")]
    assert len(rows) == 4
    assert all(row.count(" / ") == len(CARDS) for row in rows)


def test_the_picture_is_drawn(gpu: Run, tmp_path: Path) -> None:
    path = tmp_path / "ranks.png"
    assert f"Drawn: {path}" in gpu(f"fit --box 256 --plot {path}")
    picture = imread(path)

    assert picture.shape == (700, 1100, 4)
    colours = {tuple(pixel) for row in (picture * 255).astype(int).tolist() for pixel in row}
    drawn = [tuple(bytes.fromhex(colour[1:])) for colour in COLOURS[: len(CARDS)]]
    assert {(*colour, 255) for colour in drawn} <= colours


def test_a_picture_that_cannot_be_written_is_an_error(gpu: Run, tmp_path: Path) -> None:
    wrong = gpu(f"fit --box 256 --plot {tmp_path}/ranks.odd", status=1)
    assert "needs the ending .png, .svg or .pdf" in wrong
    nowhere = gpu(f"fit --box 256 --plot {tmp_path}/no/ranks.png", status=1)
    assert "cannot be written (No such file or directory)" in nowhere


def test_without_matplotlib_the_picture_is_refused(
    gpu: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)

    says = gpu(f"fit --box 9 --plot {tmp_path}/a.png", status=1)
    assert "--plot needs the library matplotlib" in says


def test_a_node_without_a_driver_is_not_measured(
    gpu: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = calibration.measure

    def without_driver(what: str, device: int, library: str) -> object:
        return real(what, device, "libcuda-that-is-not-there.so.1")

    monkeypatch.setattr(calibration, "measure", without_driver)
    says = gpu("calibrate", status=1)

    assert "There is no NVIDIA driver here" in says
    assert "run this on a node with a GPU" in says
    assert not (tmp_path / "site" / "site.json").exists()


class TestWrite:
    """What was measured goes into site.json."""

    MEASURED = {"context": 410_000_000, "texture_tile": [16, 16, 8]}  # noqa: RUF012

    def test_comments_order_and_other_keys_stay(self, site: Callable[..., Path]) -> None:
        text = (
            '{"__comment__": "ours", "scheduler": "slurm", "__comment__": "second",\n'
            ' "gpu_constants": {"__comment__": "by hand", "usable_percent": 95}, "mps": false}'
        )
        path = site("site.json", text)

        assert write(self.MEASURED) == [
            "context: 410000000 (was 500000000, as shipped)",
            "texture_tile: [16, 16, 8] (was [16, 32, 16], as shipped)",
        ]
        written = json.loads(path.read_text())
        assert written["__comment__"] == ["ours", "second"]
        assert list(written) == ["__comment__", "scheduler", "gpu_constants", "mps"]
        assert written["gpu_constants"] == {
            "__comment__": "by hand", "usable_percent": 95, **self.MEASURED
        }  # fmt: skip
        constants = load_site().gpu_constants
        assert (constants.context, constants.texture_tile) == (410_000_000, (16, 16, 8))
        assert constants.pool_floor == 500_000_000

    def test_the_same_again_changes_nothing(self, tmp_path: Path) -> None:
        assert len(write(self.MEASURED)) == 2
        path = tmp_path / "site" / "site.json"
        before = path.stat()
        assert write(self.MEASURED) == []
        assert path.stat().st_mtime_ns == before.st_mtime_ns

    def test_the_larger_of_two_cards_may_be_kept(self) -> None:
        write({"context": 500_000_000, "texture_tile": [8, 32, 8]})
        changes = write(self.MEASURED, larger=True)
        assert changes == ["texture_tile: [16, 32, 8] (was [8, 32, 8])"]
        assert load_site().gpu_constants.context == 500_000_000

    def test_a_wrong_file_is_not_touched(self, site: Callable[..., Path]) -> None:
        path = site("site.json", '{"schedular": "slurm"}')
        with pytest.raises(ConfigError, match='did you mean "scheduler"'):
            write(self.MEASURED)
        assert path.read_text() == '{"schedular": "slurm"}'


@pytest.mark.parametrize(
    ("constants", "says"),
    [
        ({"contxt": 1}, r'"gpu_constants\.contxt": unknown key; did you mean "context"'),
        ({"context": "lots"}, r'"gpu_constants\.context": expected'),
        ({"texture_tile": [16, 32]}, "gpu_constants.texture_tile"),
        ({"texture_pitch": 0}, "texture_pitch must be 1 or more"),
        ({"usable_percent": 101}, "usable_percent must be from 1 to 100"),
        ({"margin_percent": 99}, "margin_percent must be 100 or more"),
    ],
)
def test_constants_that_cannot_be_are_named(
    site: Callable[..., Path], constants: dict[str, object], says: str
) -> None:
    site("site.json", {"gpu_constants": constants})
    with pytest.raises(ConfigError, match=says):
        load_site()
