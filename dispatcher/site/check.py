"""Checking a site before its users do: its files, its images, and a made-up job of each type."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import chain
from typing import TypeVar

from ..config.catalogue import load_catalogue
from ..config.configuration import check_site_against_types
from ..config.endings import load_endings
from ..config.job_types import load_job_types
from ..config.places import config_path, site_folder
from ..config.site import load_site
from ..errors import DispatchError
from .client_check import hidden_settings
from .function_check import unread_functions
from .image_check import bind_remarks, image_problems, try_apptainer
from .job_check import job_problems
from .job_type_check import job_type_problems
from .launch_check import launch_problems
from .library_check import library_problems
from .overridden_check import overridden_values
from .reach_check import closed_files
from .scheduler_check import scheduler_problems, unread_names, unread_wishes
from .template_check import unread_templates
from .through_check import through_problems
from .trial_check import trial_problems
from .unread_files import unread_files
from .weights_check import weights_problems
from .window.files import outdated

__all__ = ["problems", "read_folder", "remarks"]

_FILES = ("site", "dispatch_config", "images", "endings")

_Loaded = TypeVar("_Loaded")


def problems() -> list[str]:
    """Every problem of the site's configuration, a sentence each; empty when there is none.

    A file that cannot be read hides only the problems that nobody can see without it.
    """
    found: list[str] = []

    def attempt(step: Callable[[], _Loaded]) -> _Loaded | None:
        try:
            return step()
        except DispatchError as error:
            found.extend(str(error).splitlines())
            return None

    site = attempt(load_site)
    types = attempt(lambda: load_job_types(config_path("dispatch_config.json")))
    catalogue = attempt(lambda: load_catalogue(config_path("images.json")))
    attempt(load_endings)
    if types:
        found += job_type_problems(types.types)
    if catalogue:
        found += image_problems(
            catalogue, types.types if types else {}, site.image if site else None
        )
        found += weights_problems(catalogue, site.apptainer.let_through if site else ())
    attempt(lambda: found.extend(closed_files(site, catalogue)))
    if site:
        attempt(lambda: try_apptainer(site.apptainer, catalogue))
    if site and types:
        before = len(found)
        attempt(lambda: check_site_against_types(site, types))
        if len(found) == before:
            real = catalogue if catalogue and catalogue.images else None
            looks = chain(
                unread_templates(),
                library_problems(),
                scheduler_problems(site),
                unread_names(site),
                unread_wishes(site, types),
                through_problems(site),
                launch_problems(site, types),
                unread_files(site, types),
                job_problems(site, types, real),
                trial_problems(site, types),
            )
            attempt(lambda: found.extend(looks))
    return list(dict.fromkeys(found))


def remarks() -> list[str]:
    """What may be right on other machines, or be meant so, a sentence each; of the site's own files
    nothing if one of them cannot be read."""
    hidden = [*hidden_settings(os.environ)]
    try:
        site, types = load_site(), load_job_types(config_path("dispatch_config.json"))
        return [
            *hidden,
            *bind_remarks(site.apptainer),
            *unread_functions(),
            *overridden_values(site, types),
            *outdated(),
        ]
    except (DispatchError, OSError):
        return hidden


def read_folder() -> str:
    """The site's folder, and which of its files are read: the others are as shipped."""
    folder = site_folder()
    known = {"job_template", "schedulers", *(f"{name}.json" for name in _FILES)}
    try:
        there = sorted(known & {path.name for path in folder.iterdir()})
    except FileNotFoundError:
        there = []
    except OSError as error:
        return f"The site's folder {folder} cannot be read ({error.strerror})."
    if not there:
        return f"The site's folder {folder} has no file of the site: all is as shipped."
    return f"The site's folder is {folder}, with {', '.join(there)}."
