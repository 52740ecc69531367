"""What does this machine lack, that Apptainer cannot start or build a container?"""

from __future__ import annotations

import re

from ..host.programs import Finished

__all__ = ["machine_lacks"]

# What Apptainer 1.4 prints if the machine lacks something → what to do about it.
_LACKING = {
    r"failed to create user namespace|no user namespace available|unprivileged user namespace"
    r"|setgroups|for user namespace mappings": (
        "user namespaces are off on this machine: ask the machine's admin to turn them on (`sysctl "
        "user.max_user_namespaces=15000`, and on Ubuntu "
        "`kernel.apparmor_restrict_unprivileged_userns=0`) or to install apptainer-suid"
    ),
    r"Requesting capability set .* while permitted": (
        "root of this machine lacks a capability that Apptainer asks for: do this as an ordinary "
        "user who may write the catalogue and read the image"
    ),
    r"fuse: device not found|/dev/fuse|fuse: failed to open": (
        "there is no /dev/fuse on this machine that you may open: ask the machine's admin for that "
        "device (`modprobe fuse`; in a container or virtual machine, pass the device through)"
    ),
    r"newuidmap was not found|newgidmap was not found": (
        "this machine has no newuidmap, which an ordinary user needs to build: ask the machine's "
        "admin to install the package uidmap (in Debian and Ubuntu) or shadow-utils"
    ),
    r"no mapping entry found|failed to change uid and gids|lchown .*invalid argument": (
        "you have no ids in /etc/subuid and /etc/subgid: ask the machine's admin for them "
        "(`usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER`)"
    ),
    r"no such host|dial tcp|i/o timeout|connection refused|TLS handshake": (
        "the base cannot be fetched, because this machine does not reach the registry: check the "
        "connection (and https_proxy), or build on a local image with --base (docs/images.md: "
        "Without Docker Hub and GitHub)"
    ),
}


def machine_lacks(finished: Finished) -> str | None:
    """What this machine lacks and what to do; None if Apptainer's output does not show it.

    What a build's scripts print is left out, because scripts have their own connections.
    """
    output = re.sub(r"\x1b\[[\d;]*m", "", finished.stderr + finished.stdout)
    fatal = re.findall(r"^(?:FATAL|ERROR)\s*:.*", output, re.MULTILINE)
    if not fatal:
        return None
    before = re.split(r"^INFO:\s+Running \w+ scriptlet", output, maxsplit=1, flags=re.MULTILINE)[0]
    own = "\n".join([before, *fatal])
    found = (text for pattern, text in _LACKING.items() if re.search(pattern, own, re.I))
    return next(found, None)
