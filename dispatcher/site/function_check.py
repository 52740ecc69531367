"""Does a site's template call `module` or the like without reading the file that defines it?

These are functions of a shell. A job has those that whoever submits exports, but reads no file that
BASH_ENV names: a template that relied on that would run RELION without its modules.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping

from ..config.places import files_in, template_folders

__all__ = ["unread_functions"]

_DEFINED_IN = {
    "module": "/etc/profile.d/lmod.sh or /etc/profile.d/modules.sh",
    "ml": "/etc/profile.d/lmod.sh",
    "spack": "setup-env.sh in share/spack of your Spack",
    "scl": "/etc/profile.d/scl-init.sh",
}
_BEGINS = r"(?:^|[;&|({]|\b(?:then|do|else|if)\b)[ \t]*"
_CALL = re.compile(rf"{_BEGINS}({'|'.join(_DEFINED_IN)})[ \t]+[^\s()=]", re.MULTILINE)
_READS = re.compile(rf"{_BEGINS}(?:\.|source)[ \t]+\S", re.MULTILINE)
_PARENT = re.compile(r"{%-?\s*(?:extends|include|import|from)\s+[\"']([^\"']+)[\"']")
_NO_SHELL = re.compile(r"{#.*?#}|^[ \t]*#.*?$", re.DOTALL | re.MULTILINE)


def unread_functions() -> Iterator[str]:
    """A sentence for each template of the site's that calls such a function, and reads no file."""
    *own, _ = template_folders()
    texts = {
        str(path.relative_to(folder)): (path, path.read_text(errors="replace"))
        for folder in own
        for path in files_in(folder, ".j2", below=True)
    }
    shell = {name: _NO_SHELL.sub("", text) for name, (_, text) in texts.items()}
    for name, (path, _) in texts.items():
        called = sorted(set(_CALL.findall(shell[name])))
        missing = [each for each in called if not _is_there(each)]
        if missing and not any(map(_READS.search, _with_parents(name, shell, set()))):
            yield (
                f"{path} calls `{missing[0]}`, which a job may not have: write `. FILE` before, "
                f"with the file that defines it (such as {_DEFINED_IN[missing[0]]})."
            )


def _is_there(name: str) -> bool:
    """Whether it is a program, or a function that this shell exports."""
    return f"BASH_FUNC_{name}%%" in os.environ or shutil.which(name) is not None


def _with_parents(name: str, shell: Mapping[str, str], seen: set[str]) -> Iterator[str]:
    """The site's template of that name, and those that it extends or includes."""
    if name in shell and name not in seen:
        seen.add(name)
        yield shell[name]
        for parent in _PARENT.findall(shell[name]):
            yield from _with_parents(parent, shell, seen)
