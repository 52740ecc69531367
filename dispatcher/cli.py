"""The command ``relion-dispatch``: what an admin or a curious user types.

RELION's own way in is :mod:`dispatcher.hook`; ``relion-dispatch submit`` leads there before
anything of this module is imported.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from . import __version__
from .commands import gpu as cli_gpu
from .commands import images as cli_images
from .commands import jobs as cli_jobs
from .commands import projects as cli_projects
from .commands import site as cli_site
from .errors import DispatchError

__all__ = ["app", "main"]

app = typer.Typer(
    name="relion-dispatch",
    help=(
        "Runs RELION's queue jobs in containers on this site's cluster.\n\n"
        "RELION calls 'relion_dispatch.py SCRIPT' (the same as 'relion-dispatch submit SCRIPT') "
        "for each job. The other commands show what would happen, check the site's configuration, "
        "and start RELION itself from its image.\n\n"
        "The site's own files are read from $RELION_DISPATCH_SITE, else /etc/relion-dispatch."
    ),
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Script = Annotated[
    Path, typer.Argument(metavar="SCRIPT", help="RELION's script: JOB/run_submit.script.")
]


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; errors meant for people are printed, not raised."""
    try:
        return int(app(args=arguments, prog_name="relion-dispatch", standalone_mode=False) or 0)
    except DispatchError as error:
        print(f"relion-dispatch: {error}", file=sys.stderr)
        return 1
    except typer.Abort:
        return 130
    except Exception as error:
        show = getattr(error, "show", None)  # a usage error of typer's
        if show is None:
            raise
        show()
        return int(getattr(error, "exit_code", 2))


@app.command()
def submit(script: Script) -> int:
    """Plan a job, write its job script, submit and record it. What RELION calls."""
    from .hook import main as hook

    return hook([str(script)])


@app.command()
def plan(
    script: Script,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    as_script: Annotated[bool, typer.Option("--script", help="Print the job script.")] = False,
) -> int:
    """Show what would be submitted, and why. Writes nothing and submits nothing."""
    from .config.configuration import load_configuration
    from .job_script.variables import NO_TOKEN, job_script
    from .planning.make_plan import plan_script

    planned = plan_script(script, load_configuration())
    if as_script:
        sys.stdout.write(job_script(planned, NO_TOKEN))
    elif as_json:
        print(json.dumps(planned.as_json(), indent=2, ensure_ascii=False))
    else:
        job_script(planned, NO_TOKEN)  # a template's mistake belongs to the answer
        print("\n".join(planned.summary))
        print(f"scheduler {planned.scheduler}, template {planned.template}\n")
        print("\n".join(planned.reasons))
        for warning in planned.warnings:
            print(f"warning: {warning}")
    return 0


@app.command()
def check() -> int:
    """Check the site's configuration, images and templates.

    A made-up job of every type is planned, and its script read by bash. Status 1 if something is
    wrong.
    """
    from .site.check import problems

    found = problems()
    for problem in found:
        print(problem)
    if not found:
        print("Everything is in order.")
    return 1 if found else 0


@app.command()
def template() -> int:
    """Print the submission template's path, for RELION.

    It belongs into RELION_QSUB_TEMPLATE.
    """
    from .config.places import shipped_folder

    # An installation names its copy, whose path stays when it is upgraded.
    installed = os.environ.get("RELION_DISPATCH_TEMPLATE")
    print(installed or shipped_folder() / "job_template" / "relion_template.sh")
    return 0


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    add_help_option=False,
    options_metavar="[PROGRAM [ARGS]…]",
)
def relion(context: typer.Context) -> int:
    """Start RELION, or another program, from the project's image.

    Queue jobs from it are dispatched here. Without a program, RELION's GUI. Run it in the project's
    folder.
    """
    from .config.configuration import load_configuration
    from .images.choice import Needs, choose
    from .images.image_used import as_used_before
    from .images.integrity import verified
    from .images.known_projects import remember
    from .images.pins import PIN_FILE, pins
    from .session.launcher import run_session

    if context.args[:1] in (["--help"], ["-h"]):
        print(context.get_help())
        return 0
    project = Path.cwd()
    configuration = load_configuration()
    catalogue = configuration.catalogue
    program = context.args[0] if context.args else "relion"
    needs = Needs(
        programs=(program,) if program.startswith("relion") else (),
        signed_by=tuple(configuration.site.apptainer.signed_by),
    )
    pinned, pin_file = pins(project), project / PIN_FILE
    versions = {name: pin.version for name, pin in pinned.items()}
    image = choose(catalogue, "relion", versions, needs, pin_file)
    image = as_used_before(image, catalogue, pinned, pin_file, verified)
    if "relion" in pinned:
        remember(project, configuration.site)
    return run_session(configuration.site, image.path, project, context.args, hook_argv())


def hook_argv() -> list[str]:
    """The arguments that dispatch a script in this very Python; the script's path follows."""
    start = (
        "import sys; sys.path.insert(0, sys.argv.pop(1)); "
        "from dispatcher.hook import main; sys.exit(main(sys.argv[1:]))"
    )
    return [sys.executable, "-I", "-c", start, str(Path(__file__).resolve().parent.parent)]


app.command()(cli_jobs.status)
app.command()(cli_jobs.cancel)
app.command()(cli_jobs.watch)
app.command()(cli_projects.pin)
app.command()(cli_projects.reproduce)
app.add_typer(cli_gpu.gpu_app, name="gpu")
app.add_typer(cli_images.images_app, name="images")
app.add_typer(cli_site.site_app, name="site")


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[
        bool | None, typer.Option("--version", help="Print the version and exit.")
    ] = None,
) -> None:
    if version:
        print(__version__)
        raise typer.Exit
