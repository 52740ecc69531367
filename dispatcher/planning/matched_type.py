"""Which job type a submission is of, and what the type's lineage says about the job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..config.configuration import Configuration
from ..config.job_types import ADDED, JobType, lineage, match, merged_parameters
from ..config.places import changed_in, has_template, own_path, site_folder
from ..config.site import Site
from ..errors import InputError, TemplateError
from .job_request import JobRequest
from .pipeliners_window import as_matched

__all__ = ["MatchedType", "matching_name", "with_lineage"]


class MatchedType(NamedTuple):
    """A job type with its lineage, from the base to the leaf.

    Attributes:
        name: of the leaf.
        lineage: the names of the lineage.
        levels: their entries in dispatch_config.json.
        parameters: all their job_parameters, those of site.json among them.
        image: the type's image in the catalogue, else the site's; empty or None for the host.
    """

    name: str
    lineage: tuple[str, ...]
    levels: tuple[JobType, ...]
    parameters: Mapping[str, Any]
    image: str | None

    def nearest(self, key: str) -> Any:
        """The value of `key` in the entry nearest to the leaf that has one, else None."""
        found = (getattr(level, key) for level in reversed(self.levels))
        return next((value for value in found if value is not None), None)

    @property
    def template(self) -> str:
        """The job template of the leaf-most type that has one, or the one that an entry names.

        Raises:
            TemplateError: there is none.
            ConfigError: the site's own cannot be read.
        """
        named = self.nearest("template")
        wanted = [f"{name}.sh.j2" for name in ([named] if named else reversed(self.lineage))]
        for name in wanted:
            inside = not name.startswith("/") and ".." not in name.split("/")
            if inside and has_template(name):
                return name
        raise TemplateError(
            f"There is no job template for {' → '.join(self.lineage)}: add one of "
            f"{', '.join(wanted)} to {site_folder() / 'job_template'}."
        )

    @property
    def has_own_template(self) -> bool:
        """Whether that template is the site's own, not a shipped one."""
        return own_path(f"job_template/{self.template}") is not None


def matching_name(request: JobRequest, configuration: Configuration) -> str:
    """The first job type of dispatch_config.json that matches the submission.

    Raises:
        InputError: none does.
    """
    main, label = request.submission.main, request.label
    seen = as_matched(main, request.options) if request.submission.is_pipeliners else main
    found = match(configuration.job_types.types, seen, label)
    if found is None:
        raise InputError(
            f"No job type matches {main.base_program}"
            f"{f' (a {label} job)' if label else ''}: ask your admin to add a job type for this "
            f"program to {changed_in('dispatch_config.json')}."
        )
    return found


def with_lineage(name: str, configuration: Configuration) -> MatchedType:
    """The job type of that name."""
    types = configuration.job_types.types
    names = lineage(types, name)
    levels = tuple(types[each] for each in names)
    site = configuration.site
    matched = MatchedType(name, names, levels, _job_parameters(site, names, levels), site.image)
    named = matched.nearest("image")
    return matched if named is None else matched._replace(image=named)


def _job_parameters(site: Site, names: Sequence[str], levels: Sequence[JobType]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for name, level in zip(names, levels, strict=True):
        above = {key: list_ for key in ADDED if (list_ := merged.get(key))}
        for own in (merged_parameters([level]), site.job_parameters.get(name, {})):
            if "partition" in own or "partitions" in own:  # either takes the place of both
                merged = {**merged, "partition": None, "partitions": None}
            merged |= own
            for key, inherited in above.items():
                if isinstance(listed := own.get(key), list):
                    merged[key] = _together(inherited, listed)
    return merged


def _together(above: Sequence[object], own: Sequence[object]) -> list[object]:
    """Options of a base type and those of the type, once each: the last of a kind holds."""
    options = [*above, *own]
    return [each for at, each in enumerate(options) if each not in options[at + 1 :]]
