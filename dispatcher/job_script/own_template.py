"""Does what a site's own templates and options print let the job go on, as the plan says?"""

from __future__ import annotations

import re
from collections.abc import Collection

from ..config.ends_from_outside import Cause
from ..host.directives import directive, first_command
from ..planning.goes_on import goes_on_in_words, in_words
from ..planning.plan import Plan
from ..reason import about, topic_of
from .command_lines import line_of
from .filters import quoted

__all__ = ["as_rendered"]


def as_rendered(plan: Plan, script: str) -> Plan:
    """The plan; with a warning, and as one of a job that does not go on, or not after all that it
    was to survive, if the script cannot."""
    if plan.goes_on is None:
        return plan
    if not _starts_as_we_do(plan, script):
        warning = (
            f"The job does not go on by itself, because template {plan.template} starts the "
            "commands in a way of its own: let the template extend base.sh.j2, and print "
            "`run {{ command.line | lines }}` if it has a block `command` (docs/templates.md)."
        )
        return _but_not_after(plan, plan.goes_on.after, warning)
    directives = _directives(plan, script)
    for words, each in plan.site.schedulers[plan.scheduler].goes_on_unless.items():
        lost = [cause for cause in each.after if plan.goes_on and cause in plan.goes_on.after]
        if lost and re.search(each.directives, directives):
            warning = (
                f"The job does not go on by itself after {in_words(lost)}, because its directives "
                f"have {words}: ask your admin to correct the site's templates of directives, or "
                'its "scheduler_options" (docs/going-on.md).'
            )
            plan = _but_not_after(plan, lost, warning)
    return plan


def _starts_as_we_do(plan: Plan, script: str) -> bool:
    """Whether the script starts the commands' forms that go on, and the first ones as we do.

    A template of the site's own may print the commands itself, or put a launcher before them. The
    script would then go on without what the template does, as with one rank of several. What it
    starts with `run` beside them, as to copy data, would be taken for one of them.
    """
    text = _on_one_line(script)
    begun = [line_of(plan, each, each.command) for each in plan.commands if each.continuation]
    lines = [_on_one_line(" ".join(str(quoted(word)) for word in each)) for each in begun]
    return (
        all(f"run {each} " in text for each in lines)
        and len(re.findall(r"(?m)^\s*run\s", script)) == len(plan.commands)
        and text.count("dispatch_continuation=(") == len(lines)
        # A copy must know that it is one.
        and ("dispatch_follows=" in script or not (plan.goes_on and plan.goes_on.queued_ahead))
    )


def _directives(plan: Plan, script: str) -> str:
    """What the scheduler reads: a line an option of the script, then what the submit command has,
    which counts more."""
    lines = script.splitlines()
    found = [directive(line) for line in lines[: first_command(lines)]]
    return "\n".join([*filter(None, found), " ".join(plan.submit_command[1:])])


def _but_not_after(plan: Plan, lost: Collection[Cause], warning: str) -> Plan:
    goes_on = plan.goes_on and plan.goes_on.but_not_after(lost)
    commands = plan.commands
    if not goes_on:
        commands = tuple(each._replace(continuation=None) for each in commands)
    others = (each for each in plan.reasons if topic_of(each) != "goes_on")
    return plan._replace(
        goes_on=goes_on,
        commands=commands,
        reasons=(*others, *about("goes_on", [goes_on_in_words(goes_on)] if goes_on else [])),
        warnings=(*plan.warnings, warning),
    )


def _on_one_line(text: str) -> str:
    return " ".join(text.replace("\\\n", " ").split())
