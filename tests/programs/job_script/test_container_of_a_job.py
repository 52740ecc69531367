"""What a job script starts Apptainer with: the folders that the container sees, and variables.

A stand-in for Apptainer writes down its words and its environment; tests/system/test_container.py
has real containers.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from dispatcher.images.container import mount_option

from ...fixture_types import CorpusJob, WriteSite
from .run_files import TOKEN, last_line
from .running_job import RunningJob, exit_files

pytestmark = pytest.mark.usefixtures("images")

APPTAINER = """#!/bin/bash
printf '%s\\0' "$@" > "$HOME/words"
env -0 > "$HOME/environment"
ls -d "$HOME"/scratch/* > "$HOME/scratch-seen" 2>/dev/null
exit 0
"""


@pytest.fixture
def words(running_job: RunningJob, tmp_path: Path) -> Callable[..., list[str]]:
    """Run a refinement; the words with which Apptainer was started, up to the image."""
    program = running_job.programs / "apptainer"
    program.unlink()
    program.write_text(APPTAINER)
    program.chmod(0o755)

    def run(script: Path, **environment: str) -> list[str]:
        running_job.run(script, TOKEN, **environment)
        said = (script.parent / "run.err").read_text()
        assert exit_files(script) == {"SUCCESS"}, said
        found = (tmp_path / "words").read_text().split("\0")
        (image,) = (at for at, word in enumerate(found) if word.endswith(".sif"))
        return found[:image]

    return run


@pytest.fixture
def refinement(corpus_job: CorpusJob, site: WriteSite) -> Callable[..., Path]:
    """A refinement with this scratch folder, and options of the site's "apptainer"."""

    def write(scratch: str, **apptainer: object) -> Path:
        site("site.json", {"mps": False, "apptainer": apptainer})
        script = corpus_job("relion-5.0.1/Refine3D_job011")
        assert "--scratch_dir /scratch " in script.read_text()
        text = script.read_text().replace("--scratch_dir /scratch ", f"--scratch_dir {scratch} ")
        script.write_text(text)
        return script

    return write


def test_the_container_sees_the_jobs_own_scratch_folder(
    words: Callable[..., list[str]], refinement: Callable[..., Path], tmp_path: Path
) -> None:
    """Its path is known only on the node, where a variable in it has a value."""
    found = words(refinement("$DISKS/scratch"), DISKS=str(tmp_path))

    folder = (tmp_path / "scratch-seen").read_text().strip()  # while the program runs
    assert re.fullmatch(rf"{tmp_path}/scratch/relion-dispatch\.[0-9a-f]{{16}}", folder)
    assert found.count(mount_option(folder)) == 1
    assert not Path(folder).exists()


@pytest.mark.parametrize("option", ["--keep_scratch", "--reuse_scratch"])
def test_the_container_sees_a_scratch_folder_that_is_kept(
    option: str, words: Callable[..., list[str]], refinement: Callable[..., Path], tmp_path: Path
) -> None:
    script = refinement(f"{tmp_path}/scratch {option}")

    assert words(script).count(mount_option(f"{tmp_path}/scratch")) == 1
    assert (tmp_path / "scratch").is_dir()


def test_without_scratch_data_nothing_more_is_bound(
    words: Callable[..., list[str]], refinement: Callable[..., Path], tmp_path: Path
) -> None:
    script = refinement(f"{tmp_path}/scratch --preread_images")

    mounts = [word for word in words(script) if word.startswith("--mount")]
    assert mounts == [mount_option(str(tmp_path / "project"))]
    assert not (tmp_path / "scratch").exists()


@pytest.mark.parametrize(("value", "is_"), [({}, "not set"), ({"NO_SUCH_TMPDIR": ""}, "empty")])
def test_a_scratch_folder_named_after_a_variable_without_value_ends_the_job(
    value: dict[str, str],
    is_: str,
    refinement: Callable[..., Path],
    running_job: RunningJob,
) -> None:
    script = refinement("$NO_SUCH_TMPDIR/relion")

    running_job.run(script, **value)

    assert exit_files(script) == {"FAILURE"}
    assert f"because NO_SUCH_TMPDIR is {is_} on " in last_line(script)
    assert not Path("/relion").exists()


def test_an_empty_part_of_the_name_of_a_scratch_folder_stops_no_job(
    words: Callable[..., list[str]], refinement: Callable[..., Path], tmp_path: Path
) -> None:
    found = words(refinement(f"{tmp_path}/scratch$SUB"), SUB="")

    begin = mount_option(f"{tmp_path}/scratch/relion-dispatch.").partition(",destination=")[0]
    assert any(word.startswith(begin) for word in found)


def test_a_folder_of_bind_that_the_node_lacks_is_left_out_with_a_word(
    words: Callable[..., list[str]], refinement: Callable[..., Path], tmp_path: Path
) -> None:
    here = tmp_path / "a, b"
    here.mkdir()
    script = refinement(f"{tmp_path}/scratch", bind=[str(here), "/ssd_of_gpu_nodes"])

    found = words(script)

    assert mount_option(str(here)) in found
    assert not [word for word in found if "ssd_of_gpu_nodes" in word]
    said = (script.parent / "run.err").read_text()
    assert "The container does not see /ssd_of_gpu_nodes, because this folder is not on" in said
    assert "a, b" not in said


def test_apptainer_gets_nothing_of_the_users_that_the_site_does_not_list(
    words: Callable[..., list[str]], refinement: Callable[..., Path], tmp_path: Path
) -> None:
    script = refinement(
        f"{tmp_path}/scratch", environment=["LD_PRELOAD", "SINGULARITY_DEBUG", "LICENCE"]
    )

    words(
        script,
        APPTAINER_BINDPATH="/apps/other_site",
        SINGULARITY_BIND="/apps/other_site",
        SINGULARITY_DEBUG="1",
        APPTAINERENV_PATH="/x",
        APPTAINER_TMPDIR="/large",
        LD_PRELOAD="libdlfaker.so",
        LICENCE="17",
    )

    lines = (tmp_path / "environment").read_text().split("\0")
    seen = {line for line in lines if line.startswith(("APPTAINER", "SINGULARITY", "LD_"))}
    assert seen == {
        "APPTAINERENV_CUDA_DEVICE_ORDER=PCI_BUS_ID",
        "APPTAINERENV_LD_PRELOAD=libdlfaker.so",
        "APPTAINERENV_LICENCE=17",
        "APPTAINERENV_PYTHONNOUSERSITE=1",
        "APPTAINER_TMPDIR=/large",
        "SINGULARITY_DEBUG=1",
    }
