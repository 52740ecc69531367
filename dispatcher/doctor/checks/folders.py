"""Do both sides see the project's folder, do locks and links hold, and is scratch fit?"""

from __future__ import annotations

from collections.abc import Iterator

from ..asked import Asked
from ..facts import Facts
from ..finding import Finding, failure, not_so_far, ok, skipped, warning

__all__ = ["links", "locks", "project", "scratch"]

_LATE = 5.0  # seconds there and back
_GIB = 1024 * 1024  # KiB
_LEAST_SCRATCH = 20 * _GIB
# As `stat -f` names file systems that another machine serves.
_REMOTE = ("nfs", "lustre", "gpfs", "ceph", "fhgfs", "beegfs", "fuse", "smb", "cifs", "afs",
           "panfs", "wekafs", "pvfs", "orangefs", "ocfs", "gfs", "v9fs")  # fmt: skip
_HELD, _FREE = "1", "0"  # how `flock -n` ends


def project(facts: Facts, asked: Asked) -> Iterator[Finding]:
    """How late does each side see what the other has written?"""
    if facts["met"] != "yes" or "round_trip" not in facts:
        yield failure(
            f"{facts['host']} and this machine do not see each other's files in the project's "
            "folder within the time that they had: RELION would wait for ends of jobs. Work on a "
            "file system that all nodes mount at the same path, and lower its cache of attributes "
            "(NFS: acregmax, acdirmax, lookupcache)."
        )
        return
    seconds = facts.number("round_trip") or 0.0
    if seconds > _LATE:
        yield warning(
            f"A file that one side writes is seen late by the other: {seconds:.1f} s there and "
            "back. RELION learns the end of jobs that much later. On NFS, the mount options "
            "acdirmax and lookupcache=positive shorten that."
        )
    else:
        yield ok(f"Both sides see each other's files, {seconds:.1f} s there and back.")


def locks(facts: Facts, asked: Asked) -> Iterator[Finding]:
    """Does a lock that this machine holds hold for the node as well?"""
    way_out = "docs/file_systems.md says what holds without locks, and how to mount with them"
    if facts["locks_here"] == "no":
        yield warning(f"The project's file system has no locks on this machine: {way_out}.")
    elif facts["lock_status"] == _HELD:
        yield ok("A lock of this machine holds on the node.")
    elif facts["lock_status"] == _FREE:
        yield warning(
            f"{facts['host']} takes a lock that this machine holds, so locks guard nothing between "
            f"them: {way_out}."
        )
    else:
        yield warning(
            f'{facts["host"]} has no locks in the project\'s folder ("{facts["lock_said"]}"): '
            f"{way_out}."
        )


def links(facts: Facts, asked: Asked) -> Iterator[Finding]:
    """Can a job claim its folder by a link, which only one can make?"""
    if facts["claim"] != "yes":
        yield failure(
            f"{facts['host']} cannot make symbolic links in the project's folder, by which a job "
            "claims its run: put the project on a file system with links."
        )
    elif facts["second_claim"] == "yes":
        yield failure(
            f"On {facts['host']} a second symbolic link takes the place of the first, so two "
            "copies of a job would both run: put the project on another file system."
        )
    elif facts["link"] != "yes" or facts["link_seen"] == "no":
        yield warning(
            "The project's file system has no hard links, or the other side does not see them: "
            "what is told on a full disk may be missing (docs/file_systems.md)."
        )
    else:
        yield ok("Links are made once, and seen from both sides.")


def scratch(facts: Facts, asked: Asked) -> Iterator[Finding]:
    """Is the scratch folder there, writable, local and large enough?"""
    folder, host = facts["scratch"], facts["host"]
    if not folder:
        yield skipped(
            "The site names no scratch folder: name one with --scratch FOLDER to have it looked at."
        )
    elif facts["scratch_there"] == "unanswered":
        yield failure(
            f"Scratch folder {folder} does not answer on {host}: see whether the file system's "
            "server runs, or name a local disk."
        )
    elif "scratch_free" not in facts:
        yield not_so_far()
    elif facts["scratch_writable"] != "yes":
        missing = "" if facts["scratch_there"] == "yes" else ", which does not exist there,"
        yield failure(
            f"Scratch folder {folder}{missing} cannot be written on {host}: make the folder there "
            "for all users, or name another one in RELION's window (RELION_SCRATCH_DIR)."
        )
    elif facts["scratch_kind"].startswith(_REMOTE):
        yield warning(
            f"Scratch folder {folder} on {host} is not local (it is on {facts['scratch_kind']}): "
            "copies of particles there are not faster than the particles; name a local disk."
        )
    elif (free := facts.number("scratch_free")) is None:
        yield warning(
            f"Scratch folder {folder} is writable on {host}, but `df` does not say how much is "
            "free: look there."
        )
    elif free < _LEAST_SCRATCH:
        yield warning(
            f"Scratch folder {folder} on {host} has {free / _GIB:.1f} GiB free: RELION leaves out "
            "particles that do not fit; free space, or name another disk."
        )
    else:
        yield ok(f"Scratch folder {folder} is writable, with {free / _GIB:.0f} GiB free.")
