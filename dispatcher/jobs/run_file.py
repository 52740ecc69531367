"""Read how a run went, or goes: the files that the job script writes for each run (run_names.py).

A file has a line ``KEY VALUE`` for each value that the script knows, and a line ``gpu NODE UUID
SAMPLES PEAK_BYTES MEAN_PERCENT RANKS PREDICTED_BYTES`` for each GPU, with ``-`` for what is not
known. The value of a key reaches to the end of its line.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from ..host.shared_files import read_file, shared_folder
from . import entries
from .run_names import MOST_RUNS, lease_file, run_file

__all__ = ["GOES_ON", "KEPT_TO", "MOST", "Lease", "number_of", "read_lease", "read_run"]

GOES_ON = "GOES_ON"  # the ending of a run after which the job goes on

_TEXTS = ("started", "ended", "host", "scheduler_job_id", "exit_status", "ending", "reason")
# By the next runs, as in Learned.
KEPT_TO = ("most_each", "most_ranks", "free_gpu_memory", "memory_mib")
_NUMBERS = ("run", "from_iteration", "to_iteration", "ranks", *KEPT_TO)
_OF_RUNS = ("why", *_NUMBERS)  # that a job of one run lacks
_GPU = ("node", "gpu")
_GPU_NUMBERS = (
    "samples",
    "peak_memory_bytes",
    "mean_utilisation_percent",
    "ranks",
    "predicted_bytes",
)
_ONLY_IF_PREDICTED = ("ranks", "predicted_bytes")
_NUMBER = re.compile("-?[0-9]{1,18}", re.ASCII)
MOST = 10**9  # iterations, ranks
_LONGEST = 1 << 20  # bytes: a line of 100 bytes for each of 10,000 GPUs
_LONGEST_LEASE = 1 << 16  # bytes


class Lease(NamedTuple):
    """What a run renews as long as it runs.

    Attributes:
        renewed: when it did so last, in seconds since 1970, by the clock of the folder's file
            system.
        values: what its lines say; of a key with several lines, the last one.
    """

    renewed: float
    values: dict[str, str]


def read_run(folder: Path, token: str, number: int | None = None) -> dict[str, Any] | None:
    """The record's ``run`` (docs/endings.md has its keys); None until the run has ended.

    With a number, the run of that number, after which the job went on.

    Raises:
        ValueError: what has the file's name is no such file; the text says so.
    """
    file = run_file(folder, token, number)
    with suppress(FileNotFoundError), entries.not_used(file):
        run = _run(read_file(file, _LONGEST).decode(errors="surrogateescape"), token)
        if run is None or number in (None, run.get("run")):
            return run
        raise ValueError(f'its "run" is not {number}')
    return None


def read_lease(folder: Path, token: str, number: int) -> Lease | None:
    """The lease of a run; None if the run has ended all its programs.

    Raises:
        ValueError: what has the file's name is no such file; the text says so.
    """
    file = lease_file(folder, token, number)
    with suppress(FileNotFoundError), entries.not_used(file), shared_folder(folder) as opened:
        text = opened.read(file.name, _LONGEST_LEASE).decode(errors="surrogateescape")
        lines = text.replace("\0", "").split("\n")  # a node that crashed leaves NUL bytes
        values = {key: value for key, _, value in (line.partition(" ") for line in lines) if value}
        entries.job_id(values, "scheduler_job_id")
        return Lease(opened.status(file.name).st_mtime, values)
    return None


def _run(text: str, token: str) -> dict[str, Any] | None:
    lines = [line.partition(" ")[::2] for line in text.split("\n")]
    values = dict(reversed(lines))  # the first line of a key holds
    if values.get("token") != token or "ending" not in values:
        return None
    gpus = [gpu for key, value in lines if key == "gpu" if (gpu := _gpu(value.split()))]
    run: dict[str, Any] = {key: values.get(key) or None for key in _TEXTS}
    entries.job_id(run, "scheduler_job_id")
    if "run" in values:
        run |= {key: values.get(key) or None for key in _OF_RUNS}
        run |= {key: _count(run[key]) for key in _NUMBERS}
        if not 1 <= (run["run"] or 0) <= MOST_RUNS:
            raise ValueError(f'its "run" is not a number from 1 to {MOST_RUNS}')
    return {**run, "exit_status": number_of(run["exit_status"]), "gpus": gpus or None}


def _gpu(words: list[str]) -> dict[str, Any] | None:
    """One GPU's entry; None for a line that was cut short, as by a full disk."""
    if len(words) != len(_GPU) + len(_GPU_NUMBERS):
        return None
    entry: dict[str, Any] = dict(zip(_GPU, words, strict=False))
    for key, word in zip(_GPU_NUMBERS, words[len(_GPU) :], strict=True):
        if word != "-" or key not in _ONLY_IF_PREDICTED:
            entry[key] = number_of(word)
    return entry


def _count(word: str | None) -> int | None:
    found = number_of(word)
    return found if found is not None and 0 <= found <= MOST else None


def number_of(word: str | None) -> int | None:
    """The number that a word is, of 18 digits at most; None if it is none."""
    return int(word) if word and _NUMBER.fullmatch(word) else None
