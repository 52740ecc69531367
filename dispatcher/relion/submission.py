"""Reading ``JOB/run_submit.script``, the file that RELION wrote from our template."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from pathlib import Path

from ..errors import InputError, OtherTemplate
from ..host.directives import directive
from ..host.shared_files import opened_input
from ..refusal.tell_end import pipeliner_job
from ..units import whole_number
from .command import Command, parse_command
from .set_up_lines import only_sets_up
from .submission_forms import written
from .used_template import OUR_TEMPLATE, another_template

__all__ = [
    "SUBMISSION",
    "Submission",
    "is_unfilled",
    "parse_submission",
    "read_submission",
]

SUBMISSION = "run_submit.script"
_LONGEST = 256 << 10  # bytes; Linux passes no program a word of more than 128 KB
_UNFILLED = re.compile(r"XXX\w+XXX", re.ASCII)  # where RELION has nothing to write


@dataclass(frozen=True)
class Submission:
    """What RELION asked for.

    Attributes:
        job: the job's folder relative to the project, without trailing slash: ``Refine3D/job019``.
        outfile, errfile: RELION's output and error file, relative to the project.
        commands: the command lines, in order.
        ranks, threads: what the GUI had, None in the classic form.
        queue: the GUI's queue name, None in the classic form.
        left_out: lines of the template that only set up a shell, such as ``module load relion``.
        extra: what the fields of the site's own in the GUI have, by number, if the template has
            lines for them (``extra1: XXXextra1XXX``); those that are not set are left out.
    """

    job: str
    outfile: str
    errfile: str
    commands: tuple[Command, ...]
    ranks: int | None = None
    threads: int | None = None
    queue: str | None = None
    left_out: tuple[str, ...] = ()
    extra: Mapping[int, str] = field(default_factory=dict)

    @cached_property
    def main(self) -> Command:
        """The command that decides the job type: the Pipeliner's job runner, else the first RELION
        program, else the first line that is no mere file command (an External job's program)."""
        return next(
            chain(
                (command for command in self.commands if command.pipeliner_job),
                (command for command in self.commands if command.kind == "relion"),
                (command for command in self.commands if not command.is_file_tool),
            )
        )

    @property
    def is_pipeliners(self) -> bool:
        """Whether the job is the CCP-EM Pipeliner's, whose job runner starts its programs."""
        return self.main.pipeliner_job is not None


def read_submission(script: Path, template: str = OUR_TEMPLATE) -> tuple[Submission, Path]:
    """Read `script`; return the submission and the project's folder.

    `template` is the path of the template that RELION is to use.

    Raises:
        InputError: the file is missing, empty, binary, cut short, holds no command, or does not
            lie in the job folder that it names.
    """
    try:
        with opened_input(script) as stream:
            raw = stream.read(_LONGEST + 1)
    except OSError as error:
        raise InputError(
            f"The submission script {script} cannot be read ({error.strerror}): "
            "submit the job again from RELION."
        ) from error
    if len(raw) > _LONGEST:
        raise InputError(
            f"The submission script {script} is longer than {_LONGEST >> 10} KB, and no script of "
            f"RELION's is. {_sentence(another_template(script.parent, template))}"
        )
    text = raw.decode(errors="surrogateescape")  # names of files may have any bytes
    if "\0" in text:
        raise InputError(
            f"The submission script {script} is not a text file. "
            f"{_sentence(another_template(script.parent, template))}"
        )
    try:
        submission = parse_submission(text, str(script))
    except OtherTemplate as error:
        advice = _sentence(another_template(script.parent, template))
        raise InputError(f"{error} {advice}") from error
    folder = script.absolute().parent
    job = Path(submission.job)
    if folder.parts[-len(job.parts) :] != job.parts:
        raise InputError(
            f"The submission script {script} belongs to the job {submission.job}, but is not in "
            "that job's folder: give relion_dispatch.py the path that RELION gives."
        )
    return submission, Path(*folder.parts[: -len(job.parts)])


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def parse_submission(text: str, name: str) -> Submission:
    """Parse the text of a submission script; `name` is used in error messages.

    Raises:
        InputError: as for :func:`read_submission`, without what to do about another template.
    """
    # Not splitlines(), which also splits where bash does not (U+2028 in a file's name).
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    if not any(line.strip() for line in lines):
        raise OtherTemplate(f"The submission script {name} is empty.")
    form = written(lines, name)
    if not form.job and any(map(directive, lines)):
        raise OtherTemplate(
            f"The submission script {name} is itself a job script for a scheduler, and "
            "relion-dispatch writes the job script."
        )
    # The CCP-EM Pipeliner names the files as seen from where the job's programs will run.
    pipeliners = next(filter(None, (pipeliner_job(line) for _, line in form.lines)), "")
    if not (pipeliners or form.job):
        raise OtherTemplate(
            f"The submission script {name} does not name the job's run.out and run.err in its "
            "first lines."
        )
    read = [(line, _parse(line, name, n)) for n, line in form.lines if line.strip()]
    commands = tuple(command for _, command in read if command is not None)
    if all(command.is_file_tool for command in commands):
        raise OtherTemplate(f"The submission script {name} contains no command.")
    return Submission(
        job=pipeliners or form.job,
        outfile=f"{pipeliners}/run.out" if pipeliners else form.fields["outfile"],
        errfile=f"{pipeliners}/run.err" if pipeliners else form.fields["errfile"],
        commands=commands,
        ranks=_number(form.fields, "ranks", name),
        threads=_number(form.fields, "threads", name),
        left_out=tuple(line.strip() for line, command in read if command is None),
        queue=_filled(form.fields.get("queue", "")) or None,
        extra={
            int(key.removeprefix("extra")): text
            for key, text in form.fields.items()
            if key.startswith("extra") and _filled(text)
        },
    )


def _filled(text: str) -> str:
    """The text of a field; "" if RELION has written nothing there."""
    return "" if is_unfilled(text) else text


def is_unfilled(text: str) -> bool:
    """Whether it is the name by which a template asks for a field that RELION does not have."""
    return _UNFILLED.fullmatch(text.strip()) is not None


def _parse(line: str, name: str, number: int) -> Command | None:
    """The line's command; None if the line only sets up a shell."""
    advice = (
        "write the command alone on a line, in the template or the parameter that has this line. "
        "What the command needs of a shell belongs into a script that starts it, or into the "
        "site's job template. Then submit the job again."
    )
    try:
        if only_sets_up(line):
            return None
        advice = "correct the parameter in RELION's window and submit the job again."
        return parse_command(line)
    except InputError as error:
        raise InputError(
            f"{name}, line {number}: {error} ({line.strip()[:120]}): {advice}"
        ) from error


def _number(fields: Mapping[str, str], key: str, name: str) -> int | None:
    text = fields.get(key)
    if not text or is_unfilled(text):
        return None
    number = whole_number(text)
    if number is None:  # RELION writes 1e+06 for a million
        raise InputError(
            f"The submission script {name} asks for {text[:40]} {key}, which is not a whole number "
            "in the digits 0 to 9: correct the number in RELION's window and submit the job again."
        )
    return number
