"""Does the image start there, is it the same file, and are its folders there?"""

from __future__ import annotations

from collections.abc import Iterator

from ..asked import Asked
from ..facts import Facts
from ..finding import Finding, failure, ok, skipped, warning

__all__ = ["NO_MORE_STARTS", "binds", "container", "image"]

NO_MORE_STARTS = "Each start of the container takes too long to look further: see the line on it."
_SLOW = 20.0  # seconds for a first start that users notice


def container(facts: Facts, asked: Asked) -> Iterator[Finding]:
    """Does a container start, and if not, what does the node lack?"""
    version = facts["apptainer"].removeprefix("apptainer version ")
    if "apptainer version" not in facts["apptainer"]:
        yield failure(
            f'Apptainer does not start on {facts["host"]} (it says "{facts["apptainer"]}"): '
            'install Apptainer there, or name its program in site.json ("apptainer.program").'
        )
    elif not asked.image:
        yield skipped(f"Apptainer {version} is there, but {asked.no_image}.")
    elif facts["start_status"] != "0":
        yield failure(
            f"Apptainer {version} does not start {asked.image} on {facts['host']} (it says "
            f'"{facts["start_said"]}"): {_way_out(facts)}.'
        )
    elif "unpacked" in facts:
        yield warning(
            f"Apptainer {version} unpacks {asked.image} on {facts['host']} before each start, "
            f"which took {_took(facts)}: {_mounts(facts)}."
        )
    elif not facts["relion"]:
        yield failure(
            f"{asked.image} starts on {facts['host']}, but its relion_refine does not say its "
            f'version (it says "{facts["relion_said"]}"): run `relion-dispatch images verify` '
            "there, and add the image again."
        )
    elif (facts.seconds("start_seconds") or 0) > _SLOW:
        yield warning(
            f"The first start of {asked.image} on {facts['host']} took {_took(facts)}, the second "
            f"{facts.seconds('second_seconds') or 0:.1f} s: put the image on a faster file system."
        )
    else:
        yield ok(
            f"Apptainer {version} starts {asked.image} (RELION {facts['relion']}) in "
            f"{_took(facts)}."
        )


def _took(facts: Facts) -> str:
    return f"{facts.seconds('start_seconds') or 0:.1f} s"


def _way_out(facts: Facts) -> str:
    """What to do on a node where containers do not start."""
    if facts["image_readable"] == "no":
        return "let all users of this node read the image file"
    setuid = facts["setuid"] == "yes"
    if not setuid and (facts["unshare"] == "no" or facts["namespaces"] == "0"):
        return (
            "its users may not make user namespaces: ask the node's admin to allow that "
            f"(user.max_user_namespaces is {facts['namespaces'] or 'not known'}; AppArmor and "
            "kernel.unprivileged_userns_clone can forbid it too), or to install apptainer-suid"
        )
    if not setuid and facts["fuse"] == "no":
        return "/dev/fuse is missing or closed to users there: ask the node's admin to open it"
    return "run `relion-dispatch images verify` on that node, or show this line to its admin"


def _mounts(facts: Facts) -> str:
    if facts["fuse"] == "no":
        return "let its users open /dev/fuse"
    if not any(name.startswith("squashfuse") for name in facts.each("has")):
        return "install squashfuse there, by which Apptainer mounts images"
    if not any(name.startswith("fusermount") for name in facts.each("has")):
        return "install fuse3 (fusermount3) there, by which Apptainer mounts images"
    return "show this line to the node's admin: Apptainer cannot mount images there"


def image(facts: Facts, asked: Asked) -> Iterator[Finding]:
    """Is the image there the file that this machine has?"""
    if not asked.image:
        yield skipped(f"{asked.no_image[:1].upper()}{asked.no_image[1:]}.")
    elif facts["image_readable"] == "no":
        yield failure(
            f"The image file of {asked.image} cannot be read on {facts['host']}: put it where all "
            "nodes see it, and let all users read the file and pass its folders."
        )
    elif facts["image_said"]:
        yield failure(f"{facts['image_said']}")
    else:
        yield ok(f"{asked.image} is the same file there (size and SIF id).")


def binds(facts: Facts, asked: Asked) -> Iterator[Finding]:
    """Are all folders there that the site has bound into containers?"""
    missing = facts.each("missing_bind")
    if missing:
        yield warning(
            f"{facts['host']} lacks {', '.join(missing)}, so containers there do without: mount "
            'that, or take it out of "apptainer.bind" in site.json or "weights" in images.json.'
        )
    elif asked.image:
        yield ok("All folders that containers are to see are there.")
