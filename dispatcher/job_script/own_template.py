"""Does the rendered script start its commands as their forms that go on are to be started?"""

from __future__ import annotations

import re

from ..planning.plan import Plan
from ..reason import topic_of
from .command_lines import line_of
from .filters import quoted

__all__ = ["as_rendered"]


def as_rendered(plan: Plan, script: str) -> Plan:
    """The plan; as one of a job that does not go on, with a warning, if the script has no such
    forms, or starts the first form in a way of its own.

    A template of the site's own may print the commands itself, or put a launcher before them. The
    script would then go on without what the template does, as with one rank of several. What it
    starts with `run` beside them, as to copy data, would be taken for one of them.
    """
    if plan.goes_on is None:
        return plan
    text = _on_one_line(script)
    begun = [line_of(plan, each, each.command) for each in plan.commands if each.continuation]
    lines = [_on_one_line(" ".join(str(quoted(word)) for word in each)) for each in begun]
    as_we_do = all(f"run {each} " in text for each in lines)
    as_we_do = as_we_do and len(re.findall(r"(?m)^\s*run\s", script)) == len(plan.commands)
    if as_we_do and text.count("dispatch_continuation=(") == len(lines):
        return plan
    warning = (
        f"The job does not go on by itself, because template {plan.template} starts the commands "
        "in a way of its own: let the template extend base.sh.j2, and print "
        "`run {{ command.line | lines }}` if it has a block `command` (docs/templates.md)."
    )
    return plan._replace(
        goes_on=None,
        commands=tuple(each._replace(continuation=None) for each in plan.commands),
        reasons=tuple(each for each in plan.reasons if topic_of(each) != "goes_on"),
        warnings=(*plan.warnings, warning),
    )


def _on_one_line(text: str) -> str:
    return " ".join(text.replace("\\\n", " ").split())
