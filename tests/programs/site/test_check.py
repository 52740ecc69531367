"""``relion-dispatch check``: a site's mistakes are found before its users find them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dispatcher.images.sif import read_header
from dispatcher.site.check import problems

from ...fixture_types import WriteSite
from ...sif_file import write_sif

COMMAND = Path(__file__).parents[3] / "deploy" / "relion-dispatch"


pytestmark = pytest.mark.usefixtures("images", "programs")

TYPES: dict[str, Any] = {
    "submit": {"match_command": "None", "job_parameters": {"nproc": 1}},
    "refine": {"inherits": "submit", "match_command": "relion_refine", "image": "relion"},
}


def stand_in(tmp_path: Path, version: str, fails: str = "") -> None:
    """Put there an Apptainer that prints this version, and fails so to start an image."""
    start = f"echo '{fails}' >&2; exit 255" if fails else "exit 0"
    program = tmp_path / "bin" / "apptainer"
    program.write_text(
        f'#!/bin/sh\n[ "$1" != --version ] || {{ echo {version}; exit; }}\n{start}\n'
    )
    program.chmod(0o755)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which Apptainer is installed (a stand-in that starts nothing)."""
    (tmp_path / "bin").mkdir()
    stand_in(tmp_path, "apptainer version 1.4.5")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")


def test_the_shipped_site_is_in_order() -> None:
    assert problems() == []


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
    stand_in(tmp_path, "apptainer version 1.4.5", fails)

    (problem,) = problems()

    assert says in problem


def test_singularity_ce_is_not_taken_for_apptainer(tmp_path: Path) -> None:
    stand_in(tmp_path, "singularity-ce version 4.3.1")

    (problem,) = problems()

    assert "apptainer is singularity-ce version 4.3.1, but images are" in problem


def test_images_on_another_machine_are_not_started(images: Path, tmp_path: Path) -> None:
    stand_in(tmp_path, "apptainer version 1.4.5", "FATAL: was started")
    for path in images.parent.glob("*.sif"):
        path.unlink()

    found = problems()

    assert found
    assert all("cannot be read (No such file" in problem for problem in found)


def test_a_missing_apptainer_is_told(site: WriteSite) -> None:
    site("site.json", {"apptainer": {"program": "/nowhere/apptainer"}})

    (problem,) = problems()

    assert "Apptainer (/nowhere/apptainer) cannot be started" in problem


def test_a_type_that_can_never_match_is_named(site: WriteSite) -> None:
    narrow = {"inherits": "refine", "match_command": "relion_refine", "match_parameter": "K"}
    site("dispatch_config.json", {**TYPES, "class3d": narrow})

    (problem,) = problems()

    assert '"class3d" can never match, because "refine" comes first' in problem


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
        "are cuda, cpu."
    )


def test_a_partition_to_choose_from_that_is_not_described_is_named(site: WriteSite) -> None:
    parameters = {"refine": {"partitions": ["gpu_logn"]}}
    site("site.json", {"partitions": {"gpu_long": {}}, "job_parameters": parameters})

    (problem,) = problems()

    assert 'key "job_parameters.refine.partitions": there is no partition "gpu_logn"' in problem
    assert 'did you mean "gpu_long"?' in problem


def test_a_narrower_type_before_a_wider_one_is_fine(site: WriteSite) -> None:
    narrow = {"inherits": "submit", "match_command": "relion_refine", "match_parameter": "K"}
    site("dispatch_config.json", {"class3d": narrow, **TYPES})

    assert problems() == []


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


def test_a_misspelt_template_variable_is_named_with_its_line(site: WriteSite) -> None:
    site("dispatch_config.json", TYPES)
    site(
        "job_template/refine.sh.j2",
        '{% extends "submit.sh.j2" %}\n{% block prologue %}\n'
        "echo {{ job.nthreads }}\n{% endblock %}\n",
    )

    (problem,) = problems()

    assert 'job type "refine"' in problem
    assert "refine.sh.j2, line 3" in problem
    assert 'did you mean "nthread"?' in problem


def test_a_template_that_is_no_shell_is_named(site: WriteSite) -> None:
    site("dispatch_config.json", TYPES)
    site("job_template/refine.sh.j2", "#!/bin/bash\nif true; then\n")

    (problem,) = problems()

    assert "refine.sh.j2" in problem
    assert "syntax error" in problem


def test_a_file_of_the_library_that_is_no_shell_is_named(site: WriteSite) -> None:
    path = site("job_template/library/run.sh", "run() {\n")

    assert any(f"bash cannot read the site's {path}" in problem for problem in problems())


def test_shell_that_version_0_1_0_read_and_this_one_does_not_is_named(site: WriteSite) -> None:
    site("job_template/parts/scratch.sh.j2", "")

    (problem,) = [each for each in problems() if "parts" in each]

    assert "no longer use templates of this folder: write what the site has changed" in problem


def test_a_template_that_is_no_jinja_is_named(site: WriteSite) -> None:
    site("dispatch_config.json", TYPES)
    site("job_template/refine.sh.j2", "#!/bin/bash\n{% if %}\n")

    assert all("refine.sh.j2, line 2" in problem for problem in problems())
    assert problems()


