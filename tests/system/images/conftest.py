"""Small real images, and sites for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from .image_site import GATHER, Site, apptainer, pack


@pytest.fixture(scope="session")
def small_root(images: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a shell, relion_refine and mpirun, all out of RELION 5's image."""
    root = tmp_path_factory.mktemp("small") / "root"
    root.mkdir()
    start = ("--quiet", "exec", "--cleanenv", "--no-home", f"--bind={root}:/mnt")
    apptainer(*start, images["5"], "sh", "-c", GATHER)
    return root


@pytest.fixture(scope="session")
def small(small_root: Path, versions: dict[str, str]) -> Path:
    """A small image with RELION and MPI."""
    labels = (f"relion.version {versions['5']}", "relion.gpu none", "relion.gui no")
    return pack(small_root, small_root.parent / "small.sif", *labels)


@pytest.fixture
def site(tmp_path: Path, small: Path, versions: dict[str, str]) -> Site:
    """A site that has no images yet, and the small image to build some from."""
    folders = tmp_path / "site", tmp_path / "builds"
    for folder in folders:
        folder.mkdir()
    return Site(*folders, small, versions["5"])
