"""``relion-dispatch help-files``: manual pages, and what shells complete by."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["help_files"]


def help_files(
    context: typer.Context,
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Such as /usr/local/share or ~/.local/share.")
    ],
) -> int:
    """Write manual pages, and completion for shells, below a folder.

    An installation has these files in its share folder (docs/install.md): this command is for
    relion-dispatch as pip installs it. Shells and man find them in ~/.local/share.
    """
    from ...errors import WriteError
    from ...host.atomic_files import write_atomically
    from ...host.shared_trees import make_folders

    try:
        for name, text in _files(context):
            path = folder.absolute() / name
            make_folders(path.parent)
            write_atomically(path, text, "or name another folder.", mode=0o644)
    except OSError as error:
        raise WriteError(
            f"{error.filename or folder} cannot be written ({error.strerror}): name a folder that "
            "you can write to."
        ) from error
    return 0


def _files(context: typer.Context) -> Iterator[tuple[str, str]]:
    """The files' names below the folder, where shells and man look for them, and their texts."""
    from ... import __version__
    from .bash import bash_completion
    from .command_tree import PROGRAM, command_tree
    from .fish import fish_completion
    from .man_page import man_pages
    from .tcsh import tcsh_completion
    from .zsh import zsh_completion

    tree = command_tree(context.find_root().command)
    yield f"bash-completion/completions/{PROGRAM}", bash_completion(tree, __version__)
    yield f"zsh/site-functions/_{PROGRAM}", zsh_completion(tree, __version__)
    yield f"fish/vendor_completions.d/{PROGRAM}.fish", fish_completion(tree, __version__)
    yield f"tcsh/{PROGRAM}.csh", tcsh_completion(tree, __version__)
    for name, text in man_pages(tree, __version__).items():
        yield f"man/man1/{name}", text
