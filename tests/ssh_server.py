"""A real sshd on the loopback address, which plays the login node of a cluster.

It runs as whoever runs the tests, who logs in there by a key of the test's own. What the account's
shell and environment are like there, a test says.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

__all__ = ["SshServer"]

MACHINE = "login1"


class SshServer:
    """An sshd, with the files of its owner and of its user in a folder.

    Attributes:
        through: what makes a scheduler's commands run there, for a site's "through".
        home: the home folder there.
    """

    def __init__(self, folder: Path, shell: str = "", **variables: str) -> None:
        """`shell` is the account's shell there, if not the one here; `variables` are set there."""
        folder.mkdir()
        self.folder = folder
        self.home = folder / "home"
        self.home.mkdir()
        for name in ("host", "user"):
            key = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
            subprocess.run(key, check=True)
        (folder / "authorized").write_bytes((folder / "user.pub").read_bytes())
        self.port = 0
        self._variables = {"HOME": str(self.home), **variables}
        self._shell = f'ForceCommand exec {shell} -c "$SSH_ORIGINAL_COMMAND"' if shell else ""
        self._daemon: subprocess.Popen[bytes] | None = None
        self.through = ["ssh", "-F", str(folder / "ssh_config"), MACHINE]
        self.start()
        self.is_known()

    def start(self) -> None:
        """Start the daemon, at the same port as before if it ran before."""
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # Debian's sshd asks for it
        for _ in range(20):
            port = self.port or _free_port()
            self._write_settings(port)
            self._daemon = subprocess.Popen(
                ["/usr/sbin/sshd", "-D", "-f", self.folder / "sshd_config", "-E", self.log],
                start_new_session=True,
            )
            while self._daemon.poll() is None:
                if _answers(port):
                    self.port = port
                    return
                time.sleep(0.02)
        raise AssertionError(self.log.read_text())

    def _write_settings(self, port: int) -> None:
        variables = " ".join(f'"{name}={value}"' for name, value in self._variables.items())
        (self.folder / "sshd_config").write_text(
            f"Port {port}\nListenAddress 127.0.0.1\nHostKey {self.folder}/host\nPidFile none\n"
            f"AuthorizedKeysFile {self.folder}/authorized\nStrictModes no\nUsePAM no\n"
            "PasswordAuthentication no\nKbdInteractiveAuthentication no\n"
            f"SetEnv {variables}\n{self._shell}\n"
        )
        (self.folder / "ssh_config").write_text(
            f"Host {MACHINE}\n  HostName 127.0.0.1\n  Port {port}\n"
            f"  IdentityFile {self.folder}/user\n  IdentitiesOnly yes\n  IdentityAgent none\n"
            f"  GlobalKnownHostsFile none\n  UserKnownHostsFile {self.folder}/known\n"
        )

    def is_known(self) -> None:
        """Whoever logs in knows the host key."""
        key = (self.folder / "host.pub").read_text()
        (self.folder / "known").write_text(f"[127.0.0.1]:{self.port} {key}")

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @property
    def logins(self) -> int:
        """How many connections there were so far."""
        return len(re.findall("Accepted publickey", self.log.read_text()))

    def stop(self) -> None:
        """End the daemon and all connections: nobody can log in from now on."""
        assert self._daemon
        for pid in [*_children(self._daemon.pid), self._daemon.pid]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self._daemon.wait()


# Shell text that breaks the connection by which the shell was started.
LOSE_CONNECTION = """
pid=$$
until [[ $(ps -o comm= -p "$pid") == sshd* ]]; do pid=$(ps -o ppid= -p "$pid" | tr -d ' '); done
kill -KILL "$pid"
"""


def _children(pid: int) -> list[int]:
    done = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True)
    own = [int(each) for each in done.stdout.split()]
    return [*(below for each in own for below in _children(each)), *own]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False
