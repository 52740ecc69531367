"""Users of this machine, and programs that run as them within limits of the kernel."""

from __future__ import annotations

import grp
import os
import pwd
import resource
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

__all__ = ["GROUP", "Person", "meet"]

GROUP = "rd-lab"
_MEMORY = 1 << 30  # bytes of addresses, of which Python and its libraries take a part
_SECONDS = 20  # of the processor
_HANG = 120  # seconds: this machine may be busy


class Person(NamedTuple):
    """A user, and where this user finds our programs.

    Attributes:
        installation: the checkout's copy, and a Python in `python/`.
    """

    name: str
    installation: Path

    @property
    def uid(self) -> int:
        return pwd.getpwnam(self.name).pw_uid

    @property
    def home(self) -> Path:
        return Path(pwd.getpwnam(self.name).pw_dir)

    def runs(
        self, argv: Sequence[str | Path], folder: Path, umask: int = 0o022, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a program as this user; a hang fails the test."""
        entry = pwd.getpwnam(self.name)
        environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": entry.pw_dir,
            "USER": self.name,
            "RELION_DISPATCH_PYTHON": str(self.python),
            **variables,
        }
        return subprocess.run(
            argv,
            cwd=folder,
            env=environment,
            user=self.uid,
            group=entry.pw_gid,
            extra_groups=[grp.getgrnam(GROUP).gr_gid],
            umask=umask,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_HANG,
            preexec_fn=_limit,
        )

    @property
    def python(self) -> Path:
        return self.installation / "python" / "bin" / "python"

    def forgets(self) -> None:
        """Remove what our programs keep for this user."""
        for kept in (self.home / ".cache", Path(f"/tmp/relion-dispatch-{self.uid}")):
            shutil.rmtree(kept, ignore_errors=True)

    def hook(self, script: Path, umask: int = 0o022, **variables: str) -> int:
        """Call the hook as RELION does; its exit status."""
        project = script.parents[2]
        program = self.installation / "deploy" / "relion_dispatch.py"
        ended = self.runs([program, script.relative_to(project)], project, umask, **variables)
        assert "Traceback" not in ended.stderr, ended.stderr
        return ended.returncode

    def command(
        self, *words: str, folder: Path, umask: int = 0o022, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run ``relion-dispatch`` with these words."""
        start = f"import sys; sys.path.insert(0, {str(self.installation)!r}); "
        start += "from dispatcher.cli import main; sys.exit(main(sys.argv[1:]))"
        ended = self.runs([self.python, "-I", "-c", start, *words], folder, umask, **variables)
        assert "Traceback" not in ended.stderr, ended.stderr
        return ended

    def does(self, shell: str, folder: Path) -> None:
        """Run a line of shell, which must succeed."""
        ended = self.runs(["sh", "-c", f"umask 002; {shell}"], folder)
        assert ended.returncode == 0, ended.stderr


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))


def meet(name: str, installation: Path) -> Person:
    """The user of that name, made on first use and kept, with a home and in the common group."""
    path = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
    try:
        grp.getgrnam(GROUP)
    except KeyError:
        subprocess.run(["groupadd", GROUP], check=True, env=path)
    try:
        pwd.getpwnam(name)
    except KeyError:
        subprocess.run(["useradd", "-m", "-G", GROUP, name], check=True, env=path)
    return Person(name, installation)
