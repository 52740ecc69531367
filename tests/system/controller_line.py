"""The line between Slurm's commands and slurmctld, to be cut or held up by a test.

Ordinary users cannot stop the test cluster's slurmctld. They can speak to it through a port of
their own: for sbatch, a port where nobody listens is a slurmctld that is down, and one that passes
on late what it was told is a slurmctld that is too busy to answer.
"""

from __future__ import annotations

import os
import re
import socket
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType

__all__ = ["ControllerLine"]


class ControllerLine:
    """A port in front of slurmctld, and the slurm.conf that names it.

    Attributes:
        configuration: for SLURM_CONF; its commands wait for an answer for 3 seconds at most.
        environment: with that variable.
        held: how many of the next connections are passed on only when `release` is called, with
            nobody left to hear the answer.
        releases_at_once: whether they are passed on as soon as nobody is left.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        text = Path(os.environ["SLURM_CONF"]).read_text()
        found = re.search(r"^SlurmctldPort=(\d+)$", text, re.MULTILINE)
        assert found
        self._controller = int(found[1])
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))  # refuses to connect as yet, and nobody else gets it
        self.configuration = folder / "slurm.conf"
        self.configuration.write_text(
            text.replace(found[0], f"SlurmctldPort={self._listener.getsockname()[1]}")
            + "MessageTimeout=3\n"
        )
        (folder / "gres.conf").write_text(
            Path(os.environ["SLURM_CONF"]).with_name("gres.conf").read_text()
        )
        self.environment = {"SLURM_CONF": str(self.configuration)}
        self.held = 0
        self.releases_at_once = False
        self._kept: list[bytes] = []

    def __enter__(self) -> ControllerLine:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.cut()

    def open(self) -> None:
        """Listen from now on."""
        self._listener.listen()
        threading.Thread(target=self._serve, args=[self._listener], daemon=True).start()

    def cut(self) -> None:
        """Listen no more."""
        with suppress(OSError):  # it has never listened
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def release(self) -> None:
        """Pass on what was held."""
        for told in self._kept:
            with socket.create_connection(("127.0.0.1", self._controller)) as controller:
                controller.sendall(told)
                controller.recv(1)
        self._kept.clear()

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            if self.held:
                self.held -= 1
                threading.Thread(target=self._hold, args=[client], daemon=True).start()
            else:
                controller = socket.create_connection(("127.0.0.1", self._controller))
                for source, target in ((client, controller), (controller, client)):
                    threading.Thread(target=_pass_on, args=[source, target], daemon=True).start()

    def _hold(self, client: socket.socket) -> None:
        told = b""
        while part := client.recv(65536):  # until sbatch gives up
            told += part
        client.close()
        self._kept.append(told)
        if self.releases_at_once:
            self.release()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    try:
        while part := source.recv(65536):
            target.sendall(part)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        source.close()
        target.close()
