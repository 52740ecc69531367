"""The script that runs a recorded job again: what it runs, and what it refuses."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dispatcher import cli
from dispatcher.command import parse_command
from dispatcher.errors import InputError
from dispatcher.reproduction.named_files import named_files
from dispatcher.reproduction.random_seed import recorded_seed

from .conftest import CORPUS, fill_project
from .test_hook import call_hook

GOLDEN = Path(__file__).parents[1] / "golden" / "reproduce"

WriteSite = Callable[..., Path]

pytestmark = pytest.mark.usefixtures("images")

OPTIMISER = "data_optimiser_general\n\n_rlnOutputRootName x/run\n_rlnRandomSeed {}\n"


class Ran:
    """A job that was dispatched, and its stand-in results."""

    def __init__(self, project: Path, name: str, tmp_path: Path) -> None:
        self.project, self.name, self.tmp_path = project, name, tmp_path
        self.folder = project / name

    @property
    def record(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / "dispatch.json").read_text()))

    def change_record(self, **changes: Any) -> None:
        (self.folder / "dispatch.json").write_text(json.dumps(self.record | changes))

    def reproduce(self, *options: str | Path) -> subprocess.CompletedProcess[str]:
        """``relion-dispatch reproduce JOB`` in the project's folder."""
        return subprocess.run(
            [sys.executable, "-m", "dispatcher", "reproduce", self.name, *options],
            cwd=self.project,
            env={**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[1])},
            capture_output=True,
            text=True,
        )

    def script(self, *options: str | Path) -> Path:
        path = self.tmp_path / "again.sh"
        path.unlink(missing_ok=True)
        done = self.reproduce("--write", path, *options)
        assert done.returncode == 0, done.stderr
        assert os.access(path, os.X_OK)
        return path

    def refusal(self, *options: str | Path) -> str:
        done = self.reproduce(*options)
        assert done.returncode == 1
        assert done.stdout == ""
        assert done.stderr.startswith("relion-dispatch: ")
        assert "Traceback" not in done.stderr
        return done.stderr


@pytest.fixture
def dispatched(site: WriteSite, project: Path, tmp_path: Path) -> Callable[..., Ran]:
    """Dispatch a job of the corpus, or one of these command lines, with the real hook."""

    def dispatch(
        source: str = "", commands: str = "", folder: Path = project, **settings: Any
    ) -> Ran:
        scheduler = {"submit_command": ["echo", "4711"], "job_id": r"^(\d+)", "directives": "slurm"}
        site("site.json", {"scheduler": "t", "schedulers": {"t": scheduler}, **settings})
        if source:
            name = Path(source).name.replace("_job", "/job")
            (folder / name).mkdir(parents=True, exist_ok=True)
            for file in (CORPUS / source).iterdir():
                shutil.copyfile(file, folder / name / file.name)
        else:
            name = "Class2D/job001"
            (folder / name).mkdir(parents=True, exist_ok=True)
            lines = [f"{name}/run.out", f"{name}/run.err", *commands.splitlines(), ""]
            (folder / name / "run_submit.script").write_text("\n".join(lines))
        stack = folder / "Extract/job006/stack.mrcs"
        stack.parent.mkdir(parents=True, exist_ok=True)
        stack.write_bytes(b"images")
        os.utime(stack, (1, 1))
        done = call_hook(folder / name / "run_submit.script", folder)
        assert done.returncode == 0, done.stderr
        return Ran(folder, name, tmp_path)

    return dispatch


