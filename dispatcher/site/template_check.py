"""Can Jinja read each template, and does a template print each parameter of a job type?"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..config.job_types import DECIDING_PARAMETERS, JobTypes
from ..config.json_files import nearest
from ..config.places import files_in, template_folders
from ..config.site import Site
from ..job_script.templates import environment
from ..job_script.variables import TEMPLATE_PARAMETERS

__all__ = ["hidden_parameters", "unread_templates", "unused_parameters"]


def unread_templates() -> Iterator[str]:
    """Templates that Jinja cannot read, also those that no job type uses."""
    env = environment(template_folders())
    for name in _template_names():
        try:
            env.get_template(name)
        except Exception as error:
            line = f", line {error.lineno}" if hasattr(error, "lineno") else ""
            yield f"Template {name}{line}: {error}"


def unused_parameters(site: Site, types: JobTypes, known: set[str]) -> Iterator[str]:
    """job_parameters that no template prints and no decision reads: misspelt, most likely."""
    sources = _template_sources()
    may_stand_there = sorted({*DECIDING_PARAMETERS, *TEMPLATE_PARAMETERS})
    for name, kind in types.types.items():
        for key in {**kind.job_parameters, **site.job_parameters.get(name, {})}:
            if key not in known and not re.search(rf"\bjob\.{re.escape(key)}\b", sources):
                yield (
                    f'job type "{name}", key "job_parameters.{key}": no template uses it'
                    f"{nearest(key, may_stand_there)}"
                )


def hidden_parameters(site: Site, types: JobTypes, hidden: set[str]) -> Iterator[str]:
    """job_parameters that have the name of a variable of ours, which templates get instead."""
    for name, kind in types.types.items():
        for key in {**kind.job_parameters, **site.job_parameters.get(name, {})}:
            if key in hidden:
                yield (
                    f'job type "{name}", key "job_parameters.{key}": templates get another value '
                    f"as job.{key}, that of relion-dispatch: give the parameter another name"
                )


def _template_sources() -> str:
    env = environment(template_folders())
    loader = env.loader
    assert loader is not None
    return "\n".join(loader.get_source(env, name)[0] for name in _template_names())


def _template_names() -> list[str]:
    """Of all templates, as Jinja names them."""
    found = ((each, files_in(each, ".j2", below=True)) for each in template_folders())
    return sorted({str(path.relative_to(each)) for each, paths in found for path in paths})
