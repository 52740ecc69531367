"""Programs of RELION that do only what is left: a job of each is cut half-way, and goes on.

RELION's program runs to its end, and then stands still until the machine is switched off. Then its
files are left as they may be after that: those of the first micrograph finished, one of the second
half-written, though a program that looks for names alone would take the micrograph for finished,
and of the third none. The next run of the job script ends with what there was before.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from dispatcher.jobs.record import RECORD, load_record

from ...waiting import has_ended, wait_for
from ..hook_calls import change_site, dispatch, start_hook
from ..jobs import mark_running
from ..power_cut import cut_power
from ..project import MakeProject, Project
from .micrographs import SHELL, prepare


class Form(NamedTuple):
    """A job of a program with ``--only_do_unfinished``.

    Attributes:
        kind: as RELION calls it.
        options: the fields of RELION's window.
        program: what runs.
        half: the file of the second micrograph that is half there.
        lacks: what no micrograph has yet, as the program makes it for all of them later.
        ago: how long before the cut the first micrograph was finished, in seconds.
    """

    kind: str
    options: dict[str, object]
    program: str
    half: str
    lacks: tuple[str, ...] = ()
    ago: int = 10


REFINED = {"fn_data": "refined.star", "fn_post": "PostProcess/job104/postprocess.star"}
POLISH: dict[str, object] = {
    **REFINED, "fn_mic": "MotionCorr/job101/corrected_micrographs.star", "do_own_params": "Yes",
    "do_float16": "No", "minres": 30,
}  # fmt: skip
FORMS = {
    "MotionCorr": Form(
        "motioncorr",
        {"input_star_mics": "movies.star", "do_float16": "No"},
        "relion_run_motioncorr",
        "mic2.mrc",
    ),
    # With a stand-in for CTFFIND4. Nothing tells whether its files are whole: those of the last
    # minute are made anew. RELION would stop at a line that is cut short.
    "CtfFind": Form(
        "ctffind",
        {
            "input_star_mics": "MotionCorr/job101/corrected_micrographs.star",
            "use_ctffind4": "Yes",
            "use_given_ps": "Yes",
            "fn_ctffind_exe": "./ctffind",
            "resmax": 8,
        },
        "relion_run_ctffind",
        "mic2_PS.txt",
        ago=3600,
    ),
    "AutoPick": Form(
        "autopick",
        {
            "fn_input_autopick": "CtfFind/job102/micrographs_ctf.star",
            "do_log": "Yes",
            "log_diam_min": 80,
            "log_diam_max": 110,
        },
        "relion_autopick",
        "mic2_autopick.star",
    ),
    "Extract": Form(
        "extract",
        {
            "star_mics": "CtfFind/job102/micrographs_ctf.star",
            "coords_suffix": "Coords/coords_suffix_pick.star",
            "extract_size": 32,
            "do_float16": "No",
        },
        "relion_preprocess",
        "mic2.mrcs",
    ),
    "CtfRefine": Form(
        "ctfrefine",
        {**REFINED, "do_ctf": "Yes", "do_defocus": "Per-particle", "do_tilt": "Yes"},
        "relion_ctf_refine",
        "mic2_defocus_fit.star",
    ),
    "Polish, tracks": Form(
        "polish", POLISH, "relion_motion_refine", "mic2_tracks.star", lacks=("_shiny",)
    ),
    "Polish, frames": Form("polish", POLISH, "relion_motion_refine", "mic2_shiny.mrcs"),
}

# In a job's folder from its submission on, or written by a later command.
OF_OTHERS = (
    "job.star", "job_pipeline.star", "default_pipeline.star", "coords_suffix_autopick.star",
)  # fmt: skip

# Stands in for a machine that is switched off while it runs RELION: RELION's files are all there.
STANDS_STILL = """#!/bin/bash
[[ $* == *{program}*--pipeline_control* && ! -e ended ]] || exec {apptainer} "$@"
{apptainer} "$@" && touch ended
exec sleep infinity
"""


@pytest.fixture(scope="module")
def before(
    images: dict[str, Path], particles: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """By major version: the files of a project with all that the jobs begin with."""
    folders = {major: tmp_path_factory.mktemp(f"micrographs{major}") for major in images}
    for major, folder in folders.items():
        prepare(folder, particles, images[major])
    return folders


class CutJob:
    """A job that goes on, and its files: names below its folder."""

    def __init__(self, project: Project, form: Form) -> None:
        self.project = project
        self.form = form
        self.folder = project.add_job(form.kind, **form.options)

    def files(self) -> dict[str, Path]:
        """What RELION has written of the micrographs, and of all of them."""
        written = [
            *self.folder.glob("Movies/*"),
            *(file for file in self.folder.glob("*.star") if file.name not in OF_OTHERS),
        ]
        return {str(file.relative_to(self.folder)): file for file in written}

    def contents(self) -> dict[str, bytes]:
        """The bytes of these files, without the labels of maps: these have the date."""
        return {
            name: raw[:220] + raw[1024:] if ".mrc" in name else raw
            for name, file in self.files().items()
            if (raw := file.read_bytes())
        }

    def start(self) -> None:
        """Submit the job, and wait until its program has ended."""
        mark_running(self.project, self.folder)
        printed, _ = start_hook(self.project, self.folder).communicate(timeout=120)
        wait_for((self.project.folder / "ended").exists, 120, f"the program ({printed})")

    def cut(self) -> None:
        """Switch the machine off, and leave what may be there then."""
        cut_power(self.project, self.folder)
        now = time.time()
        os.utime(self.folder / "run_submit.script.lib", (now - 7200, now - 7200))
        for name, file in self.files().items():
            if file.name == self.form.half:
                os.truncate(file, file.stat().st_size // 2)
            elif "mic1" in name and not any(each in name for each in self.form.lacks):
                os.utime(file, (now - self.form.ago, now - self.form.ago), follow_symlinks=False)
            elif "mic2" not in name or any(each in name for each in self.form.lacks):
                file.unlink()
        for file in self.folder.glob(".dispatch_control.*/RELION_JOB_EXIT_*"):
            file.unlink()

    def kill(self) -> None:
        """End what is left of a test that failed."""
        if (self.folder / RECORD).exists() and not list(self.folder.glob("RELION_JOB_EXIT_*")):
            cut_power(self.project, self.folder)


@pytest.fixture
def cut_job(make_project: MakeProject, before: dict[str, Path], tmp_path: Path) -> Iterator[Any]:
    """Make a job of a form, with a version of RELION."""
    made = []
    small = {"nproc": 2, "nthread": 1, "mem": "1G", "mem_per_rank": None}
    types = ("motioncorr_own", "ctffind", "autopick_log", "extract", "ctfrefine", "polish")

    def make(form: Form, major: str) -> CutJob:
        project = make_project(major, scheduler="local", **dict.fromkeys(types, small))
        shutil.copytree(before[major], project.folder, dirs_exist_ok=True)
        project.environment["RELION_SHELL"] = SHELL
        program = tmp_path / "apptainer"
        program.write_text(
            STANDS_STILL.format(program=form.program, apptainer=os.environ["RELION_TEST_APPTAINER"])
        )
        program.chmod(0o755)
        change_site(project, goes_on=True, apptainer={"program": str(program)})
        made.append(CutJob(project, form))
        return made[-1]

    yield make
    for each in made:
        each.kill()


@pytest.mark.parametrize("major", ["3", "5"])
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_what_is_finished_stays_and_the_rest_is_made(form: Form, major: str, cut_job: Any) -> None:
    job = cut_job(form, major)
    job.start()
    uncut = job.contents()
    job.cut()
    cut = {name: file.stat() for name, file in job.files().items()}

    dispatch(job.project, "resume", f"{job.folder.parent.name}/{job.folder.name}")
    wait_for(lambda: list(job.folder.glob("RELION_JOB_EXIT_*")), 120, "the end of the job")
    wait_for(lambda: has_ended(job.folder), 30, "the last word of its script")

    runs = load_record(job.folder / RECORD).runs
    assert [run.ending for run in runs] == ["GOES_ON", "SUCCESS"]
    assert "Run 2 of the job goes on with what is not finished." in (
        job.folder / "run.out"
    ).read_text(errors="replace")
    found, contents = job.files(), job.contents()
    assert contents.keys() == uncut.keys()
    assert [name for name in contents if contents[name] != uncut[name]] == []
    finished = {name for name in cut if "mic1" in name}
    assert finished
    for name in finished:
        assert found[name].stat().st_mtime_ns == cut[name].st_mtime_ns
    (half,) = (name for name in cut if name.endswith(f"/{form.half}"))
    assert found[half].stat().st_mtime_ns > cut[half].st_mtime_ns
