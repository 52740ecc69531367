"""What the container sees of the folder for scratch data."""

from __future__ import annotations

from pathlib import Path

import pytest

from dispatcher.images.container import mount_option

from .conftest import SCRATCH, Shell

MOUNTS = "printf '%s\\n' \"${dispatch_scratch_mounts[@]}\""


def test_the_container_sees_the_jobs_scratch_folder(shell: Shell, tmp_path: Path) -> None:
    done = shell(
        f"dispatch_script_began=5; prepare_nodes; {MOUNTS}",
        given=["dispatch_uses_scratch=yes", f"dispatch_scratch_for_all='{tmp_path}/a, b'"],
    )

    folder = f"{tmp_path}/a, b/relion-dispatch.{SCRATCH}"
    assert done.stdout == mount_option(folder) + "\n"


@pytest.mark.parametrize("nodes", [1, 2])
@pytest.mark.parametrize("name", ["project/link", "project/link/", "project/link//deeper", "rel"])
def test_the_container_sees_scratch_where_a_link_leads_as_well(
    name: str, nodes: int, shell: Shell, tmp_path: Path
) -> None:
    """A mount at a path that leads through a link is left out if the container sees the link, but
    not where it leads."""
    shell.stand_in("srun")
    disk, own = tmp_path / "a disk", name if name == "rel" else f"{tmp_path}/{name}"
    (disk / "deeper").mkdir(parents=True)
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "link").symlink_to(disk)
    (shell.project / "rel").symlink_to(disk)

    said = shell.says(
        f"prepare_users_scratch; {MOUNTS}",
        scheduler="slurm",
        given=[f"dispatch_users_scratch='{own}'", f"dispatch_nodes={nodes}"],
    )

    real = disk / "deeper" if name.endswith("deeper") else disk
    full = str(tmp_path / "rel") if name == "rel" else own
    assert said.splitlines() == [mount_option(full), mount_option(str(real))]


def test_scratch_that_is_elsewhere_on_each_node_is_bound_at_its_own_path_alone(
    shell: Shell, tmp_path: Path
) -> None:
    """Apptainer does not start where a folder is missing."""
    shell.stand_in("srun")

    realpath = 'realpath() { [ "$1" = -ms ] && echo /s || echo "/disk of $NODE"; }'

    said = shell.says(
        f"{realpath}; see_scratch /s; {MOUNTS}",
        scheduler="slurm",
        given=["dispatch_nodes=2"],
    )

    assert said == mount_option("/s")


@pytest.mark.parametrize("own", ["/dev/shm/x", "/dev//shm/x", "/dev/shm/../shm/x"])
def test_nothing_is_bound_below_dev(own: str, shell: Shell) -> None:
    """With --contain, Apptainer does not start with a folder in the container's own /dev."""
    said = shell.says(f'see_scratch {own}; echo "${{#dispatch_scratch_mounts[@]}}"')

    assert said == "0"
    assert shell.says(f"mount_options {own}") == ""


def test_a_link_to_dev_is_bound_at_its_own_path_alone(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/dev/shm")

    said = shell.says(f"see_scratch {tmp_path}/link; {MOUNTS}")

    assert said == mount_option(f"{tmp_path}/link")


def test_scratch_is_bound_if_the_nodes_do_not_answer(shell: Shell) -> None:
    said = shell.says(f"on_each_node() {{ return 1; }}; see_scratch /s; {MOUNTS}")

    assert said == mount_option("/s")


def test_a_scratch_folder_of_the_users_is_made_bound_and_left(shell: Shell, tmp_path: Path) -> None:
    folder = tmp_path / "scratch" / "kept"

    done = shell(
        f"prepare_nodes; {MOUNTS}; dispatch_uses_scratch=; finish",
        given=[f"dispatch_users_scratch='{folder}'"],
    )

    assert done.stdout.splitlines()[0] == mount_option(str(folder))
    assert list(folder.iterdir()) == []
