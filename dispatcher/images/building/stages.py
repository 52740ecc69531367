"""The stages of an Apptainer definition, as spython reads them.

spython takes no Bootstrap but docker, and takes comments and %arguments that mention that word for
the keyword: it is given a copy without them.
"""

from __future__ import annotations

import re
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import NamedTuple

from ...errors import ImageError

__all__ = ["Stage", "read_stages"]

_BOOTSTRAP = re.compile(r"^Bootstrap:[ \t]*(\S.*)$", re.MULTILINE | re.IGNORECASE)
# Up to the next section or stage.
_ARGUMENTS = re.compile(r"^%arguments\b.*\n(?:(?!%\w|bootstrap:).*(?:\n|\Z))*", re.M | re.I)


class Stage(NamedTuple):
    """One image of a definition.

    Attributes:
        post: the lines of %post.
        test: whether there is a %test.
        labels: the lines of %labels.
    """

    post: tuple[str, ...]
    test: bool
    labels: tuple[str, ...]


def read_stages(path: Path, text: str, scratch: Path) -> list[Stage]:
    """The stages of the definition at `path`, whose `text` has its arguments filled in.

    `scratch` is a folder for the copy that spython reads.

    Raises:
        ImageError: it is no definition, or spython cannot read it.
    """
    from spython.main.parse.parsers import get_parser  # type: ignore[import-untyped]

    if not _BOOTSTRAP.search(text):
        raise ImageError(
            f"{path} is not an Apptainer definition, because it has no line `Bootstrap: …`."
        )
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    plain = _ARGUMENTS.sub("", "\n".join(lines))
    copy = scratch / "definition-for-parser"
    copy.write_text(_BOOTSTRAP.sub("Bootstrap: docker", plain) + "\n")
    said = StringIO()
    try:
        with redirect_stdout(said), redirect_stderr(said):
            found = get_parser("singularity")(str(copy)).recipe.values()
    except (Exception, SystemExit) as error:  # it raises whatever it stumbles over
        print(said.getvalue(), file=sys.stderr, end="")
        raise ImageError(
            f"The definition {path} cannot be read ({str(error) or type(error).__name__}): correct "
            "the file or its permissions."
        ) from None
    finally:
        copy.unlink(missing_ok=True)
    return [
        Stage(
            post=tuple(each.install),
            test=bool(each.test),
            labels=tuple(each.labels),
        )
        for each in found
    ]
