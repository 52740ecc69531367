"""The script that runs a recorded job again: what it runs, and what it says of the result."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
from pathlib import Path

import pytest

from ...corpus import fill_project
from .recorded_jobs import (
    OPTIMISER,
    Dispatched,
    Ran,
    Started,
    mounts,
    options,
    stopped,
)

pytestmark = pytest.mark.usefixtures("images")


GOLDEN = Path(__file__).parents[2] / "golden" / "reproduce"


def test_the_same_words_run_in_the_same_image_with_results_elsewhere(
    dispatched: Dispatched, started: Started
) -> None:
    job = dispatched("relion-5.0.1/Class2D_job007")
    before = {path: path.read_bytes() for path in job.folder.iterdir()}
    (then,) = job.record["commands"]

    (now,) = started(job.script())

    image = job.record["image"]["path"]
    program = then["argv"][0]
    expected = [*then["argv"]]
    at = expected.index("--pipeline_control")
    del expected[at : at + 2]
    expected = [word.replace("Class2D/job007", "Reproduced/Class2D/job007") for word in expected]
    (expected[expected.index("--scratch_dir") + 1],) = options(now, "--scratch_dir")
    assert now[now.index(program) :] == expected
    assert (
        now[now.index(image) + 1 : now.index(program)]
        == then["prefix"][then["prefix"].index(image) + 1 :]
    )
    assert {path: path.read_bytes() for path in job.folder.iterdir()} == before
    assert (job.project / "Reproduced" / "Class2D" / "job007" / "run.out").exists()


def test_the_project_is_read_only_but_for_the_new_folder(
    dispatched: Dispatched, started: Started
) -> None:
    job = dispatched("relion-5.0.1/Class2D_job007")

    (argv,) = started(job.script())

    output = f"{job.project}/Reproduced/Class2D/job007"
    home = pwd.getpwuid(os.getuid()).pw_dir
    assert [mount for mount in mounts(argv) if "/scratch" not in mount[0]] == [
        (home, home, "ro"),
        (str(job.project), str(job.project), "ro"),
        (output, output, ""),
    ]


def test_all_commands_run_in_order_and_file_commands_in_the_new_folder(
    dispatched: Dispatched, started: Started
) -> None:
    job = dispatched("relion-5.0.1/InitialModel_job009")

    refine, remove, align, touch = started(job.script())

    new = "Reproduced/InitialModel/job009"
    image = job.record["image"]["path"]
    assert options(refine, "--o") == [f"{new}/run"]
    assert options(align, "--i", "--o") == [
        f"{new}/run_it200_model.star",
        f"{new}/initial_model.mrc",
    ]
    success = f"{new}/RELION_JOB_EXIT_SUCCESS"
    assert remove[remove.index(image) + 1 :] == ["rm", "-f", "--", success]
    assert touch[touch.index(image) + 1 :] == ["touch", "--", success]


def test_a_redirect_goes_to_the_new_folder(dispatched: Dispatched, started: Started) -> None:
    job = dispatched("relion-3.1.4/AutoPick_job009")

    script = job.script()
    _pick, write = started(script)

    name = f"Reproduced/{job.name}/coords_suffix_autopick.star"
    assert write[write.index(job.record["image"]["path"]) + 1 :] == ["tee", "--", name]
    assert "\necho CtfFind/job003/micrographs_ctf.star |\nrun " in script.read_text()


def test_a_file_command_that_writes_elsewhere_is_refused(dispatched: Dispatched) -> None:
    mask = "`which relion_mask_create` --i map.mrc --o Class2D/job001/mask.mrc"
    job = dispatched(commands=f"{mask}\ntouch Other/job002/done")

    assert "writes outside the job's folder" in job.refusal()


def test_a_failing_command_stops_the_script(dispatched: Dispatched, tmp_path: Path) -> None:
    job = dispatched("relion-5.0.1/InitialModel_job009")
    script = job.script()
    program = tmp_path / "apptainer"
    program.write_text("#!/bin/sh\necho RELION stopped >&2\nexit 3\n")
    program.chmod(0o755)

    path = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = subprocess.run(["bash", script], env=path, capture_output=True, text=True)

    assert done.returncode == 1
    assert "status 3: read Reproduced/InitialModel/job009/run.err" in done.stderr
    assert not (job.project / "Reproduced/InitialModel/job009/RELION_JOB_EXIT_SUCCESS").exists()
    again = subprocess.run(["bash", script], env=path, capture_output=True, text=True)
    assert "is not empty" in again.stderr


def test_odd_names_survive(tmp_path: Path, dispatched: Dispatched, started: Started) -> None:
    folder = tmp_path / 'a project\'s "own", folder; $HOME'
    fill_project(folder)
    (folder / "my particles.star").write_text("data_\n\nloop_\n_rlnImageName #1\n")
    job = dispatched(
        commands="`which relion_refine` --K 2 --i 'my particles.star' "
        "--o 'Class2D/job001/it'\"'\"'s run' "
        '--ref "Class2D/job001/$NAME/a b.mrc" --gpu "" '
        "--x=Class2D/job001/y --of /s/${NAME}",
        folder=folder,
        apptainer={"program": "apptainer"},
    )

    (argv,) = started(job.script(), NAME="n o")

    new = "Reproduced/Class2D/job001"
    assert options(argv, "--i", "--o", "--ref") == [
        "my particles.star",
        f"{new}/it's run",
        f"{new}/n o/a b.mrc",
    ]
    assert f"--x={new}/y" in argv
    assert options(argv, "--of") == ["/s/n"], "as bash splits it in the first run too"
    shutil.rmtree(folder / "Reproduced")
    assert "NAME: the command uses this variable" in stopped(job.script())


def test_several_nodes_start_by_srun(dispatched: Dispatched, started: Started) -> None:
    job = dispatched(
        "relion-5.0.1/Class3D_job010",
        partitions={"p": {"cores": 64, "gpus": 4, "gpu_memory": "24G"}},
        job_parameters={"class3d": {"nodes": 2, "partition": "p"}},
    )
    script = job.script()

    (argv,) = started(script)

    assert argv[0] == "srun"
    assert "apptainer" in argv
    assert "runs on 2 nodes" in script.read_text()
    assert "not bit for bit" in script.read_text()


def test_what_the_job_itself_wrote_before_is_no_input(
    dispatched: Dispatched, started: Started
) -> None:
    commands = (
        "`which relion_mask_create` --i map.mrc --o Class2D/job001/mask.mrc --log Class2D/job001/l"
    )
    job = dispatched(commands=commands)
    (job.project / "map.mrc").write_text("a map")
    for name in ("mask.mrc", "l"):
        (job.folder / name).write_text("of the first run")
    job = dispatched(commands=commands)
    assert [each["path"] for each in job.record["inputs"]] == [
        "map.mrc",
        "Class2D/job001/mask.mrc",
        "Class2D/job001/l",
    ]
    (job.folder / "l").write_text("of the second run")

    (argv,) = started(job.script())

    new = "Reproduced/Class2D/job001"
    assert options(argv, "--i", "--o", "--log") == ["map.mrc", f"{new}/mask.mrc", f"{new}/l"]


def test_what_a_job_is_continued_from_stays_an_input(
    dispatched: Dispatched, project: Path, started: Started
) -> None:
    (project / "Class2D/job001").mkdir(parents=True)
    optimiser = project / "Class2D/job001/run_it002_optimiser.star"
    text = (project / "Refine3D/job011/run_optimiser.star").read_text()
    optimiser.write_text(text + "_rlnRandomSeed 5\n")
    named = "--continue Class2D/job001/run_it002_optimiser.star"
    job = dispatched(commands=f"`which relion_refine` {named} --o Class2D/job001/run_ct2")

    (argv,) = started(job.script())

    assert options(argv, "--continue", "--o") == [
        "Class2D/job001/run_it002_optimiser.star",
        "Reproduced/Class2D/job001/run_ct2",
    ]
    assert "--random_seed" not in argv, "a continued job has the seed of its optimiser file"
    optimiser.write_text(text)
    assert "run_it002_optimiser.star of Class2D/job001 has changed" in job.refusal()


def test_a_project_that_has_moved_is_seen_where_it_was(
    dispatched: Dispatched, started: Started, tmp_path: Path
) -> None:
    job = dispatched("relion-5.0.1/Class2D_job007")
    was, now = job.project, tmp_path / "archive"
    was.rename(now)
    moved = Ran(now, job.name, tmp_path)

    (argv,) = started(moved.script())

    output = "Reproduced/Class2D/job007"
    assert mounts(argv)[1:3] == [
        (str(now), str(was), "ro"),
        (f"{now}/{output}", f"{was}/{output}", ""),
    ]
    assert f"--pwd={was}" in argv
    assert (now / output / "run.out").exists()


@pytest.mark.parametrize("alias", [False, True])
def test_a_job_whose_folder_lies_on_another_disk_is_found_in_its_project(
    alias: bool, dispatched: Dispatched, started: Started, tmp_path: Path
) -> None:
    job = dispatched("relion-5.0.1/Class2D_job007")
    job.folder.rename(tmp_path / "other disk")
    job.folder.symlink_to(tmp_path / "other disk")
    if alias:
        (job.project / "Class2D/first").symlink_to("../Class2D/job007/")
        job.name = "Class2D/first"

    (argv,) = started(job.script())

    assert (str(job.project), str(job.project), "ro") in mounts(argv)


def test_a_folder_that_is_no_longer_here_is_left_out_with_a_word(
    dispatched: Dispatched, started: Started, tmp_path: Path
) -> None:
    here, gone = tmp_path / "a, b", tmp_path / "gone"
    here.mkdir()
    gone.mkdir()
    job = dispatched("relion-5.0.1/Class2D_job007", apptainer={"bind": [str(here), str(gone)]})
    script = job.script()
    (argv,) = started(script)
    assert {(str(each), str(each), "") for each in (here, gone)} <= {*mounts(argv)}
    gone.rmdir()
    script = job.script("--output", tmp_path / "again")

    (argv,) = started(script)

    seen = mounts(argv)
    assert (str(here), str(here), "") in seen
    assert str(gone) not in dict(each[:2] for each in seen)
    assert f'say {gone} "is not on this machine' in script.read_text()


def test_the_container_sees_the_scratch_folder_if_it_is_there(
    dispatched: Dispatched, started: Started, tmp_path: Path
) -> None:
    """With its variable's value of now, and without what others keep there."""
    job = dispatched("relion-5.0.1/Class2D_job007")
    (command,) = job.record["commands"]
    shell = command["shell"].replace("--scratch_dir /scratch", '--scratch_dir "${DISK}/a, b"')
    job.change_record(commands=[command | {"shell": shell}])
    script = job.script()
    folder, disk = tmp_path / "a, b", tmp_path / "disk"
    disk.mkdir()
    folder.symlink_to(disk)

    (argv,) = started(script, DISK=str(tmp_path))

    (scratch,) = options(argv, "--scratch_dir")
    assert Path(scratch).parent == folder
    assert Path(scratch).name.startswith("reproduce.")
    behind_the_link = f"{disk}/{Path(scratch).name}"
    new = [(scratch, scratch, ""), (behind_the_link, behind_the_link, "")]
    assert mounts(argv)[3:] == new
    assert not list(disk.iterdir()), "the new folder is gone at the end"
    (argv,) = started(job.script("--output", tmp_path / "other"), DISK="/gone")
    assert options(argv, "--scratch_dir") == ["/gone/a, b"]
    assert not [each for each in mounts(argv) if "/gone" in each[0]]


