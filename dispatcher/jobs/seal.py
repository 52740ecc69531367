"""Is a record the one that this user's own hook wrote, for the job in this place?

A project may come from elsewhere, and its record may name the token of any job of this user: the
queue shows tokens to everybody. So the hook seals the record with a key that is this user's alone,
for the place of the job. In the scheduler nothing is done for a record without its seal, as one
that was copied with its project, or that a version up to 0.2.0 wrote.

The job's id and cluster are not known when the record is sealed. They need no seal: a command on a
job is called only where a queue shows the sealed token, with the id that the queue shows there.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from ..host.kept_data import own_key

__all__ = ["is_sealed", "seal", "text_digest"]


def text_digest(text: str | bytes) -> str:
    """The sha256 of a script, by which the seal knows it."""
    raw = text.encode(errors="surrogateescape") if isinstance(text, str) else text
    return hashlib.sha256(raw).hexdigest()


def seal(project: Path, name: str, token: str, watcher_script: str | None) -> str | None:
    """The seal of a record; `watcher_script` is the digest of the watcher's. None without a key."""
    key = own_key(make=True)
    return _seal(key, project, name, token, watcher_script) if key else None


def is_sealed(
    sealed: str | None, project: Path, name: str, token: str, watcher_script: str | None
) -> bool:
    """Whether `sealed` is the seal of such a record."""
    key = own_key(make=False) if sealed else None
    if not key or not sealed or not token:
        return False
    return sealed == _seal(key, project, name, token, watcher_script)


def _seal(key: bytes, project: Path, name: str, token: str, watcher_script: str | None) -> str:
    what = json.dumps([os.path.realpath(project), name, token, watcher_script]).encode()
    return hashlib.blake2b(what, key=key, digest_size=32).hexdigest()
