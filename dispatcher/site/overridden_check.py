"""Which values of site.json do not hold for all whom they seem to be for?

A job type's own value goes before that of a base type, also if site.json has the latter.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..config.job_types import ADDED, JobTypes, lineage
from ..config.places import config_path
from ..config.site import Site
from ..config.where import Where
from .job_type_check import named
from .parameter_places import deciding_level

__all__ = ["overridden_values"]


def overridden_values(site: Site, types: JobTypes) -> Iterator[str]:
    """A sentence for each value of site.json that job types override."""
    where = Where(config_path("site.json"))
    for level, parameters in site.job_parameters.items():
        if level not in types.types:
            continue  # told elsewhere
        for key, value in parameters.items():
            if key not in ADDED and (names := _with_another(level, key, value, site, types)):
                place = where.at("job_parameters").at(level).at(key)
                yield _sentence(place, names, 'name them in "job_parameters" too')
    if site.image:
        images = {name: _image(name, types) for name in _taking_jobs(types)}
        if names := [name for name, image in images.items() if image not in (None, "", site.image)]:
            yield _sentence(where.at("image"), names, 'change "image" in a copy of that file')


def _sentence(where: Where, names: list[str], advice: str) -> str:
    return (
        f"{where} does not hold for {named(names)}: {config_path('dispatch_config.json')} has "
        f"another value there. If you want this value there as well, {advice}."
    )


def _with_another(level: str, key: str, value: object, site: Site, types: JobTypes) -> list[str]:
    """The entries below a level whose own value of that parameter takes the place of this one."""
    found: dict[str, None] = {}
    for name in _taking_jobs(types):
        names = lineage(types.types, name)
        decided = deciding_level(name, key, site, types) if level in names else None
        if decided is None or decided[1] or names.index(decided[0]) <= names.index(level):
            continue
        if types.types[decided[0]].job_parameters.get(key) != value:
            found[decided[0]] = None
    return list(found)


def _taking_jobs(types: JobTypes) -> list[str]:
    return [name for name, kind in types.types.items() if kind.matches_jobs]


def _image(name: str, types: JobTypes) -> str | None:
    """The image that the type, or the nearest one that it inherits from, names."""
    images = (types.types[each].image for each in reversed(lineage(types.types, name)))
    return next((image for image in images if image is not None), None)
