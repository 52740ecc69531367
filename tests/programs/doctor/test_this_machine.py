"""The doctor's probe runs on this machine, whole, and finds what is planted there.

Image, MPI and GPU are stand-ins; locks, folders, limits and clocks are this machine's.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dispatcher.cli import main
from dispatcher.doctor import look

from ...fixture_types import WriteSite
from .conftest import Doctor, plant


def test_this_machine_is_in_order(doctor: Doctor) -> None:
    found = doctor("--scratch", "$PWD")

    for check in ("project", "locks", "links", "container", "image", "two ranks"):
        assert found[check]["status"] == "ok", found[check]
    assert found["GPUs"]["status"] == "skipped"


def test_a_container_that_does_not_start(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("START_FAILS", "container creation failed: clone: operation not permitted")

    found = doctor()

    assert found["container"]["status"] == "failure"
    assert "clone: operation not permitted" in found["container"]["sentence"]
    assert found["two ranks"]["status"] == "skipped"


def test_an_image_that_is_unpacked_before_each_start(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNPACKS", "yes")

    assert doctor()["container"]["status"] == "warning"


@pytest.mark.usefixtures("card")
def test_an_image_that_takes_long_to_be_unpacked_is_started_once(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("UNPACKS", "yes")
    later = f'echo >>"{tmp_path}/dates"; echo $((1700000000 + 20 * $(wc -l <"{tmp_path}/dates")))'
    plant(tmp_path, "date", later)

    found = doctor()

    assert found["container"]["status"] == "warning"
    assert found["GPUs"]["status"] == "ok"
    assert found["driver"]["status"] == found["two ranks"]["status"] == "skipped"


def test_apptainer_is_missing(doctor: Doctor, site: WriteSite) -> None:
    site("site.json", {"apptainer": {"program": "apptainer-of-nobody"}})

    found = doctor()["container"]

    assert found["status"] == "failure"
    assert "apptainer-of-nobody" in found["sentence"]


def test_an_image_that_this_machine_lacks(doctor: Doctor, images: Path) -> None:
    for image in images.parent.glob("*.sif"):
        image.unlink()

    found = doctor()

    assert "cannot be read" in found["container"]["sentence"]
    assert found["image"]["status"] == "skipped"


@pytest.mark.parametrize("counted", ["1 1", "1"])
def test_ranks_that_do_not_find_each_other(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch, counted: str
) -> None:
    monkeypatch.setenv("COUNTED", counted)

    assert "do not find each other" in doctor()["two ranks"]["sentence"]


def test_an_mpirun_that_does_not_start(doctor: Doctor, site: WriteSite) -> None:
    site("site.json", {"mpi": {"mpirun": ["mpirun-of-nobody"]}})

    found = doctor()["two ranks"]

    assert found["status"] == "failure"
    assert "mpirun-of-nobody" in found["sentence"]


def test_scratch_that_is_missing_is_not_made(doctor: Doctor, tmp_path: Path) -> None:
    folder = tmp_path / "disk" / "scratch"
    assert doctor("--scratch", str(folder))["scratch"]["status"] in ("ok", "warning")
    assert not folder.exists()

    found = doctor("--scratch", "/proc/scratch")["scratch"]

    assert found["status"] == "failure"
    assert "does not exist" in found["sentence"]


def test_scratch_is_named_by_variables_of_the_node(
    doctor: Doctor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = tmp_path / "a disk"
    disk.mkdir()
    monkeypatch.setenv("LOCAL_DISK", str(disk))

    assert f"{disk}/me" in doctor("--scratch", "$LOCAL_DISK/me")["scratch"]["sentence"]


def test_folders_that_containers_are_to_see_are_missing(doctor: Doctor, site: WriteSite) -> None:
    site("site.json", {"apptainer": {"bind": ["/", "/not/there"]}, "mpi": {"mpirun": ["mpirun"]}})

    found = doctor()["binds"]

    assert (found["status"], "/not/there" in found["sentence"]) == ("warning", True)


def test_the_modules_of_the_sites_template_are_loaded(
    doctor: Doctor, site: WriteSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "module").mkdir()
    (tmp_path / "programs" / "apptainer").rename(tmp_path / "module" / "apptainer")
    site(
        "job_template/submit.sh.j2",
        '{% extends "base.sh.j2" %}{% block prologue %}{{ super() }}'
        f"PATH={tmp_path}/module:$PATH{{% endblock %}}",
    )

    assert doctor()["container"]["status"] == "ok"


@pytest.mark.usefixtures("card")
def test_a_machine_with_a_gpu_is_in_order(doctor: Doctor, tmp_path: Path) -> None:
    found = doctor()

    for check in ("GPUs", "GPU mode", "MPS"):
        assert found[check]["status"] == "ok", found[check]
    assert "NVIDIA A100-SXM4-40GB, 40960 MiB" in found["GPUs"]["sentence"]
    assert (tmp_path / "mps.log").read_text().split() == ["start", "none", "quit"]


@pytest.mark.usefixtures("card")
@pytest.mark.parametrize(
    ("variable", "value", "check", "said"),
    [
        ("NO_CARD", "yes", "GPUs", "No devices were found"),
        ("INSIDE_NONE", "yes", "GPUs", "sees none of the GPUs"),
        ("CARD", "A, 40960, 5, Prohibited, , Enabled", "GPU mode", "Prohibited"),
        ("MPS_FAILS", "Cannot find MPS control daemon process", "MPS", "Cannot find MPS"),
    ],
)
def test_a_fault_of_a_gpu_is_found(
    doctor: Doctor,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
    check: str,
    said: str,
) -> None:
    monkeypatch.setenv(variable, value)

    found = doctor()[check]

    assert (found["status"], said in found["sentence"]) == ("failure", True), found


@pytest.mark.usefixtures("card")
def test_cuda_of_the_image_is_compared_with_that_of_the_driver(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VERSION", "12.4.1")
    assert doctor()["driver"]["status"] == "ok"

    monkeypatch.setenv("DRIVER_CUDA", "11.8")

    assert doctor()["driver"]["status"] == "failure"


def test_a_project_that_nobody_may_write(
    bare_project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/proc")

    assert main(["doctor"]) == 1
    assert re.search(r"/proc/\S+ cannot be written .*file system", capsys.readouterr().err)


@pytest.mark.usefixtures("bare_project")
def test_a_line_for_each_check_and_a_status(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COUNTED", "1")

    assert main(["doctor"]) == 1

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("this machine, with relion 5.1.0")
    assert any(re.match(r"failure  two ranks +Ranks that", line) for line in lines)
    assert re.search(r"\d+ ok, 1 failure, \d+ skipped\.$", lines[-1])


@pytest.mark.parametrize(
    ("program", "where"), [("getconf", "the machine"), ("mktemp", "the scratch folder")]
)
def test_a_probe_that_hangs_says_where(
    doctor: Doctor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, where: str
) -> None:
    monkeypatch.setattr(look, "_LONGEST_RUN", 3)
    plant(tmp_path, program, "sleep 20")

    found = doctor("--scratch", str(tmp_path))

    assert found["start"]["status"] == "failure"
    assert f"while it looked at {where}" in found["start"]["sentence"]
    assert found["scratch"]["status"] == found["container"]["status"] == "skipped"


def test_scratch_on_a_file_system_that_does_not_answer(doctor: Doctor, tmp_path: Path) -> None:
    plant(tmp_path, "timeout", '[[ $* != *" test -d "* ]] || exit 137\nexec /usr/bin/timeout "$@"')

    found = doctor("--scratch", str(tmp_path))

    assert (found["scratch"]["status"], "does not answer" in found["scratch"]["sentence"]) == (
        "failure",
        True,
    )
    assert found["container"]["status"] == "ok"


def test_a_site_whose_templates_are_wrong(doctor: Doctor, site: WriteSite) -> None:
    site("job_template/submit.sh.j2", "{% block")

    assert doctor()["start"]["status"] == "failure"
