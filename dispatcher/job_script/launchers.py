"""Who starts a job's ranks: the script has one launcher before its program, ours or its template's.

A site's own template may print our launcher (in ``command.line`` or ``command.prefix``), bring its
own (as those of the FMI format do), or have neither. Only the rendered script shows which.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple, NoReturn

from ..config.site import Site
from ..errors import TemplateError
from ..planning.plan import Plan, PlannedCommand
from .filters import quoted
from .library import Library
from .node_gpus import with_what_stays
from .variables import in_shell, job_script

__all__ = ["Settled", "settled"]

# Launchers of MPI by their usual names; the site's files name those of its schedulers.
_USUAL = re.compile(r"(mpirun|mpiexec)([._-].*)?|orterun|prterun|prun|aprun|jsrun|ibrun")
# What may stand before a program and starts nothing but that program, once.
_STARTS_ONCE = frozenset(
    {"run", "exec", "eval", "time", "env", "nice", "nohup", "stdbuf", "timeout", "apptainer",
     "singularity", "dispatch_container"}
)  # fmt: skip
_KEYWORDS = frozenset({"if", "then", "else", "do", "!", "{", "("})
_REASONS = re.compile(r"<<'END_OF_REASONS'\n.*?^END_OF_REASONS$", re.DOTALL | re.MULTILINE)
# Looks ahead, because a function's body may hold definitions as well.
_DEFINITION = re.compile(
    r"^\s*(?:(?:export|local|readonly|declare)\s+(?:-\w+\s+)*)?(?P<name>\w+)"
    r"(?==(?P<value>.*)|\s*\(\)\s*\{(?P<body>[^}]*))",
    re.MULTILINE,
)


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
    plan = with_what_stays(started, script)
    return Settled(plan, script if plan is started else job_script(plan, token, library))


def _started_once(plan: Plan, token: str, library: Library | None) -> Settled:
    """Plan and script with one launcher.

    If the template of a job on the host brings its own launcher, ours is left out.
    """
    script = job_script(plan, token, library)
    if not plan.uses_mpi:
        return Settled(plan, script)
    main = next(planned for planned in plan.commands if planned.is_main)
    who = _who_starts(plan, main, script)
    if who == "nobody":
        _refuse_one_rank(plan, main)
    elif who == "both" and plan.image:
        raise TemplateError(
            f"Template {plan.template} has a launcher before the container, and another is in the "
            f"container, so that each of the {plan.nproc} ranks would start all of them: ask your "
            "admin to take the launcher out of the template, or to print "
            "{{ command.words | lines }} behind it in place of command.line."
        )
    elif who == "one process":
        warning = (
            f"Template {plan.template} starts {main.command.base_program} as one process, though "
            f'the job has {plan.nproc} ranks: set "nproc" of the job type to 1, or let the '
            "template start {{ job.command }}_mpi with a launcher."
        )
        plan = plan._replace(warnings=(*plan.warnings, warning))
    elif who != "we":
        reason = f"Template {plan.template} starts the ranks itself."
        plan = plan._replace(reasons=(*plan.reasons, reason))
    if who == "we" or plan.image:
        return Settled(plan, script)
    commands = tuple(each._replace(prefix=()) if each.is_main else each for each in plan.commands)
    plan = plan._replace(commands=commands)  # the record says what runs
    return Settled(plan, job_script(plan, token, library) if who == "both" else script)


def _who_starts(
    plan: Plan, main: PlannedCommand, script: str
) -> Literal["we", "the template", "both", "nobody", "one process"]:
    """Whose launcher starts the job's ranks in the script. What cannot be seen is the template's.

    With "one process" the template starts the program that has no ranks.
    """
    reading = _Reading(script, _launchers(plan.site, script))
    ours = [str(quoted(word)) for word in in_shell(main.prefix)]
    starts = list(reading.before(main.command.program))
    single = starts or list(reading.before(main.command.base_program))
    if any(map(reading.starts_once, single)) and not reading.has_launcher():
        return "nobody" if starts else "one process"
    if any(reading.count(words) > reading.count(ours) > 0 for words in starts):
        return "both"
    printed = any(_text(ours) in _text(words) for words in starts if ours)
    return "we" if printed or plan.image else "the template"


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


def _launchers(site: Site, script: str) -> frozenset[str]:
    """The names of the site's launchers, and of the script's variables and functions with one."""
    named = [*site.mpi.values(), *(each.launch for each in site.schedulers.values())]
    known = frozenset(Path(words[0]).name for words in named if words)
    found = set(known)
    for definition in _DEFINITION.finditer(script):
        words = re.findall(r"[^\s\"'()]+", definition["value"] or definition["body"] or "")
        if any(_is_launcher(_name(word), known) for word in words):
            found.add(definition["name"])
    return frozenset(found)


def _is_launcher(name: str, known: frozenset[str]) -> bool:
    return name in known or _USUAL.fullmatch(name) is not None


def _name(word: str) -> str:
    """``"${launch[@]}"`` → ``launch``, ``/opt/bin/mpirun`` → ``mpirun``."""
    return re.sub(r"\[.*\]", "", word.strip("\"'")).strip("${}\"'").rpartition("/")[2]


class _Reading:
    """A job script, read as far as launchers and programs go."""

    def __init__(self, script: str, launchers: frozenset[str]) -> None:
        text = _REASONS.sub("", script).replace("\\\n", " ")
        self._launchers = launchers
        self._lines = [line for line in text.split("\n") if not line.lstrip().startswith("#")]

    def before(self, program: str) -> Iterator[list[str]]:
        """The words before each place where the program is started."""
        name = program.rpartition("/")[2]
        for line in self._lines:
            for part in re.split(r"&&|\|\|?|;", line):
                words = part.split()
                names = [_name(word) for word in words]
                if name in names:
                    yield words[: names.index(name)]

    def count(self, words: list[str]) -> int:
        """How many of the words are launchers."""
        return sum(_is_launcher(_name(word), self._launchers) for word in words)

    def starts_once(self, words: list[str]) -> bool:
        """Whether the words before a program certainly start it only once."""
        commands = [w for w in words if w not in _KEYWORDS and not re.match(r"\w+=", w)]
        return self.count(words) == 0 and (not commands or _name(commands[0]) in _STARTS_ONCE)

    def has_launcher(self) -> bool:
        """Whether there is any launcher in the script."""
        return any(self.count(line.split()) for line in self._lines)


def _text(words: list[str]) -> str:
    """The words as one text with single blanks."""
    return " ".join(" ".join(words).split())
