"""Who starts a job's ranks: the script has one launcher before its program, ours or its template's.

A site's own template may print our launcher (in ``command.line`` or ``command.prefix``), bring its
own (as those of the FMI format do), or have neither. Only the rendered script shows which.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, NoReturn

from ..config.places import own_path
from ..errors import TemplateError
from ..planning.plan import Plan, PlannedCommand
from .command_lines import in_shell
from .filters import quoted
from .library import Library
from .node_gpus import with_what_stays
from .own_template import as_rendered
from .variables import job_script

__all__ = ["Settled", "settled"]


_Who = Literal[
    "we", "the template", "both", "now and then both", "nobody", "one process", "unknown"
]


class Settled(NamedTuple):
    """A plan and its job script, which agree on what starts the ranks."""

    plan: Plan
    script: str


def settled(plan: Plan, token: str, library: Library | None = None) -> Settled:
    """Render the plan's script, and see to it that the ranks are started, and not twice.

    What the script does not take from its node is the same on every node.

    Raises:
        TemplateError: nothing starts the ranks, or a launcher stands before the container, in
            which ours is; or as for :func:`job_script`.
        ConfigError: as for :func:`job_script`.
    """
    started, script = _started_once(plan, token, library)
    plan = with_what_stays(as_rendered(started, script), script)
    return Settled(plan, script if plan is started else job_script(plan, token, library))


def _started_once(plan: Plan, token: str, library: Library | None) -> Settled:
    """Plan and script with one launcher.

    If the template of a job on the host brings its own launcher, ours is left out.
    """
    script = job_script(plan, token, library)
    if not (plan.uses_mpi and own_path("job_template", folder=True)):
        return Settled(plan, script)  # shipped templates print our launcher once
    main = next(planned for planned in plan.commands if planned.is_main)
    who = _who_starts(plan, main, script)
    if who == "nobody":
        _refuse_one_rank(plan, main)
    if who == "both" and plan.image:
        raise TemplateError(
            f"Template {plan.template} has a launcher before the container, and another is in the "
            f"container, so that each of the {plan.nproc} ranks would start all of them: ask your "
            "admin to take the launcher out of the template, or to print "
            "{{ command.words | lines }} behind it in place of command.line."
        )
    warning, reason = _told(plan, main, who)
    plan = plan._replace(warnings=(*plan.warnings, *warning), reasons=(*plan.reasons, *reason))
    if plan.image or who in ("we", "now and then both"):
        return Settled(plan, script)
    commands = tuple(each._replace(prefix=()) if each.is_main else each for each in plan.commands)
    plan = plan._replace(commands=commands)  # the record says what runs
    return Settled(plan, job_script(plan, token, library) if who == "both" else script)


def _who_starts(plan: Plan, main: PlannedCommand, script: str) -> _Who:
    """Whose launcher starts the job's ranks in the script."""
    from .shell_calls import ShellScript  # only sites with templates of their own wait for these
    from .starts import launcher_names, starts

    reading = ShellScript(script)
    text = " ".join(str(quoted(word)) for word in in_shell(main.prefix))
    ours = reading.words(text)
    site = plan.site
    named = [*site.mpi.values(), *(each.launch for each in site.schedulers.values())]
    launchers = launcher_names(named)
    found = set(starts(reading, main.command.program, ours, launchers))
    if "both" in found:
        return "now and then both" if "ours" in found else "both"
    if "ours" in found:
        return "we"
    if "another" in found:
        return "the template"
    if found == {"alone"}:
        return "nobody"
    if ours and " ".join(text.split()) in " ".join(script.replace("\\\n", " ").split()):
        return "we"  # in a way that cannot be read
    if not found and set(starts(reading, main.command.base_program, (), launchers)) == {"alone"}:
        return "one process"
    return "unknown"


def _told(plan: Plan, main: PlannedCommand, who: _Who) -> tuple[list[str], list[str]]:
    """What to say of it: a warning, or a reason."""
    template, program = f"Template {plan.template}", main.command.base_program
    if who == "one process":
        return [
            f"{template} starts {program} as one process, though the job has {plan.nproc} ranks: "
            'set "nproc" of the job type to 1, or let the template start {{ job.command }}_mpi '
            "with a launcher."
        ], []
    if who == "now and then both":
        return [
            f"{template} starts the ranks behind a launcher of its own and the dispatcher's in one "
            "place, and behind the dispatcher's alone in another, so that each rank may start all "
            "ranks: ask your admin to print {{ command.words | lines }} behind the template's own "
            "launcher."
        ], []
    if who in ("the template", "both"):
        return [], [f"{template} starts the ranks itself."]
    if who == "unknown" and not plan.image:
        return [], [
            f"{template} has to start the {plan.nproc} ranks itself: the dispatcher's launcher is "
            "not in the job script."
        ]
    return [], []


def _refuse_one_rank(plan: Plan, main: PlannedCommand) -> NoReturn:
    """Say that the template starts one rank, and what to write or to set."""
    way_out = (
        "print {{ command.line | lines }} there for each command of job.commands"
        if main.prefix
        else 'set "mpi.mpirun" in site.json, or "launch" of the scheduler for several nodes'
    )
    raise TemplateError(
        f"Template {plan.template} starts {main.command.program} without a launcher, so that only "
        f"one of the job's {plan.nproc} ranks would run: ask your admin to {way_out}, or to write "
        "`mpirun -n {{ job.nproc }}` before the program."
    )
