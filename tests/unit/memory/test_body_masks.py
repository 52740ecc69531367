"""Overlapping bodies are counted from the voxels of their masks, as RELION does."""

import struct
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.memory import body_masks
from dispatcher.memory.body_masks import extra_projectors

SIZE = 12  # voxels along each axis


def write_mask(
    path: Path, voxels: dict[int, float], mode: int = 2, order: str = "<", extended: int = 0
) -> Path:
    """A cubic mask with the given values at these places of its raster."""
    kind = {0: "b", 1: "h", 2: "f"}[mode]
    header = struct.pack(f"{order}4i", SIZE, SIZE, SIZE, mode).ljust(92, b"\0")
    header = (header + struct.pack(f"{order}i", extended)).ljust(1024, b"\0")
    values = [voxels.get(place, 0) for place in range(SIZE**3)]
    filling = b"\1" * extended  # would overlap with everything
    path.write_bytes(header + filling + struct.pack(f"{order}{SIZE**3}{kind}", *values))
    return path


def as_relion_counts(masks: list[dict[int, float]]) -> int:
    """Worked out as in MlModel::initialiseBodies, with real mask values."""
    pairs = 0
    for body in range(len(masks)):
        pointed = {}
        for other in range(len(masks)):
            if other == body:
                continue
            total = dict(masks[body])
            for earlier in range(other):
                if earlier != body:
                    for place, value in pointed[earlier].items():
                        total[place] = total.get(place, 0) + value
            common = {p: total.get(p, 0) * v for p, v in masks[other].items()}
            pointed[other] = masks[other]
            if sum(common.values()) > 0:
                pairs += 1
                pointed[other] = {p: v - common[p] for p, v in masks[other].items()}
    return pairs


@given(
    st.lists(
        st.dictionaries(st.integers(0, 9), st.floats(0.0625, 1, width=16), max_size=4),
        min_size=1,
        max_size=5,
    )
)
def test_pairs_are_those_that_relion_finds(
    tmp_path_factory: pytest.TempPathFactory, masks: list[dict[int, float]]
) -> None:
    folder = tmp_path_factory.mktemp("masks")
    files = [write_mask(folder / f"{n}.mrc", mask) for n, mask in enumerate(masks)]
    assert extra_projectors(files) == as_relion_counts(masks)


def test_bodies_apart_need_no_projector_and_touching_ones_one_each(tmp_path: Path) -> None:
    left = write_mask(tmp_path / "left.mrc", {3: 1, 4: 0.5})
    middle = write_mask(tmp_path / "middle.mrc", {4: 0.5, 5: 1})
    right = write_mask(tmp_path / "right.mrc", {1700: 1})
    assert extra_projectors([left, right]) == 0
    assert extra_projectors([left, middle]) == 2
    assert extra_projectors([left]) == 0


@pytest.mark.parametrize(("mode", "order"), list(product((0, 1, 2), "<>")))
def test_any_kind_of_mask_is_read(tmp_path: Path, mode: int, order: str) -> None:
    masks = [
        write_mask(tmp_path / f"{n}.mrc", {place: 1}, mode, order, extended=80)
        for n, place in enumerate((1000, 1001, 1001))
    ]
    assert extra_projectors(masks[:2]) == 0
    assert extra_projectors(masks[1:]) == 2


def test_pairs_beyond_the_first_piece_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body_masks, "BYTES_AT_A_TIME", 64)
    masks = [write_mask(tmp_path / f"{n}.mrc", {place: 1}) for n, place in enumerate((5, 1727))]
    both = write_mask(tmp_path / "both.mrc", {1727: 0.25})
    assert extra_projectors(masks) == 0
    assert extra_projectors([masks[1], both]) == 2


@pytest.mark.parametrize("wrong", ["missing", "short", "other size", "complex"])
def test_masks_that_cannot_be_compared_tell_nothing(tmp_path: Path, wrong: str) -> None:
    masks = [write_mask(tmp_path / f"{n}.mrc", {n: 1}) for n in range(3)]
    if wrong == "missing":
        masks[1].unlink()
    elif wrong == "short":
        masks[1].write_bytes(masks[1].read_bytes()[:-4])
    elif wrong == "other size":
        masks[1].write_bytes(struct.pack("<4i", 6, 6, 6, 2) + masks[1].read_bytes()[16:])
    else:
        for mask in masks:
            mask.write_bytes(mask.read_bytes()[:12] + struct.pack("<i", 4) + mask.read_bytes()[16:])
    assert extra_projectors(masks) is None
