"""A site as one value: its own files, the shipped ones, and its images by digest."""

from __future__ import annotations

import time
from pathlib import Path

from .. import __version__
from ..config.configuration import load_configuration
from ..config.places import code_digest, shipped_folder, site_folder
from ..config.site import Site
from ..errors import ImageError
from ..images import apptainer
from ..images.building import recipes
from .exported_images import Inspected, exported_images
from .file import FORMAT, Recipe, SiteFile
from .texts import shipped_texts, site_texts

__all__ = ["apptainer_version", "export_site"]


def export_site() -> SiteFile:
    """Gather the site that this dispatcher runs.

    Images are hashed unless their files are as recorded in the catalogue.

    Raises:
        ConfigError: the site's configuration is wrong: such a site is not worth keeping.
        InputError: one of its files cannot be read, or is no text in UTF-8.
    """
    configuration = load_configuration()
    program = configuration.site.apptainer.program

    def inspect(path: Path) -> Inspected:
        return Inspected(apptainer.labels(program, path), apptainer.definition(program, path))

    return SiteFile(
        format=FORMAT,
        exported=time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime()),
        folder=str(site_folder()),
        dispatcher=__version__,
        code=code_digest(),
        apptainer=apptainer_version(configuration.site),
        site=site_texts(),
        shipped=shipped_texts(),
        images=list(exported_images(configuration.catalogue, inspect, _recipe)),
    )


def apptainer_version(site: Site) -> str | None:
    """The version of the site's Apptainer on this machine, None where there is none."""
    try:
        return apptainer.version(site.apptainer.program)
    except ImageError:
        return None


def _recipe(name: str, version: str, variant: str) -> Recipe | None:
    """The recipe that would build the image; its definition is among the exported texts."""
    try:
        found = recipes.find(name, version, variant)
    except ImageError:
        return None
    definition = Path(found.definition)
    for folder in (site_folder(), shipped_folder()):
        if definition.is_relative_to(folder):
            definition = definition.relative_to(folder)
            break
    return Recipe(definition=str(definition), arguments=dict(found.arguments))
