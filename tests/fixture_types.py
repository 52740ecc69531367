"""The types of what fixtures give to tests, if several files of tests name them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from .ssh_server import SshServer

__all__ = ["CorpusJob", "LoginNode", "WriteSite"]

# site("site.json", {...}) writes one of the site's files, and returns its path.
WriteSite = Callable[..., Path]
# corpus_job("relion-5.0.1/Refine3D_job011") copies a job into the project; returns its script.
CorpusJob = Callable[[str], Path]
# login_node() starts an sshd; login_node("/bin/tcsh", SBATCH_QOS="high") says how a login is there.
LoginNode = Callable[..., SshServer]
