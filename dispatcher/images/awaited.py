"""Images that no file is there for yet: what is said of them, and how jobs are planned without."""

from __future__ import annotations

from pathlib import Path

from ..config.catalogue import Catalogue, Image, ImageFile
from ..config.job_types import JobTypes
from ..config.site import Site
from .choice import ChosenImage

__all__ = ["as_if_there", "awaited_images", "none_yet"]

_VERSION = "not-added-yet"


def awaited_images(path: Path, types: JobTypes, site: Site) -> Catalogue:
    """A catalogue in which each image that the site or a job type names has builds for GPUs and for
    CPUs. There are no such files: ``as_if_there`` is to take the place of the look at them."""
    signed, file = tuple(site.apptainer.signed_by), f"{_VERSION}.sif"
    elsewhere = (site.on(partition).apptainer.gpu_kind for partition in site.partitions.values())
    makers = dict.fromkeys([site.apptainer.gpu_kind, *elsewhere])
    variants = {"gpu" if at == 0 else f"gpu-{gpu}": gpu for at, gpu in enumerate(makers)}
    # A signature counts for a digest alone.
    builds = [
        ImageFile(variant=variant, path=file, gpu=gpu, signed_by=signed, sha256="0" * 64)
        for variant, gpu in {**variants, "cpu": None}.items()
    ]
    names = filter(None, [site.image, *(kind.image for kind in types.types.values())])
    image = Image(default=_VERSION, versions={_VERSION: builds})
    return Catalogue(images=dict.fromkeys(names, image), path=path)


def as_if_there(choice: ChosenImage, *_: object) -> ChosenImage:
    """The awaited image as it would be, had it a file."""
    return choice._replace(sha256="0" * 64, sif_id="0" * 32, size=0)


def none_yet(catalogue: Catalogue, name: str) -> str:
    """What to do before the first job that needs the image `name`."""
    return (
        f'No image is in the catalogue {catalogue.place} yet, and jobs need the image "{name}": '
        "add a file (`relion-dispatch images add FILE`), or build one (`relion-dispatch images "
        f"build {name} VERSION`)."
    )
