"""Who wants a job to end: RELION's user, by its Abort button, or whoever typed ``cancel``.

RELION makes an empty file, and looks at no content. Ours has a line, so that the sentence in
run.err names what its reader did. The job's script reads the same line (library/reason.sh).
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from ..host.shared_files import read_file, shared_folder
from ..relion.exit_files import ABORT_NOW

__all__ = ["CANCELLED", "how_aborted", "want_abort"]

CANCELLED = "relion-dispatch cancel"  # the line
_LONGEST = 100  # bytes of the file


def want_abort(folder: Path) -> None:
    """Make RELION's abort file, which the job's script looks for; one that is there stays as it is.

    Raises:
        OSError: the folder cannot be written.
    """
    with shared_folder(folder) as opened:
        with suppress(OSError):  # it is there, or a full disk has room for an empty file alone
            opened.create(ABORT_NOW, f"{CANCELLED}\n".encode())
        opened.touch(ABORT_NOW)


def how_aborted(folder: Path) -> str:
    """'aborted in RELION', or what else is known of it: the job was …"""
    try:
        content = read_file(folder / ABORT_NOW, _LONGEST)
    except FileNotFoundError:
        return "aborted"
    except OSError:
        content = b""
    if content.decode(errors="replace").strip() == CANCELLED:
        return f"cancelled with `{CANCELLED}`"
    return "aborted in RELION"