def test_a_job_parameter_that_nothing_reads_is_named(site: WriteSite) -> None:
    site("dispatch_config.json", TYPES)
    site("site.json", {"job_parameters": {"refine": {"partitoin": "gpu"}}})

    (problem,) = problems()

    assert "partitoin" in problem
    assert 'did you mean "partition"?' in problem


def test_a_job_parameter_of_a_base_type_is_checked_too(site: WriteSite) -> None:
    site("site.json", {"job_parameters": {"gpu": {"partitoin": "gpu"}}})
    assert any("partitoin" in problem for problem in problems())

    site("site.json", {"job_parameters": {"gpu": {"nproc": "four"}}})
    assert any('"job_parameters.gpu.nproc": expected a whole number' in p for p in problems())

    site("site.json", {"job_parameters": {"gpus": {"nproc": 4}}})
    assert any('no job type "gpus"; did you mean "gpu"?' in problem for problem in problems())


def test_a_job_parameter_of_the_sites_own_template_is_fine(site: WriteSite) -> None:
    site("dispatch_config.json", TYPES)
    site("site.json", {"job_parameters": {"refine": {"account": "cryoem"}}})
    site(
        "job_template/refine.sh.j2",
        '{% extends "submit.sh.j2" %}\n{% block directives %}\n'
        "#SBATCH --account={{ job.account }}\n{% endblock %}\n",
    )

    assert problems() == []


def test_all_files_are_checked_even_if_one_is_broken(site: WriteSite) -> None:
    site("site.json", '{"scheduler": "slurn"}')
    site("dispatch_config.json", '{"refine": {"inherit": "submit"}}')
    site("images.json", "{")

    found = "\n".join(problems())

    assert 'did you mean "slurm"?' in found
    assert 'did you mean "inherits"?' in found
    assert "images.json, line 1" in found


def test_a_missing_submit_command_is_named(site: WriteSite) -> None:
    site(
        "site.json",
        {
            "scheduler": "x",
            "schedulers": {"x": {"submit_command": ["no-such"], "directives": "slurm"}},
        },
    )

    (problem,) = problems()

    assert problem == (
        'scheduler "x": the submit command "no-such" is not found: install it, or correct its '
        '"submit_command".'
    )


def test_a_missing_submit_command_of_a_job_type_is_named_with_the_type(site: WriteSite) -> None:
    site("site.json", {"job_parameters": {"postprocess": {"submit_command": "no-such -x"}}})

    (problem,) = problems()

    assert problem == (
        'job type "postprocess": the submit command "no-such" is not found: install it, or correct '
        '"submit_command" of the job_parameters.'
    )


def test_a_catalogue_without_a_build_for_gpus_is_named(site: WriteSite, images: Path) -> None:
    builds = [{"variant": "cpu", "path": "relion-5.1.0-cpu.sif"}]
    site("images.json", {"relion": {"default": "5.1.0", "versions": {"5.1.0": builds}}})

    found = problems()

    (problem,) = (each for each in found if "has no variant for NVIDIA GPUs" in each)
    assert re.match(r'job types "\w+", "\w+", "\w+" and \d+ more: relion 5.1.0 has no', problem)
    assert '"postprocess"' not in problem


def test_a_template_that_no_type_uses_is_read_too(site: WriteSite) -> None:
    site("job_template/unused.sh.j2", "{{ job.x (")

    (problem,) = problems()

    assert "unused.sh.j2, line 1" in problem


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"nodes": 0}, 'submit.nodes": expected a whole number'),
        ({"submit_command": "sbatch 'x"}, 'submit.submit_command": expected one text'),
        ({"submit_command": ["sbatch"]}, 'submit.submit_command": expected one text'),
        ({"scheduler_options": "--exclusive"}, 'submit.scheduler_options": expected a list'),
    ],
)
def test_impossible_job_parameters_are_named(
    parameters: dict[str, Any], says: str, site: WriteSite
) -> None:
    site("site.json", {"job_parameters": {"submit": parameters}})

    (problem,) = problems()

    assert "site.json" in problem
    assert says in problem


def test_a_template_that_fails_in_python_is_named(site: WriteSite) -> None:
    site("dispatch_config.json", TYPES)
    site("job_template/refine.sh.j2", "#!/bin/bash\n{{ job.nproc + 'x' }}\n")

    (problem,) = problems()

    assert "refine.sh.j2, line 2: TypeError" in problem


def test_exit_status_and_output(site: WriteSite) -> None:
    def check() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [COMMAND, "check"],
            capture_output=True,
            text=True,
            env={**os.environ, "RELION_DISPATCH_PYTHON": sys.executable},
        )

    good = check()
    site("images.json", "[]")
    bad = check()

    assert (good.returncode, good.stdout) == (0, "Everything is in order.\n")
    assert bad.returncode == 1
    assert bad.stdout.startswith(str(Path(os.environ["RELION_DISPATCH_SITE"]) / "images.json"))
