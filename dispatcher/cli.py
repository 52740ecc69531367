"""The command ``relion-dispatch``: what an admin or a curious user types.

RELION's own way in is :mod:`dispatcher.hook`; ``relion-dispatch submit`` leads there before
anything of this module is imported.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Annotated

import typer

from . import __version__
from .commands.check import check
from .commands.doctor import doctor
from .commands.explain import explain
from .commands.gpu import gpu_app
from .commands.help_files.write import help_files
from .commands.images import images_app
from .commands.jobs import cancel, resume, watch
from .commands.pin import pin
from .commands.plan import plan, submit
from .commands.relion import relion
from .commands.report import report
from .commands.reproduce import reproduce
from .commands.site import site_app
from .commands.status import status
from .commands.template import template
from .commands.types import types
from .errors import DispatchError
from .host.shown_streams import OutputLost, flush_all, shown_streams

__all__ = ["app", "main"]

_ENDED_BY_SIGPIPE = 141  # 128 + 13, as shells name such an end

app = typer.Typer(
    name="relion-dispatch",
    help=(
        "Runs RELION's queue jobs in containers on this site's cluster.\n\n"
        "RELION calls 'relion_dispatch.py SCRIPT' (the same as 'relion-dispatch submit SCRIPT') "
        "for each job. The other commands show what would happen, check the site's configuration, "
        "and start RELION itself from its image.\n\n"
        "The site's own files are read from $RELION_DISPATCH_SITE, else from etc/relion-dispatch "
        "of the installation, else from /etc/relion-dispatch."
    ),
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},  # of every command below as well
    pretty_exceptions_enable=False,
)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; errors meant for people are printed, not raised."""
    with shown_streams():
        try:
            status = _run(arguments)
            flush_all()
            return status
        except OutputLost as lost:
            return _told_of_lost_output(lost)


def _told_of_lost_output(lost: OutputLost) -> int:
    """Say what nobody else says; whoever stopped reading, as `head` does, knows it."""
    if lost.nobody_reads:
        return _ENDED_BY_SIGPIPE
    with suppress(OutputLost):
        print(
            f"relion-dispatch: What this command prints cannot be written ({lost.why}): free space "
            "there, or have the command print to another place.",
            file=sys.stderr,
        )
        flush_all()
    return 1


def _run(arguments: list[str] | None) -> int:
    try:
        return int(app(args=arguments, prog_name="relion-dispatch", standalone_mode=False) or 0)
    except DispatchError as error:
        print(f"relion-dispatch: {error}", file=sys.stderr)
        return 1
    except OSError as error:  # such as a link in a folder of others that leads to no possible name
        print(
            f"relion-dispatch: {error.filename or 'A file'} cannot be used "
            f"({error.strerror or error}): correct that file or its permissions, and try again.",
            file=sys.stderr,
        )
        return 1
    except typer.Abort:
        return 130
    except Exception as error:
        show = getattr(error, "show", None)  # a usage error of typer's
        if show is None:
            raise
        show()
        return int(getattr(error, "exit_code", 2))


app.command()(submit)
app.command()(plan)
app.command()(explain)
app.command()(check)
app.command()(doctor)
app.command()(template)
app.command()(types)
app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    add_help_option=False,
    options_metavar="[PROGRAM [ARGS]…]",
)(relion)
app.command()(status)
app.command()(cancel)
app.command()(resume)
app.command()(watch)
app.command()(pin)
app.command()(reproduce)
app.command()(report)
app.command("help-files")(help_files)
app.add_typer(gpu_app, name="gpu")
app.add_typer(images_app, name="images")
app.add_typer(site_app, name="site")


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[
        bool | None, typer.Option("--version", help="Print the version and exit.")
    ] = None,
) -> None:
    if version:
        print(__version__)
        raise typer.Exit
