"""``relion-dispatch check`` looks at images: are they here, unchanged, and do they start?"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from dispatcher.commands.check import check
from dispatcher.images.container import mount_option
from dispatcher.images.sif import read_header
from dispatcher.site.check import problems

from ...fixture_types import WriteSite
from ...sif_file import write_sif
from .checked_site import TYPES, install_apptainer

pytestmark = pytest.mark.usefixtures("images", "programs")


@pytest.mark.parametrize(
    ("fails", "says"),
    [
        ("FATAL: failed to create user namespace: no space left", "user namespaces are off"),
        ("FATAL: fuse: device not found, try modprobe fuse first", "there is no /dev/fuse"),
        ("FATAL: something else", "cannot start"),
    ],
)
def test_a_machine_on_which_images_do_not_start_is_told(
    fails: str, says: str, tmp_path: Path
) -> None:
    """The real ones are in tests/system/images/test_machine.py."""
    install_apptainer(tmp_path, "apptainer version 1.4.5", fails)

    (problem,) = problems()

    assert says in problem


def test_a_folder_of_bind_that_is_not_here_is_a_remark_and_no_problem(
    site: WriteSite, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nodes differ: another may have the folder. The image is started with those that are here."""
    (tmp_path / "bin" / "apptainer").write_text(
        '#!/bin/sh\n[ "$1" != --version ] || { echo apptainer version 1.4.5; exit; }\n'
        f'echo "$@" > {tmp_path}/words\n'
    )
    site("site.json", {"apptainer": {"bind": [str(tmp_path), "/ssd_of_gpu_nodes"]}})

    assert check() == 0

    _, *said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("remark: ")
    assert 'key "apptainer.bind": /ssd_of_gpu_nodes is not on this machine' in said[0]
    assert said[1:] == ["Everything is in order."]
    words = (tmp_path / "words").read_text().split()
    assert mount_option(str(tmp_path)) in words
    assert mount_option("/ssd_of_gpu_nodes") not in words


def test_singularity_ce_is_not_taken_for_apptainer(tmp_path: Path) -> None:
    install_apptainer(tmp_path, "singularity-ce version 4.3.1")

    (problem,) = problems()

    assert "apptainer is singularity-ce version 4.3.1, but images are" in problem


def test_images_on_another_machine_are_not_started(images: Path, tmp_path: Path) -> None:
    install_apptainer(tmp_path, "apptainer version 1.4.5", "FATAL: was started")
    for path in images.parent.glob("*.sif"):
        path.unlink()

    found = problems()

    assert found
    assert all("cannot be read (No such file" in problem for problem in found)


def test_a_missing_apptainer_is_told(site: WriteSite) -> None:
    site("site.json", {"apptainer": {"program": "/nowhere/apptainer"}})

    (problem,) = problems()

    assert "Apptainer (/nowhere/apptainer) cannot be started" in problem


def test_partitions_to_choose_from_are_all_looked_at(images: Path, site: WriteSite) -> None:
    content = json.loads(images.read_text())
    content["relion"]["versions"]["5.1.0"][0]["partitions"] = ["old"]
    images.write_text(json.dumps(content))
    cards = {"gpus": 4, "gpu_memory": "24G"}
    parameters = {"refine": {"partitions": ["old", "new"]}}
    site("site.json", {"partitions": {"old": cards, "new": cards}, "job_parameters": parameters})

    (said,) = (each for each in problems() if '"refine"' in each)
    assert said.endswith(
        f"relion 5.1.0 has no variant for NVIDIA GPUs on partition new in {images}: its variants "
        "are cuda, cpu. Add such a variant, or ask your admin to add one (`relion-dispatch images "
        "add`)."
    )


def test_a_missing_image_file_is_named(images: Path) -> None:
    (images.parent / "relion-3.1.3-cpu.sif").unlink()

    (problem,) = problems()

    assert "relion 3.1.3 (cpu)" in problem
    assert str(images.parent / "relion-3.1.3-cpu.sif") in problem


def test_an_image_file_that_was_changed_is_named(images: Path) -> None:
    catalogue = json.loads(images.read_text())
    path = images.parent / "relion-5.1.0-cuda.sif"
    header = read_header(path)
    catalogue["relion"]["versions"]["5.1.0"][0] |= {"sif_id": header.sif_id, "size": header.size}
    images.write_text(json.dumps(catalogue))
    assert problems() == []
    write_sif(path, b"rather another file system")

    (problem,) = problems()

    assert f"the file {path} is not the file that was added" in problem


def test_images_that_the_sites_policy_does_not_admit_are_named(site: WriteSite) -> None:
    site("site.json", {"apptainer": {"signed_by": ["AB12" * 10]}})

    found = problems()

    assert found
    for problem in found:  # the made-up images, with which the jobs are tried, are not among them
        assert re.match(r"job types .* more: relion 5.1.0 \(.*\) in .* is not signed by a", problem)


def test_an_image_that_is_not_in_the_catalogue_is_named(site: WriteSite) -> None:
    refine = {**TYPES["refine"], "image": "relyon"}
    site("dispatch_config.json", {**TYPES, "refine": refine})

    (problem,) = problems()

    assert '"relyon"' in problem
    assert 'did you mean "relion"?' in problem


def test_a_catalogue_without_a_build_for_gpus_is_named(site: WriteSite, images: Path) -> None:
    builds = [{"variant": "cpu", "path": "relion-5.1.0-cpu.sif"}]
    site("images.json", {"relion": {"default": "5.1.0", "versions": {"5.1.0": builds}}})

    found = problems()

    (problem,) = (each for each in found if "has no variant for NVIDIA GPUs" in each)
    assert re.match(r'job types "\w+", "\w+", "\w+" and \d+ more: relion 5.1.0 has no', problem)
    assert '"postprocess"' not in problem
