"""``relion-dispatch gpu calibrate``, and what it writes into site.json."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dispatcher.config.site import load_site
from dispatcher.errors import ConfigError
from dispatcher.gpu import calibration
from dispatcher.gpu.calibration import write

from ...fixture_types import WriteSite
from .gpu_calls import Run


def test_a_node_without_a_driver_is_not_measured(
    gpu: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = calibration.measure

    def without_driver(what: str, device: int, library: str) -> object:
        return real(what, device, "libcuda-that-is-not-there.so.1")

    monkeypatch.setattr(calibration, "measure", without_driver)
    says = gpu("calibrate", status=1)

    assert "There is no NVIDIA driver on" in says
    assert "run this on a node with a GPU" in says
    assert not (tmp_path / "site" / "site.json").exists()


MEASURED = {"context": 410_000_000, "texture_tile": [16, 16, 8]}


class TestWrite:
    """What was measured goes into site.json."""

    def test_comments_order_and_other_keys_stay(self, site: WriteSite) -> None:
        text = (
            '{"__comment__": "ours", "scheduler": "slurm", "__comment__": "second",\n'
            ' "gpu_constants": {"__comment__": "by hand", "usable_percent": 95}, "mps": false}'
        )
        path = site("site.json", text)

        assert write(MEASURED) == [
            "context: 410000000 (was 500000000, as shipped)",
            "texture_tile: [16, 16, 8] (was [16, 32, 16], as shipped)",
        ]
        written = json.loads(path.read_text())
        assert written["__comment__"] == ["ours", "second"]
        assert list(written) == ["__comment__", "scheduler", "gpu_constants", "mps"]
        assert written["gpu_constants"] == {
            "__comment__": "by hand", "usable_percent": 95, **MEASURED
        }  # fmt: skip
        constants = load_site().gpu_constants
        assert (constants.context, constants.texture_tile) == (410_000_000, (16, 16, 8))
        assert constants.pool_floor == 500_000_000

    def test_the_same_again_changes_nothing(self, tmp_path: Path) -> None:
        assert len(write(MEASURED)) == 2
        path = tmp_path / "site" / "site.json"
        before = path.stat()
        assert write(MEASURED) == []
        assert path.stat().st_mtime_ns == before.st_mtime_ns

    def test_the_larger_of_two_cards_may_be_kept(self) -> None:
        write({"context": 500_000_000, "texture_tile": [8, 32, 8]})
        changes = write(MEASURED, larger=True)
        assert changes == ["texture_tile: [16, 32, 8] (was [8, 32, 8])"]
        assert load_site().gpu_constants.context == 500_000_000

    def test_a_wrong_file_is_not_touched(self, site: WriteSite) -> None:
        path = site("site.json", '{"schedular": "slurm"}')
        with pytest.raises(ConfigError, match='did you mean "scheduler"'):
            write(MEASURED)
        assert path.read_text() == '{"schedular": "slurm"}'


@pytest.mark.parametrize(
    ("constants", "says"),
    [
        ({"contxt": 1}, r'"gpu_constants\.contxt": unknown key; did you mean "context"'),
        ({"context": "lots"}, r'"gpu_constants\.context": expected'),
        ({"texture_tile": [16, 32]}, "gpu_constants.texture_tile"),
        ({"texture_pitch": 0}, "texture_pitch must be from 1 to"),
        ({"usable_percent": 101}, "usable_percent must be from 1 to 100"),
        ({"margin_percent": 99}, "margin_percent must be from 100 to 10000"),
    ],
)
def test_constants_that_cannot_be_are_named(
    site: WriteSite, constants: dict[str, object], says: str
) -> None:
    site("site.json", {"gpu_constants": constants})
    with pytest.raises(ConfigError, match=says):
        load_site()
