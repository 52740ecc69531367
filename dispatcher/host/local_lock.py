"""The lock for which a user's jobs on one machine wait, where they run one at a time."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import SubmitError
from .private_folders import runtime_folder

__all__ = ["local_lock"]


def local_lock() -> Path:
    """The lock's file; job scripts take it by themselves.

    Raises:
        SubmitError: no private folder can be had for it.
    """
    folder = runtime_folder()
    if folder is None:
        raise SubmitError(
            f"/tmp/relion-dispatch-{os.getuid()} is not a private folder of this user: remove it, "
            "or name another in RELION_DISPATCH_RUNTIME, and submit the job again."
        )
    return folder / "local.lock"
