"""The three files of a site together: site.json, dispatch_config.json, images.json."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import ConfigError
from ..host.shell_words import split
from .catalogue import Catalogue, load_catalogue
from .job_types import JobTypes, check_job_parameters, job_type_place, load_job_types
from .json_files import nearest
from .places import changed_in, config_path
from .scheduler import Scheduler
from .site import Site, load_site
from .where import Where

__all__ = ["Configuration", "check_site_against_types", "load_configuration"]


class Configuration(NamedTuple):
    """The three files of a site, loaded and checked."""

    site: Site
    job_types: JobTypes
    catalogue: Catalogue


def load_configuration() -> Configuration:
    """Load site.json, dispatch_config.json and images.json.

    Raises:
        ConfigError: one of them is wrong.
    """
    site = load_site()
    job_types = load_job_types(config_path("dispatch_config.json"))
    check_site_against_types(site, job_types)
    return Configuration(site, job_types, load_catalogue(config_path("images.json")))


def check_site_against_types(site: Site, job_types: JobTypes) -> None:
    """Check what site.json and the job types say of each other: the job types of site.json's
    ``job_parameters`` exist, the numbers are possible, and so are partitions and options.

    Raises:
        ConfigError: naming the file, the key and what was expected.
    """
    of_types = config_path("dispatch_config.json")
    where = Where(changed_in("site.json"), "job_parameters")
    levels: list[tuple[Where, Mapping[str, Any]]] = [
        (job_type_place(of_types, name).at("job_parameters"), kind.job_parameters)
        for name, kind in job_types.types.items()
    ]
    for name, own in site.job_parameters.items():
        if name not in job_types.types:
            raise ConfigError(
                f'{where}: there is no job type "{name}"{nearest(name, list(job_types.types))}'
            )
        check_job_parameters(own, where.at(name))
        levels.append((where.at(name), own))
    schedulers = _schedulers_in_use(site, [parameters for _, parameters in levels])
    for place, parameters in levels:
        _check_partitions(site, parameters, place)
    options = [(place, parameters.get("scheduler_options")) for place, parameters in levels]
    for place, given in (*options, *_options_of_site(site)):
        _check_options(schedulers, given or [], place)
    _check_rules(site, job_types)


def _check_partitions(site: Site, parameters: Mapping[str, Any], where: Where) -> None:
    """Partitions to choose from must be described, or none of them could ever be passed over."""
    for partition in parameters.get("partitions") or []:
        if partition not in site.partitions:
            raise ConfigError(
                f'{where.at("partitions")}: there is no partition "{partition}" in "partitions" of '
                f"{changed_in('site.json')}{nearest(partition, list(site.partitions))}"
            )


def _schedulers_in_use(site: Site, levels: Iterable[Mapping[str, Any]]) -> dict[str, Scheduler]:
    """The site's scheduler, and those that job_parameters name or have the submit command of."""
    names, programs = {site.scheduler}, set()
    for parameters in levels:
        names.add(str(parameters.get("scheduler")))
        if command := split(str(parameters.get("submit_command") or "")):
            programs.add(Path(str(command[0])).name)
    return {
        name: scheduler
        for name, scheduler in site.schedulers.items()
        if name in names or Path(scheduler.submit_command[0]).name in programs
    }


def _options_of_site(site: Site) -> Iterator[tuple[Where, Sequence[str]]]:
    """The directives that partitions and rules have."""
    where = Where(changed_in("site.json"))
    for name, partition in site.partitions.items():
        place = where.at("partitions").at(name)
        yield place, partition.scheduler_options
        for number, kind in enumerate(partition.nodes):
            yield place.at(f"nodes.{number}"), kind.scheduler_options
    for number, rule in enumerate(site.accounts):
        yield where.at(f"accounts.{number}"), rule.scheduler_options


def _check_rules(site: Site, job_types: JobTypes) -> None:
    """The job types that rules name must exist."""
    for number, rule in enumerate(site.accounts):
        for name in rule.job_types:
            if name not in job_types.types:
                where = Where(changed_in("site.json"), f"accounts.{number}.job_types")
                raise ConfigError(
                    f'{where}: there is no job type "{name}"{nearest(name, list(job_types.types))}'
                )


def _check_options(
    schedulers: Mapping[str, Scheduler], options: Iterable[str], where: Where
) -> None:
    """An option that makes the scheduler take the job elsewhere is the submit command's: from there
    it gets into the other commands, as long as nobody knows where the job is."""
    for option in options:
        for name, scheduler in schedulers.items():
            if any(re.fullmatch(pattern, option) for pattern in scheduler.refused_options):
                raise ConfigError(
                    f"{where.at('scheduler_options')}: {json.dumps(option)} is not allowed here, "
                    "because relion-dispatch would look for the job in another place: write the "
                    f'option into "submit_command" of "{name}"'
                )
