"""Processes of this machine: alive or not, and told from another that got the same number."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from dispatcher.host.processes import is_alive, start_time

from ...waiting import wait_for


def test_a_running_process_keeps_its_start_time_and_a_later_one_has_no_earlier() -> None:
    started = start_time(os.getpid())

    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as later:
        assert int(start_time(later.pid)) >= int(started) > 0
    assert start_time(os.getpid()) == started
    assert is_alive(os.getpid())


def test_a_name_with_parentheses_and_blanks_hides_nothing(tmp_path: Path) -> None:
    program = tmp_path / ") Z 1 ("
    program.symlink_to(shutil.which("cat") or "cat")

    with subprocess.Popen([program], stdin=subprocess.PIPE) as process:
        assert program.name in Path(f"/proc/{process.pid}/stat").read_text()
        assert start_time(process.pid).isdigit()


def test_a_process_that_has_exited_is_not_alive_even_before_its_parent_asks() -> None:
    with subprocess.Popen(["true"]) as process:
        wait_for(lambda: not is_alive(process.pid))

    assert start_time(process.pid) == ""
