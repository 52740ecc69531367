"""Is a record the one that this user's own hook wrote, for the job in this place?

A project may come from elsewhere, and its record may name the token of any job of this user: the
queue shows tokens to everybody. So the hook seals the record with a key that is this user's alone,
for the place of the job. In the scheduler nothing is done for a record without its seal, as one
that was copied with its project, or that a version up to 0.2.0 wrote.

The job's id and cluster are not known when the record is sealed. They need no seal: a command on a
job is called only where a queue shows the sealed token, with the id that the queue shows there.

The seal also holds the command that submits the job, and the digest of its script: by these
``relion-dispatch resume`` starts the job again. Records that were sealed before lack the digest.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ..host.kept_data import own_key

__all__ = ["Sealed", "is_sealed", "seal", "text_digest"]


def text_digest(text: str | bytes) -> str:
    """The sha256 of a script, by which the seal knows it."""
    raw = text.encode(errors="surrogateescape") if isinstance(text, str) else text
    return hashlib.sha256(raw).hexdigest()


class Sealed(NamedTuple):
    """What a record's seal is of.

    Attributes:
        project, name, token: of the job.
        watcher_script: the digest of the watcher's script; None without one.
        job_script: the digest of the job's script; None in a record that lacks it.
        submit_command: what submitted the job; it counts only beside `job_script`.
    """

    project: Path
    name: str
    token: str
    watcher_script: str | None
    job_script: str | None = None
    submit_command: Sequence[str] = ()


def seal(what: Sealed) -> str | None:
    """The seal of a record; None without a key."""
    key = own_key(make=True)
    return _seal(key, what) if key else None


def is_sealed(sealed: str | None, what: Sealed) -> bool:
    """Whether `sealed` is the seal of such a record."""
    key = own_key(make=False) if sealed else None
    if not key or not sealed or not what.token:
        return False
    return sealed == _seal(key, what)


def _seal(key: bytes, what: Sealed) -> str:
    words: list[object] = [os.path.realpath(what.project), *what[1:4]]
    if what.job_script is not None:
        words += [what.job_script, list(what.submit_command)]
    return hashlib.blake2b(json.dumps(words).encode(), key=key, digest_size=32).hexdigest()
