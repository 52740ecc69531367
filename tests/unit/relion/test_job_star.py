"""job.star is read in both dialects, and never stands in the way."""

from pathlib import Path

import pytest

from dispatcher.relion import job_star

from ...corpus import CORPUS


def test_integer_types_of_relion_3_get_their_labels() -> None:
    labels = {
        path.parent.name: job.label
        for path in sorted(CORPUS.glob("relion-3.1.4/*/job.star"))
        if (job := job_star.read(path))
    }
    assert labels == {
        "AutoPick_job009": "relion.autopick",
        "Class2D_job002": "relion.class2d",
        "Class3D_job004": "relion.class3d",
        "CtfFind_job008": "relion.ctffind",
        "CtfRefine_job014": "relion.ctfrefine",
        "External_job015": "relion.external",
        "Extract_job010": "relion.extract",
        "InitialModel_job003": "relion.initialmodel",
        "LocalRes_job012": "relion.localres",
        "MaskCreate_job001": "relion.maskcreate",
        "MotionCorr_job007": "relion.motioncorr",
        "MultiBody_job006": "relion.multibody",
        "Polish_job013": "relion.polish",
        "Refine3D_job005": "relion.refine3d",
        "Subtract_job011": "relion.subtract",
    }


def test_labels_of_relion_4_and_5_are_kept_as_written() -> None:
    paths = sorted(CORPUS.glob("relion-[45]*/*/job.star"))
    assert len(paths) == 47
    for path in paths:
        job = job_star.read(path)
        assert job is not None and job.problem is None
        assert f"_rlnJobTypeLabel             {job.label}\n" in path.read_text()


def test_gui_choices_are_read_with_their_blanks_and_empty_values() -> None:
    job = job_star.read(CORPUS / "relion-3.1.4" / "Refine3D_job005" / "job.star")
    assert job is not None
    assert job.options["auto_local_sampling"] == "1.8 degrees"
    assert job.options["do_queue"] == "Yes"
    assert job.options["gpu_ids"] == ""
    assert job.is_continue is False


def test_continued_job_says_so(tmp_path: Path) -> None:
    path = tmp_path / "job.star"
    path.write_text("data_job\n\n_rlnJobTypeLabel relion.class3d\n_rlnJobIsContinue 1\n")
    assert job_star.read(path) == job_star.JobStar("relion.class3d", True, {})


def test_missing_file_is_none(tmp_path: Path) -> None:
    assert job_star.read(tmp_path / "job.star") is None


@pytest.mark.parametrize(
    ("text", "label", "problem"),
    [
        ("", None, "not a STAR file"),
        ("\0\0\0", None, "not a STAR file"),
        ("data_job\n_rlnJobType 77\n", None, "unknown job type 77"),
        ("data_job\n_rlnJobIsTomo 0\n", None, "names no job type"),
        ("data_job\n_rlnJobType 8\n\ndata_x\nloop_\n", "relion.class2d", "line 5"),
    ],
)
def test_damage_is_a_problem_and_no_error(
    tmp_path: Path, text: str, label: str | None, problem: str
) -> None:
    path = tmp_path / "job.star"
    path.write_text(text)
    job = job_star.read(path)
    assert job is not None
    assert job.label == label
    assert job.problem is not None and problem in job.problem and str(path) in job.problem


def test_unreadable_file_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "job.star").mkdir()
    job = job_star.read(tmp_path / "job.star")
    assert job is not None and job.problem is not None and "it is a folder" in job.problem


def test_folder_gives_the_label_that_job_star_gives() -> None:
    """For every corpus job whose folder RELION uses for one job type only."""
    ambiguous = {"Import", "Extract", "CtfRefine", "Polish"}
    paths = sorted(CORPUS.glob("*/*/job.star"))
    assert len(paths) == 62
    for path in paths:
        folder, _, number = path.parent.name.partition("_")
        guess = job_star.label_from_directory(f"{folder}/{number}/")
        job = job_star.read(path)
        assert job is not None and job.label is not None
        if folder in ambiguous:
            assert guess is None
        else:
            assert guess is not None and f"{job.label}.".startswith(f"{guess}."), path


@pytest.mark.parametrize(
    ("folder", "label"),
    [
        ("External/job015/", "relion.external"),
        ("External/job015", "relion.external"),
        ("/data/project/Refine3D/job123/", "relion.refine3d"),
        ("/home/Class2D/project/MyJobs/job001/", None),
        ("Class2D/", None),
        ("Class2D/myalias/", None),
        ("", None),
    ],
)
def test_folder_counts_only_above_a_job_number(folder: str, label: str | None) -> None:
    assert job_star.label_from_directory(folder) == label
