"""Where does a site's admin change a job parameter of a job type?"""

from __future__ import annotations

from collections.abc import Mapping

from ..config.job_types import ADDED, JobTypes, job_type_place, lineage
from ..config.places import config_path, own_path, site_folder
from ..config.site import Site
from ..config.where import Where

__all__ = ["deciding_level", "place_to_change"]

_EITHER = ("partition", "partitions")  # one of them in a level takes the place of both


def deciding_level(
    name: str, key: str, site: Site, types: JobTypes, member: str | None = None
) -> tuple[str, bool] | None:
    """The level of a type's lineage that decides a job parameter, and whether site.json does so
    (else dispatch_config.json); None if nobody sets the parameter.

    Several levels add to one list: then `member` is what the wanted level has in it.
    """
    for level in reversed(lineage(types.types, name)):
        own = {True: site.job_parameters.get(level, {}), False: types.types[level].job_parameters}
        for in_site_json, parameters in own.items():
            if _has(parameters, key, member):
                return level, in_site_json
    return None


def place_to_change(
    name: str, key: str, site: Site, types: JobTypes, member: str | None = None
) -> str:
    """The key that decides the parameter, or that would if the deciding file is a shipped one."""
    level, in_site_json = deciding_level(name, key, site, types, member) or (name, True)
    if not in_site_json and own_path("dispatch_config.json"):
        place = job_type_place(config_path("dispatch_config.json"), level)
        return str(place.at("job_parameters").at(key))
    of_site = level if in_site_json else name
    return str(Where(site_folder() / "site.json", "job_parameters").at(of_site).at(key))


def _has(parameters: Mapping[str, object], key: str, member: str | None) -> bool:
    if key in ADDED and member is not None:
        value = parameters.get(key)
        return isinstance(value, list) and member in value
    return any(each in parameters for each in (_EITHER if key in _EITHER else (key,)))