def test_the_variables_of_then_are_let_through(dispatched: Dispatched) -> None:
    job = dispatched(
        "relion-5.0.1/Class2D_job007", apptainer={"environment": ["THEN_ONE", "THEN_TWO"]}
    )
    (job.tmp_path / "site" / "site.json").write_text('{"apptainer": {"environment": ["NOW"]}}')

    script = job.script().read_text()
    assert "=(THEN_ONE THEN_TWO CUDA_VISIBLE_DEVICES CUDA_DEVICE_ORDER)" in script
    assert "\nexport CUDA_DEVICE_ORDER=PCI_BUS_ID\n" in script

    record = job.record
    record["environment"].remove("CUDA_DEVICE_ORDER")  # as before 0.3.0
    (job.folder / "dispatch.json").write_text(json.dumps(record))
    assert "CUDA_DEVICE_ORDER" not in job.script().read_text()

    del record["environment"]
    (job.folder / "dispatch.json").write_text(json.dumps(record))
    assert "=(NOW CUDA_VISIBLE_DEVICES CUDA_DEVICE_ORDER)" in job.script().read_text()
    assert "note: The record does not say which environment variables" in job.reproduce().stderr


def test_an_image_named_relative_to_where_the_script_is_started_is_found(
    dispatched: Dispatched, started: Started, tmp_path: Path, images: Path
) -> None:
    job = dispatched("relion-5.0.1/Class2D_job007")
    script = job.script()
    image = Path(job.record["image"]["path"])
    image.rename(tmp_path / "a copy.sif")

    (argv,) = started(script, REPRODUCE_IMAGE=str(tmp_path / "a copy.sif").lstrip("/"))

    assert str(tmp_path / "a copy.sif") in argv


@pytest.mark.parametrize(
    "source", ["relion-5.0.1/InitialModel_job009", "relion-3.1.4/AutoPick_job009"]
)
def test_script_is_the_golden_one(source: str, dispatched: Dispatched, tmp_path: Path) -> None:
    job = dispatched(
        source,
        apptainer={"bind": ["/scratch"]},
        partitions={"gpu_long": {"cores": 64, "gpus": 4, "gpu_memory": "24G"}},
        job_parameters={"gpu": {"partition": "gpu_long"}},
    )
    if source.startswith("relion-5"):
        optimiser = job.folder / "run_it000_optimiser.star"
        optimiser.write_text(OPTIMISER.format(1795516461))
    job.change_record(
        dispatched="2026-11-24T10:36:24+00:00",
        user="ada",
        host="node1",
        versions={"relion-dispatch": "0.1.0", "apptainer": "1.4.5"},
    )

    script = job.reproduce().stdout.replace(str(tmp_path), "/data")

    assert subprocess.run(["bash", "-n"], input=script, text=True).returncode == 0
    golden = GOLDEN / f"{Path(source).name.partition('_')[0].lower()}.sh"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(script)
    assert script == golden.read_text()
