"""Is what a site says of its partitions and their scratch possible, as far as types do not tell?"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ..errors import ConfigError, InputError
from ..host.shell_words import split
from ..units import bytes_of, seconds_of, too_small
from .largest import MOST_CORES, MOST_GPUS, MOST_NODES, MOST_RANKS, WIDEST
from .partition import NodeKind, Partition, Scratch
from .where import Where

__all__ = ["check_partition", "check_scratch"]

_BOUNDS: Mapping[str, tuple[int, int]] = {
    "cores": (1, MOST_CORES),
    "gpus": (0, MOST_GPUS),
    "ranks_per_gpu": (1, MOST_RANKS),
    "gpus_per_job": (0, MOST_GPUS),
}
_MOST_TAKEN = {"box": WIDEST, "ranks": MOST_RANKS, "gpus": MOST_GPUS, "nodes": MOST_NODES}


def check_partition(partition: Partition, place: Where) -> None:
    """Check what types alone do not tell.

    Raises:
        ConfigError: naming the key, and what was expected.
    """
    _check_kind(partition, place)
    for number, kind in enumerate(partition.nodes):
        _check_kind(kind, place.at(f"nodes.{number}"))
    if partition.time is not None and seconds_of(partition.time) is None:
        raise ConfigError(
            f'{place.at("time")}: expected a time like "48:00:00" (hours, minutes, seconds) or '
            f'"7-00:00:00" (days before the hours), found "{partition.time}"'
        )
    if partition.scratch:
        check_scratch(partition.scratch, place.at("scratch"))
    for name, most in _MOST_TAKEN.items():
        _check_bounds(getattr(partition.takes, name), most, place.at("takes").at(name))


def _check_kind(kind: NodeKind, place: Where) -> None:
    for key in ("memory", "gpu_memory"):
        bytes_of(size := getattr(kind, key), str(place.at(key)))
        if says := too_small(size):
            raise ConfigError(f"{place.at(key)}: {says}")
    for key, (least, most) in _BOUNDS.items():
        number = getattr(kind, key, None)
        if number is not None and not least <= number <= most:
            raise ConfigError(
                f"{place.at(key)}: expected a whole number from {least} to {most}, found {number}"
            )
    if kind.gpu_type is not None and not re.fullmatch(r"[\w.+-]+", kind.gpu_type):
        raise ConfigError(
            f'{place.at("gpu_type")}: expected the scheduler\'s name of the GPUs, such as "a100" '
            f'(their number is "gpus"), found "{kind.gpu_type}"'
        )


def _check_bounds(bounds: tuple[int | None, int | None] | None, most: int, place: Where) -> None:
    least, largest = bounds or (None, None)
    if (least or 0) < 0 or (largest is not None and not (least or 0) <= largest <= most):
        raise ConfigError(
            f"{place}: expected the least and the most, such as [1, {most}] (null for no bound), "
            f"found {list(bounds or ())}"
        )


def check_scratch(scratch: Scratch, place: Where) -> None:
    """Check that the folder is one word, and that the size is one.

    Raises:
        ConfigError: naming the key, and what was expected.
    """
    bytes_of(scratch.size, str(place.at("size")))
    if says := too_small(scratch.size):
        raise ConfigError(f"{place.at('size')}: {says}")
    for problem in _problems_of_folder(scratch.folder):
        raise ConfigError(f"{place.at('folder')}: {problem}")
    for key in ("resource", "option"):
        text = getattr(scratch, key) or ""
        if scratch.size is None and re.search(r"\{(size|gigabytes)\}", text):
            raise ConfigError(f"{place.at(key)}: {text} needs a size: set {place.at('size').key}")


def _problems_of_folder(folder: str) -> Iterator[str]:
    try:
        words = split(folder)
    except InputError as error:
        yield f"{error}: {folder!r}"
        return
    if folder and (len(words) != 1 or not folder.lstrip("\"'").startswith(("/", "$"))):
        yield f"expected one folder, such as /scratch or $TMPDIR, found {folder!r}"
