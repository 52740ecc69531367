"""What a record says of its container."""

from __future__ import annotations

import pytest

from dispatcher.images.container import Mount, mount_option
from dispatcher.reproduction.recorded_container import Launcher, bound, read_container

IMAGE, PROJECT = "/site/relion.sif", "/data/p"
START = ["apptainer", "--quiet", "exec", "--no-eval", "--cleanenv"]


def test_what_the_dispatcher_writes_is_understood() -> None:
    prefix = [*START, "--nv", mount_option(PROJECT), mount_option("/scratch"), f"--pwd={PROJECT}",
              "--no-home", IMAGE]  # fmt: skip
    ranks = [*prefix, "mpirun", "-n", "5"]
    nodes = ["srun", "--mpi=pmix", *prefix]

    found = read_container([ranks, [], prefix, nodes], IMAGE, PROJECT)

    assert found.gpu == "--nv"
    assert found.mounts == (Mount("/scratch", "/scratch", False),)
    assert found.options == ("--no-home",)
    assert found.launchers == (
        Launcher.IN_THE_CONTAINER,
        Launcher.NONE,
        Launcher.NONE,
        Launcher.ACROSS_NODES,
    )


@pytest.mark.parametrize("gpu", ["--nv", "--nvccli", "--rocm", "--bind=/dev/dri"])
def test_each_makers_option_lets_gpus_through(gpu: str) -> None:
    assert read_container([[*START, gpu, IMAGE]], IMAGE, PROJECT).gpu == gpu


def test_options_of_several_words_stay_together() -> None:
    prefix = [*START, "--env", "A=1", "--env", "B=2", IMAGE]

    found = read_container([prefix, prefix], IMAGE, PROJECT)

    assert found.options == ("--env", "A=1", "--env", "B=2")


@pytest.mark.parametrize(
    "prefix", [["apptainer", "exec", "/other.sif"], [IMAGE], [IMAGE, "exec"], ["relion_refine"]]
)
def test_words_that_do_not_start_the_image_are_damage(prefix: list[str]) -> None:
    with pytest.raises(ValueError, match="does not start the image"):
        read_container([prefix], IMAGE, PROJECT)


@pytest.mark.parametrize(
    ("option", "mount"),
    [
        (mount_option("/a,b"), Mount("/a,b", "/a,b", False)),
        (mount_option('/a"\nb', True, "/c"), Mount('/a"\nb', "/c", True)),
        (mount_option("/a/../b/"), Mount("/b", "/b", False)),
        (mount_option("a"), None),
        ("--mount=type=bind,source=/a", None),
        ("--mount=type=bind,source=/a,destination=/b,rw", None),
        ("--mount=type=bind,source=/a,destination=/b,ro,image-src=/", None),
        ("--mount=type=bind,source=/a\ntype=bind,destination=/b", None),
        ('--mount=type=bind,"source=/a', None),
        ("--mount=type=bind,", None),
        ("--mount=type=bind,src=/a,destination=/b", None),
        ("--bind=/a:/b", None),
    ],
)
def test_a_mount_is_what_the_dispatcher_writes_and_nothing_else(
    option: str, mount: Mount | None
) -> None:
    assert bound(option) == mount
