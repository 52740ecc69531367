"""How is ssh called to start a shell on another machine, and what is wrong if none starts?

A site may name another program than ssh: one that runs the words behind its own arguments on
another machine, and passes its input on. That one is called as it is.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path

from ..host.programs import Finished
from ..host.runtime_folder import make_runtime_folder

__all__ = ["is_ssh", "ssh_words", "trouble"]

# What ssh is told if the site does not say otherwise: nothing may ask, nothing but the command
# passes through, and a connection that is dead is noticed in a quarter of a minute.
_OPTIONS = (
    *("BatchMode=yes", "ConnectTimeout=10", "ServerAliveInterval=5", "ServerAliveCountMax=3"),
    *("RequestTTY=no", "RemoteCommand=none", "ClearAllForwardings=yes", "ForwardX11=no"),
    *("ForwardAgent=no", "PermitLocalCommand=no", "LogLevel=ERROR"),
)
_LONGEST_SOCKET = 80  # bytes of a path, of 107: ssh makes the socket under a longer name first
_OF_SSH = 255  # the exit status of ssh itself
_LONGEST = 300  # characters of what ssh says
# The login shell joins the words, and all shells read them alike; programs like `docker exec` too.
_SHELL = ("/bin/sh", "-s")

# Of what ssh says: what is wrong, and what to do next. What is in none of them may pass by itself.
_CAUSES = (
    (
        "Host key verification failed|HOST IDENTIFICATION HAS CHANGED",
        "the host key of {machine} is not known to this account, or has changed",
        "run `{login}` once by hand, compare the key with the one that your admin gives you, and "
        "accept the key",
    ),
    (
        "Permission denied|Too many authentication failures|No supported authentication methods",
        "{machine} does not let this account in without a password ({said})",
        "set up a key without a passphrase or with an agent (`ssh-copy-id`) until "
        "`{login} -o BatchMode=yes true` asks nothing",
    ),
    (
        "Could not resolve hostname",
        "no machine of the name {machine} is known here",
        'name the machine in ~/.ssh/config, or have your admin correct "through" of the scheduler',
    ),
    (
        "Bad configuration option|Bad owner or permissions|^usage: |illegal option|unknown option",
        "ssh does not take its settings ({said})",
        'correct ~/.ssh/config, or have your admin correct "through" of the scheduler',
    ),
)


def ssh_words(through: Sequence[str]) -> list[str]:
    """The command that starts a shell there. Options that the site gives itself are left to it."""
    program, *words = through
    if not is_ssh(program):
        return [*through, *_SHELL]
    own = " ".join(words).lower()
    options = (*_OPTIONS, *_shared_connection(through))
    added = [each for each in options if each.partition("=")[0].lower() not in own]
    return [program, *(f"-o{each}" for each in added), *words, *_SHELL]


def is_ssh(program: str) -> bool:
    """Whether it takes ssh's options."""
    return Path(program).name == "ssh"


def _shared_connection(through: Sequence[str]) -> list[str]:
    """The options by which calls share a connection; none if there is no good place for it."""
    folder = make_runtime_folder()
    way = hashlib.sha256(os.fsencode("\0".join(through))).hexdigest()[:12]
    socket = f"{folder}/ssh-{way}"
    plain = re.fullmatch(r"[\w/.+@:-]+", socket, re.ASCII) and len(socket) <= _LONGEST_SOCKET
    if folder is None or not plain:
        return ["ControlPath=none"]
    return [f"ControlPath={socket}", "ControlMaster=auto", "ControlPersist=120"]


def trouble(through: Sequence[str], done: Finished) -> tuple[str, str | None]:
    """Why no shell started: what is wrong, and what to do next, in clauses.

    The second is None if what is wrong may pass by itself.
    """
    machine, login = through[-1], " ".join(through)
    said = " ".join(done.stderr.split())[-_LONGEST:] or "it said nothing"
    for pattern, what, todo in _CAUSES if is_ssh(through[0]) else ():
        if re.search(pattern, done.stderr, re.MULTILINE):
            words = {"machine": machine, "login": login, "said": said}
            return what.format_map(words), todo.format_map(words)
    if 0 <= done.status != _OF_SSH:
        return (
            f"/bin/sh does not run on {machine} as {through[0]} starts it ({said})",
            f"try `echo id | {login} /bin/sh -s`, which must print who you are there: no start-up "
            "file of the login shell may read its input or end it",
        )
    return f"{machine} cannot be reached ({said})", None
