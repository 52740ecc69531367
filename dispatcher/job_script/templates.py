"""Rendering job scripts: the nearest Jinja template along a job type's lineage, a site's own first.

Everything printed is quoted for the shell unless it is Markup. Autoescaping with a `finalize` that
returns Markup survives ``super()``, macros and includes; `finalize` alone would break ``super()``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import (
    Environment,
    FileSystemLoader,
    StrictUndefined,
    TemplateNotFound,
    TemplateSyntaxError,
    UndefinedError,
)

from ..errors import TemplateError
from .filters import FILTERS, quoted
from .scheduler_templates import moved_to

__all__ = ["environment", "render"]

# What the library has in place of the templates in parts/ of 0.1.0.
_PARTS = {
    "run": "run_commands",
    "on_each_node": "on_each_node",
    **dict.fromkeys(("image_check", "scratch"), "prepare_nodes"),
    **dict.fromkeys(("mps", "gpu_given", "gpu_node", "gpu_nodes", "gpu_ranks"), "look_after_gpus"),
}

# Not where a line goes on.
_EMPTY_LINE = re.compile(r"(?<!&&\n)(?<!\|\n)(?<!\\\n)^[ \t]*''[ \t]*(?:\n|\Z)", re.MULTILINE)
_NOTHING = "(exit $?)\n"


class _PartIsGoneError(TemplateNotFound):
    """A template of parts/, with a sentence on what to write instead."""


class _Loader(FileSystemLoader):
    """Finds templates that have moved since 0.1.0, and says what to write for those that are gone.

    A site's own may include them. A file of the old name in the site's folder goes before.
    """

    def get_source(
        self, environment: Environment, template: str
    ) -> tuple[str, str, Callable[[], bool]]:
        try:
            return super().get_source(environment, template)
        except TemplateNotFound as error:
            if now := moved_to(template):
                source = super().get_source(environment, now)
                return source if now.endswith(".j2") else ("", *source[1:])  # it is in the library
            if template.startswith("parts/"):
                name = template.removeprefix("parts/").removesuffix(".sh.j2")
                raise _PartIsGoneError(
                    template,
                    f"{template} is no longer there: the library beside each job script has its "
                    f"functions. Write {_PARTS.get(name, 'begin_job')} in place of the include, "
                    'and let the template extend "base.sh.j2"',
                ) from error
            raise


def environment(folders: Sequence[Path]) -> Environment:
    """A Jinja environment that quotes for the shell and knows our filters."""
    env = Environment(
        loader=_Loader(folders),
        autoescape=True,
        finalize=quoted,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        optimized=False,  # each template is rendered once: optimising takes longer than it saves
    )
    env.filters.update(FILTERS)
    return env


def render(env: Environment, name: str, job: Mapping[str, Any]) -> str:
    """Render the template `name` with the variable ``job``.

    Raises:
        TemplateError: naming the template, the line and what is wrong with it.
    """
    try:
        text = env.get_template(name).render(job=job)
    except TemplateSyntaxError as error:
        raise TemplateError(
            f"Template {error.filename or error.name}, line {error.lineno}: {error.message}."
        ) from error
    except UndefinedError as error:
        raise TemplateError(f"Template {_place(error, name)}: {_explained(error, job)}.") from error
    except TemplateNotFound as error:
        raise TemplateError(f"Template {_place(error, name)}: {_missing(error)}.") from error
    except TemplateError:
        raise
    except RecursionError as error:
        raise TemplateError(
            f"Template {_place(error, name)}: the template extends or includes itself: name the "
            'file after a job type, or set "template" of the job type (docs/templates.md).'
        ) from error
    except Exception as error:  # a template may do anything: {{ job.nproc + "x" }}
        raise TemplateError(
            f"Template {_place(error, name)}: {type(error).__name__}: {error}."
        ) from error
    return _without_empty_commands(text).replace("\n\n\n", "\n\n")


def _without_empty_commands(text: str) -> str:
    """Replace lines that would run an empty word: what a template prints of an empty text on a
    line by itself. Such a word stays where it is an argument, an element, or text.

    The line in its place does nothing and keeps the status of the command before it: a body of
    `if` or of a function may not be empty, and the next line may ask for ``$?``.
    """
    marks: list[str] = []

    def mark(_line: re.Match[str]) -> str:
        marks.append(f"empty_command_{len(marks)}")
        return marks[-1] + "\n"

    marked = _EMPTY_LINE.sub(mark, text)
    if not marks:
        return text
    from ..host.shell_tokens import bare
    from .shell_commands import Commands  # seldom needed

    read = Commands(marked)
    commands = (command for calls in (read.outside, *read.functions.values()) for command in calls)
    run = {bare(command[0]) for command in commands if len(command) == 1}
    each = iter(marks)
    return _EMPTY_LINE.sub(lambda line: _NOTHING if next(each) in run else line[0], text)


def _missing(error: TemplateNotFound) -> str:
    if isinstance(error, _PartIsGoneError):
        return str(error.message)
    return f"there is no template {error.name}: correct the name, or put the file there"


def _place(error: BaseException, name: str) -> str:
    """File and line of the template that was being rendered, from the traceback."""
    place, step = name, error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename.endswith(".j2"):
            place = f"{step.tb_frame.f_code.co_filename}, line {step.tb_lineno}"
        step = step.tb_next
    return place


def _explained(error: UndefinedError, job: Mapping[str, Any]) -> str:
    from ..config.json_files import nearest

    found = re.search(r"'([\w.]+) object' has no attribute '(\w+)'", str(error))
    if not found:
        return str(error)
    kind, name = found.groups()
    inner = (value for value in job.values() if isinstance(value, dict))  # as job.gpu_fit is
    known = {"dict": ("job", [*job, *(each for value in inner for each in value)])}
    for key, value in job.items():  # job.site is a value with names of its own
        of_class = f"{type(value).__module__}.{type(value).__qualname__}"
        known[of_class] = (f"job.{key}", [each for each in dir(value) if each[0] != "_"])
    if kind not in known:
        return str(error)
    place, names = known[kind]
    return f'there is no variable "{place}.{name}"{nearest(name, names)}'
