"""Read how a run went, from the file that the job script writes: ``JOB/dispatch.run.TOKEN``.

The file has a line ``KEY VALUE`` for each value that the script knows, and a line ``gpu NODE UUID
SAMPLES PEAK_BYTES MEAN_PERCENT RANKS PREDICTED_BYTES`` for each GPU, with ``-`` for what is not
known. The value of a key reaches to the end of its line.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..host.shared_files import read_file
from . import entries

__all__ = ["read_run", "run_file", "unfinished_run_file"]

_TEXTS = ("started", "ended", "host", "scheduler_job_id", "exit_status", "ending", "reason")
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
_LONGEST = 1 << 20  # bytes: a line of 100 bytes for each of 10,000 GPUs


def run_file(folder: Path, token: str) -> Path:
    """The file of one run in its job's folder."""
    return folder / f"dispatch.run.{token}"


def unfinished_run_file(folder: Path, token: str) -> Path:
    """What a script leaves of that file if it is killed while it writes."""
    return folder / f".dispatch.run.{token}.new"


def read_run(folder: Path, token: str) -> dict[str, Any] | None:
    """The record's ``run`` (docs/endings.md has its keys); None until the run has ended.

    Raises:
        ValueError: what has the file's name is no such file; the text says so.
    """
    file = run_file(folder, token)
    with suppress(FileNotFoundError), entries.not_used(file):
        text = read_file(file, _LONGEST).decode(errors="surrogateescape")
        return _run(text, token)
    return None


def _run(text: str, token: str) -> dict[str, Any] | None:
    lines = [line.partition(" ")[::2] for line in text.split("\n")]
    values = dict(reversed(lines))  # the first line of a key holds
    if values.get("token") != token or "ending" not in values:
        return None
    gpus = [gpu for key, value in lines if key == "gpu" if (gpu := _gpu(value.split()))]
    run: dict[str, Any] = {key: values.get(key) or None for key in _TEXTS}
    entries.job_id(run, "scheduler_job_id")
    return {**run, "exit_status": _number(run["exit_status"]), "gpus": gpus or None}


def _gpu(words: list[str]) -> dict[str, Any] | None:
    """One GPU's entry; None for a line that was cut short, as by a full disk."""
    if len(words) != len(_GPU) + len(_GPU_NUMBERS):
        return None
    entry: dict[str, Any] = dict(zip(_GPU, words, strict=False))
    for key, word in zip(_GPU_NUMBERS, words[len(_GPU) :], strict=True):
        if word != "-" or key not in _ONLY_IF_PREDICTED:
            entry[key] = _number(word)
    return entry


def _number(word: str | None) -> int | None:
    """The number that a word is, of 18 digits at most; None if it is none."""
    return int(word) if word and _NUMBER.fullmatch(word) else None