@pytest.fixture
def started(tmp_path: Path) -> Callable[..., list[list[str]]]:
    """Run a script with a stand-in for Apptainer; returns the arguments that it was given."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("apptainer", "srun"):
        program = programs / name
        program.write_text('#!/bin/bash\nprintf "%s\\0" "$0" "$@" $\'\\n\' >> "$STARTED"\n')
        program.chmod(0o755)

    def run(script: Path, **environment: str) -> list[list[str]]:
        log = tmp_path / "started"
        log.unlink(missing_ok=True)
        done = subprocess.run(
            ["bash", script],
            cwd="/",
            env={"PATH": f"{programs}:/usr/bin:/bin", "STARTED": str(log), **environment},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        calls = log.read_text().split("\n\0")[:-1]
        return [[Path(words[0]).name, *words[1:-1]] for words in (c.split("\0") for c in calls)]

    return run


def stopped(script: Path) -> str:
    """What the script says when it stops before it starts a container."""
    path = {"PATH": f"{script.parent}/programs:/usr/bin:/bin", "STARTED": "/dev/full"}
    done = subprocess.run(["bash", script], env=path, capture_output=True, text=True)
    assert done.returncode != 0
    return done.stderr


Dispatched = Callable[..., Ran]
Started = Callable[..., list[list[str]]]


def options(argv: list[str], *names: str) -> list[str]:
    return [argv[argv.index(name) + 1] for name in names]


# What is run


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

    mounts = [word for word in argv if word.startswith("--mount=")]
    output = f"{job.project}/Reproduced/Class2D/job007"
    assert mounts == [
        f"--mount=type=bind,source={job.project},destination={job.project},ro",
        f"--mount=type=bind,source={output},destination={output}",
    ]


def test_all_commands_run_in_order_and_file_commands_in_the_new_folder(
    dispatched: Dispatched, started: Started
) -> None:
    job = dispatched("relion-5.0.1/InitialModel_job009")

    refine, align = started(job.script())

    new = "Reproduced/InitialModel/job009"
    assert options(refine, "--o") == [f"{new}/run"]
    assert options(align, "--i", "--o") == [
        f"{new}/run_it200_model.star",
        f"{new}/initial_model.mrc",
    ]
    assert (job.project / new / "RELION_JOB_EXIT_SUCCESS").exists()
    assert not (job.folder / "RELION_JOB_EXIT_SUCCESS").exists()


def test_a_redirect_goes_to_the_new_folder(dispatched: Dispatched, started: Started) -> None:
    job = dispatched("relion-3.1.4/AutoPick_job009")

    started(job.script())

    name = "coords_suffix_autopick.star"
    written = (job.project / "Reproduced" / job.name / name).read_text()
    assert written.startswith("CtfFind/")
    assert not (job.folder / name).exists()


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
    assert "status 3: see Reproduced/InitialModel/job009/run.err" in done.stderr
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
        "--x=Class2D/job001/y --scratch_dir /s/${NAME}",
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
    assert options(argv, "--scratch_dir") == ["/s/n"], "as bash splits it in the first run too"
    shutil.rmtree(folder / "Reproduced")
    assert "NAME: the command has it in it" in stopped(job.script())


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

    assert f"--mount=type=bind,source={now},destination={was},ro" in argv
    output = "Reproduced/Class2D/job007"
    assert f"--mount=type=bind,source={now}/{output},destination={was}/{output}" in argv
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

    assert f"--mount=type=bind,source={job.project},destination={job.project},ro" in argv


def test_the_variables_of_then_are_let_through(dispatched: Dispatched) -> None:
    job = dispatched(
        "relion-5.0.1/Class2D_job007", apptainer={"environment": ["THEN_ONE", "THEN_TWO"]}
    )
    (job.tmp_path / "site" / "site.json").write_text('{"apptainer": {"environment": ["NOW"]}}')

    assert "for name in THEN_ONE THEN_TWO; do" in job.script().read_text()

    record = job.record
    del record["environment"]
    (job.folder / "dispatch.json").write_text(json.dumps(record))
    assert "for name in NOW; do" in job.script().read_text()
    assert "note: The record does not tell which environment variables" in job.reproduce().stderr


def test_an_image_named_relative_to_where_the_script_is_started_is_found(
    dispatched: Dispatched, started: Started, tmp_path: Path, images: Path
) -> None:
    job = dispatched("relion-5.0.1/Class2D_job007")
    script = job.script()
    image = Path(job.record["image"]["path"])
    image.rename(tmp_path / "a copy.sif")

    (argv,) = started(script, REPRODUCE_IMAGE=str(tmp_path / "a copy.sif").lstrip("/"))

    assert str(tmp_path / "a copy.sif") in argv


# The seed


def test_the_seed_that_relion_drew_is_given(dispatched: Dispatched, started: Started) -> None:
    job = dispatched("relion-5.0.1/Class2D_job007")
    for iteration in ("000", "025"):
        (job.folder / f"run_it{iteration}_optimiser.star").write_text(OPTIMISER.format(1795516461))
    script = job.script()

    (argv,) = started(script)

    assert options(argv, "--random_seed") == ["1795516461"]
    assert "it then wrote to Class2D/job007/run_it000_optimiser.star" in script.read_text()


def test_a_seed_that_nothing_tells_is_said_to_be_lost(dispatched: Dispatched) -> None:
    job = dispatched("relion-5.0.1/Class2D_job007")

    done = job.reproduce()

    assert "the result will differ" in done.stderr
    assert "the result will differ" in done.stdout


@pytest.mark.parametrize(
    ("line", "seed"),
    [
        ("relion_refine --o Class2D/job001/run", 7),
        ("relion_refine_mpi --o Class2D/job001/run --random_seed -1", 7),
        ("relion_refine --o Class2D/job001/run --random_seed 3", None),
        ("relion_refine --o Class2D/job001/run --continue x_optimiser.star", None),
        ("relion_refine --o Job/job002/run", None),
        ("relion_autopick --odir Class2D/job001/", None),
    ],
)
def test_only_a_seed_from_the_clock_is_looked_up(
    tmp_path: Path, line: str, seed: int | None
) -> None:
    (tmp_path / "Class2D/job001").mkdir(parents=True)
    # Cleaning up a job in RELION leaves only its last optimiser file.
    (tmp_path / "Class2D/job001/run_optimiser.star").write_text(OPTIMISER.format(7))

    found = recorded_seed(parse_command(line), tmp_path)

    assert (found and found.value) == seed


@pytest.mark.parametrize(
    ("threads", "words", "says"),
    [
        (1, "", None),
        (4, "", "Several threads or ranks"),
        (1, "--center_classes", "RELION centres the classes"),
    ],
)
def test_what_may_keep_a_result_from_being_the_same_is_said(
    dispatched: Dispatched, threads: int, words: str, says: str | None
) -> None:
    line = "`which relion_refine` --i Extract/job006/particles.star --o Class2D/job001/run --K 2"
    job = dispatched(
        commands=f"{line} --random_seed 1 {words}",
        partitions={"p": {"cores": 4, "gpus": 0}},
        job_parameters={"submit": {"partition": "p"}, "class2d": {"nproc": 1, "nthread": threads}},
    )

    said = job.reproduce().stderr

    assert says in said if says else said == ""


# What is refused


def test_a_job_without_record_is_refused(dispatched: Dispatched) -> None:
    job = dispatched("relion-5.0.1/Class2D_job007")
    (job.folder / "dispatch.json").unlink()
    assert "was not run by relion-dispatch" in job.refusal()

    job.name = "Class2D/job008"
    assert "There is no job folder Class2D/job008" in job.refusal()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"image": None}, "ran on the host"),
        ({"image": {"path": "x.sif", "sha256": None}}, "no sha256"),
        ({"commands": [{"argv": ["relion_refine"], "prefix": []}]}, "older relion-dispatch"),
        ({"commands": []}, "damaged"),
        ({"dispatched": "yesterday"}, "damaged"),
        ({"environment": ["a b"]}, "damaged"),
        ({"environment": 3}, "damaged"),
        ({"job": "Class2D/job009"}, "does not lie in that job's folder"),
    ],
)
def test_a_record_that_lacks_something_is_refused(
    dispatched: Dispatched, changes: dict[str, Any], says: str
) -> None:
    job = dispatched("relion-5.0.1/Class2D_job007")
    job.change_record(**changes)

    assert says in job.refusal()


@pytest.mark.usefixtures("started")
def test_another_image_is_refused_with_both_digests(dispatched: Dispatched) -> None:
    job = dispatched("relion-5.0.1/Class2D_job007")
    script = job.script()
    then = job.record["image"]
    Path(then["path"]).write_bytes(b"another file")
    now = hashlib.sha256(b"another file").hexdigest()

    for said in (job.refusal(), stopped(script)):
        assert now in said
        assert then["sha256"] in said


def test_an_image_is_found_by_its_digest_elsewhere_in_the_catalogue(
    dispatched: Dispatched, started: Started, images: Path
) -> None:
    job = dispatched("relion-5.0.1/Class2D_job007")
    then = job.record["image"]
    path = Path(then["path"])
    path.rename(path.with_name("moved.sif"))
    assert "is not there any more" in job.refusal()
    images.write_text(images.read_text().replace(path.name, "moved.sif"))

    (argv,) = started(job.script())

    assert str(path.with_name("moved.sif")) in argv


def test_a_changed_input_is_refused_and_a_touched_one_is_not(
    dispatched: Dispatched, started: Started
) -> None:
    job = dispatched("relion-5.0.1/Class2D_job007")
    particles = job.project / "Extract/job006/particles.star"
    text = particles.read_text()
    script = job.script()

    os.utime(particles, (1, 1))
    assert started(script)
    shutil.rmtree(job.project / "Reproduced")
    particles.write_text(text.replace("000001@", "000002@"))
    refusal = job.refusal()
    assert "Extract/job006/particles.star of Class2D/job007 has changed: its sha256 is" in refusal
    assert "particles.star has changed" in stopped(script)
    particles.write_text(text + "\n")
    assert "bytes, then" in job.refusal()
    particles.unlink()
    assert "cannot be read any more" in job.refusal()
    accepted = job.reproduce("--accept-changed", "Extract/*")
    assert accepted.returncode == 0
    assert re.search("^# note .*particles.star cannot be read.*accepted", accepted.stdout, re.M)
    assert "same Extract" not in accepted.stdout


def test_a_large_input_is_known_by_size_and_time(dispatched: Dispatched, project: Path) -> None:
    large = project / "map.mrc"
    with open(large, "wb") as stream:
        stream.truncate(5 << 20)
    job = dispatched(commands="`which relion_mask_create` --i map.mrc --o Class2D/job001/mask.mrc")
    assert job.record["inputs"][0]["sha256"] is None
    assert job.script().read_text().count("same map.mrc 5242880 ") == 1

    os.utime(large)

    assert "map.mrc of Class2D/job001 cannot be shown to be the same" in job.refusal()


def test_an_input_that_the_record_does_not_know_is_refused(dispatched: Dispatched) -> None:
    job = dispatched("relion-3.1.4/AutoPick_job009")
    assert job.reproduce().returncode == 0
    (job.project / "refs.star").write_text("data_\n")

    assert "refs.star of AutoPick/job009 was not there when it was dispatched" in job.refusal()


def test_images_that_particles_name_must_be_there_and_not_be_newer(
    dispatched: Dispatched, started: Started
) -> None:
    job = dispatched("relion-5.0.1/Class2D_job007")
    stack = job.project / "Extract/job006/stack.mrcs"
    script = job.script()
    assert started(script)
    shutil.rmtree(job.project / "Reproduced")

    later = (job.folder / "dispatch.json").stat().st_mtime + 5
    os.utime(stack, (later, later))
    assert "stack.mrcs of Class2D/job007 cannot be shown to be the same" in job.refusal()
    assert "stack.mrcs was written after the first run" in stopped(script)
    stack.unlink()
    assert "stack.mrcs of Class2D/job007 cannot be read any more" in job.refusal()
    assert "stack.mrcs is not there any more" in stopped(script)


def test_results_never_land_on_others(dispatched: Dispatched, tmp_path: Path) -> None:
    job = dispatched("relion-5.0.1/Class2D_job007")
    assert "is not empty" in job.refusal("--output", job.folder)
    assert "output=Reproduced/Class2D/job007\n" in job.reproduce().stdout
    (job.project / "Reproduced/Class2D/job007").mkdir(parents=True)
    (job.project / "Reproduced/Class2D/job007/run.out").touch()
    assert "output=Reproduced/Class2D/job007-2\n" in job.reproduce().stdout
    assert f"output={tmp_path}/new\n" in job.reproduce("--output", tmp_path / "new").stdout
    script = job.script()
    assert f"{script} exists already" in job.refusal("--write", script)


# What a STAR file names


def test_files_named_in_a_star_file(tmp_path: Path) -> None:
    (tmp_path / "particles.star").write_text(
        "\n# version 50001\n\ndata_optics\n\nloop_ \n_rlnOpticsGroup #1 \n_rlnMtfFileName #2 \n"
        "_rlnImageSize #3\n 1 mtf.star 64\n\n\n# version 50001\n\ndata_particles\n\nloop_\n"
        "_rlnImageName #1\n_rlnMicrographName #2\n_rlnOpticsGroup #3\n"
        "000001@a.mrcs m.mrc 1\n000002@a.mrcs m.mrc 1\n000001@'b c.mrcs' m.mrc 1\n"
        "\n".replace("000001@'b c.mrcs'", "'000001@b c.mrcs'")
    )
    (tmp_path / "run_optimiser.star").write_text(
        "data_optimiser_general\n\n_rlnExperimentalDataStarFile particles.star\n"
        "_rlnModelStarFile model.star\n_rlnSolventMaskName None\n_rlnSolventMask2Name mask.mrc\n"
    )
    for name in ("mtf.star", "m.mrc", "mask.mrc"):
        (tmp_path / name).touch()
    images = {"mtf.star": False, "a.mrcs": True, "b c.mrcs": True}

    assert named_files(tmp_path / "particles.star", tmp_path) == images
    assert named_files(tmp_path / "run_optimiser.star", tmp_path) == images | {
        "particles.star": True,
        "model.star": True,
        "mask.mrc": False,
    }


def test_micrographs_count_where_they_are_the_images(tmp_path: Path) -> None:
    (tmp_path / "micrographs.star").write_text(
        "data_micrographs\n\nloop_\n_rlnMicrographName #1\n_rlnCtfImage #2\n"
        "m1.mrc m1.ctf:mrc\nm2.mrc m2.ctf:mrc\n"
    )

    assert named_files(tmp_path / "micrographs.star", tmp_path) == {"m1.mrc": True, "m2.mrc": True}


def test_a_star_file_cut_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "particles.star"
    path.write_text(
        "data_particles\n\nloop_\n_rlnImageName #1\n_rlnOpticsGroup #2\n1@a.mrcs 1\n2@a.m"
    )

    with pytest.raises(InputError, match="cut short"):
        named_files(path, tmp_path)


# A script to read


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
