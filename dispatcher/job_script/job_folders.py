"""The job script's own folders in a command: for RELION's control files, and for scratch data."""

from __future__ import annotations

from dataclasses import replace

from markupsafe import Markup

from ..host.shell_words import Variable, Word
from ..planning.scratch import scratch_of
from ..relion.command import Command, values_of

__all__ = ["words_in_job_script"]

# The job script's variable with the folder for control files. RELION looks for exit files in the
# job's own folder only, so what lies in there tells it nothing.
_CONTROL = Variable("dispatch_control", quoted=True)
_EXIT_FILE = "RELION_JOB_EXIT_"

_OWN_SCRATCH = Word((Variable("dispatch_scratch", quoted=True),))


def words_in_job_script(command: Command, job: str, is_last: bool) -> list[Markup]:
    """The command's words as the job script gives them, quoted.

    ``--pipeline_control`` names the control folder: RELION's programs only put its value before
    the names of their control files (pipeline_control.cpp, 3.1 to 5.0). For DynaMight and
    ModelAngelo ``--pipeline-control`` is a switch, and their exit files go to the job's folder; so
    it is left out where more commands follow. The exit files that RELION's own lines touch and
    remove are in the control folder as well. ``--scratch_dir`` names the job's own folder.
    """
    if not is_last:
        command = command.without("pipeline-control")
    command = _with_values(command, "pipeline_control", Word((_CONTROL, "/")))
    if command.is_file_tool:
        command = _with_exit_files_in_control(command, f"{job}/")
    scratch = scratch_of(command)
    if scratch and scratch.shared:
        command = _with_values(command, "scratch_dir", _OWN_SCRATCH)
    return [Markup(word) for word in command.shell_words()]


def _with_exit_files_in_control(command: Command, folder: str) -> Command:
    words = tuple(
        Word((_CONTROL, f"/{str(word).removeprefix(folder)}"))
        if str(word).startswith(f"{folder}{_EXIT_FILE}")
        else word
        for word in command.arguments
    )
    return replace(command, arguments=words)


def _with_values(command: Command, name: str, value: Word) -> Command:
    """The command with the value of each option `name` replaced in its place."""
    words = list(command.arguments)
    for at in values_of(command, name):
        words[at] = value
    return replace(command, arguments=tuple(words))
