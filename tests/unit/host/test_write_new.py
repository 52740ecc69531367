"""A file that a user named is new, and whole."""

from __future__ import annotations

import resource
import signal
from pathlib import Path

import pytest

from dispatcher.errors import InputError, WriteError
from dispatcher.host.atomic_files import write_new


def test_what_has_the_name_stays_even_a_link_that_leads_nowhere(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "nowhere")

    with pytest.raises(InputError, match="already exists: remove the file, or name another"):
        write_new(link, "text", "or name another file.")

    assert link.is_symlink()
    assert not (tmp_path / "nowhere").exists()


def test_half_a_file_does_not_stay(tmp_path: Path) -> None:
    path = tmp_path / "again.sh"
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))  # as a quota does
    try:
        with pytest.raises(WriteError, match="or name another file"):
            write_new(path, "x" * 200, "or name another file.")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)

    assert not path.exists()


def test_the_mode_is_the_callers_less_the_umask(tmp_path: Path) -> None:
    write_new(tmp_path / "again.sh", "text", "or name another.", mode=0o777)

    assert (tmp_path / "again.sh").stat().st_mode & 0o100
    assert (tmp_path / "again.sh").read_text() == "text"
