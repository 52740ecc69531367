"""The job types as shipped: which one takes which job of RELION 3.1 to 5.1."""

from __future__ import annotations

from pathlib import Path

import pytest

from dispatcher.config.job_types import JobType, lineage, match
from dispatcher.relion import job_star
from dispatcher.relion.command import Command, parse_command
from dispatcher.relion.submission import parse_submission
from dispatcher.site.job_type_check import shadowed

from ...corpus import CORPUS

CORPUS_TYPES = {
    "relion-3.1.4/AutoPick_job009": "autopick",
    "relion-3.1.4/Class2D_job002": "class2d",
    "relion-3.1.4/Class3D_job004": "class3d",
    "relion-3.1.4/CtfFind_job008": "gctf",
    "relion-3.1.4/CtfRefine_job014": "ctfrefine",
    "relion-3.1.4/External_job015": "external",
    "relion-3.1.4/Extract_job010": "extract",
    "relion-3.1.4/InitialModel_job003": "initialmodel",
    "relion-3.1.4/LocalRes_job012": "localres",
    "relion-3.1.4/MaskCreate_job001": "maskcreate",
    "relion-3.1.4/MotionCorr_job007": "motioncorr_own",
    "relion-3.1.4/MultiBody_job006": "multibody",
    "relion-3.1.4/Polish_job013": "polish",
    "relion-3.1.4/Refine3D_job005": "refine",
    "relion-3.1.4/Subtract_job011": "subtract",
    "relion-4.0.2/AutoPick_job006": "autopick_topaz",
    "relion-4.0.2/Class2D_job001": "class2d",
    "relion-4.0.2/Class3D_job003": "class3d",
    "relion-4.0.2/CtfRefineTomo_job009": "ctfrefine_tomo",
    "relion-4.0.2/FrameAlignTomo_job010": "framealign_tomo",
    "relion-4.0.2/ImportTomo_job007": "import_tomo",
    "relion-4.0.2/InitialModel_job002": "initialmodel",
    "relion-4.0.2/MultiBody_job005": "multibody",
    "relion-4.0.2/PseudoSubtomo_job008": "subtomo",
    "relion-4.0.2/ReconstructParticleTomo_job011": "reconstruct_particle_tomo",
    "relion-4.0.2/Refine3D_job004": "refine",
    "relion-5.0.1/AlignTiltSeries_job027": "align_tiltseries_aretomo",
    "relion-5.0.1/AlignTiltSeries_job028": "align_tiltseries",
    "relion-5.0.1/AutoPick_job004": "autopick_log",
    "relion-5.0.1/AutoPick_job005": "autopick_topaz",
    "relion-5.0.1/Class2D_job007": "class2d",
    "relion-5.0.1/Class2D_job008": "class2d_vdam",
    "relion-5.0.1/Class3D_job010": "class3d",
    "relion-5.0.1/CtfFind_job003": "ctffind",
    "relion-5.0.1/CtfRefine_job020": "ctfrefine",
    "relion-5.0.1/CtfRefine_job034": "ctfrefine_tomo",
    "relion-5.0.1/Denoise_job030": "denoise",
    "relion-5.0.1/DynaMight_job024": "dynamight",
    "relion-5.0.1/ExcludeTiltImages_job032": "exclude_tilt_images",
    "relion-5.0.1/External_job023": "external",
    "relion-5.0.1/Extract_job006": "extract",
    "relion-5.0.1/Extract_job033": "subtomo",
    "relion-5.0.1/Import_job001": "import",
    "relion-5.0.1/InitialModel_job009": "initialmodel",
    "relion-5.0.1/JoinStar_job015": "joinstar",
    "relion-5.0.1/LocalRes_job017": "localres",
    "relion-5.0.1/ModelAngelo_job025": "modelangelo",
    "relion-5.0.1/ModelAngelo_job026": "modelangelo",
    "relion-5.0.1/MotionCorr_job002": "motioncorr_own",
    "relion-5.0.1/MultiBody_job012": "multibody",
    "relion-5.0.1/MultiBody_job013": "multibody",
    "relion-5.0.1/Picks_job031": "picks",
    "relion-5.0.1/Polish_job018": "polish",
    "relion-5.0.1/Polish_job019": "polish_train",
    "relion-5.0.1/Polish_job035": "framealign_tomo",
    "relion-5.0.1/PostProcess_job016": "postprocess",
    "relion-5.0.1/Reconstruct_job036": "reconstruct_particle_tomo",
    "relion-5.0.1/Refine3D_job011": "refine",
    "relion-5.0.1/Select_job021": "class_ranker",
    "relion-5.0.1/Select_job022": "select",
    "relion-5.0.1/Subtract_job014": "subtract",
    "relion-5.0.1/Tomograms_job029": "tomograms",
}


# What the corpus lacks: (label, RELION's line, type). Lines of new jobs were written by RELION
# 5.1.0 (paths shortened); older and continued ones follow src/pipeline_jobs.cpp, 3.1.4 to 5.0.1.
FURTHER = [
    ("relion.autopick.topaz.train",
     "`which relion_autopick` --fn_topaz_exe relion_python_topaz --i a.star --odir AutoPick/job5/ "
     '--pickname autopick --topaz_train --topaz_train_parts a.star --gpu "0"',
     "autopick_topaz_train"),
    ("relion.autopick.amypick",
     "`which relion_find_amyloid_mpi` --odir AutoPick/job002/ --pickname autopick --j 6 "
     "--skip_tracing  --i a.star --only_do_unfinished",
     "autopick_amyloid"),
    ("relion.autopick.amypick",
     "`which relion_find_amyloid` --odir AutoPick/job003/ --pickname autopick --skip_fom  "
     '--trace_filament_length 500 --threshold 0.25 --gpu "" --i a.star',
     "autopick_amyloid_trace"),
    ("relion.autopick.amypick",  # RELION 5.1.0's window refuses this one, other clients do not
     "`which relion_find_amyloid_mpi` --odir AutoPick/job003/ --pickname autopick --j 6 "
     '--trace_filament_length 500 --threshold 0.5 --gpu "0:1" --i a.star',
     "autopick_amyloid_both"),
    ("relion.autopick.amypick",  # nothing but the search is left out: nothing needs a GPU
     "`which relion_find_amyloid` --odir AutoPick/job003/ --skip_fom --skip_tracing --i a.star",
     "autopick_amyloid"),
    ("relion.autopick.continuemanual",
     "`which relion_manualpick` --i a.star --odir AutoPick/job5/ --pickname autopick --allow_save",
     "manualpick"),
    ("relion.manualpick",
     "`which relion_manualpick` --i a.star --odir ManualPick/job011/ --pickname manualpick",
     "manualpick"),
    ("relion.motioncorr.motioncor2",
     "`which relion_run_motioncorr_mpi` --i m.star --o MotionCorr/job004/ --first_frame_sum 1 "
     '--use_motioncor2  --motioncor2_exe /public/MotionCor2 --other_motioncor2_args " -Tol 0.5 " '
     '--gpu "0:1" --bin_factor 1',
     "motioncorr2"),
    ("relion.import.movies", "relion_import  --do_movies --i \"m/*.tif\" --odir Import/job001/",
     "import"),
    ("relion.importtomo",
     'relion_python_tomo_import SerialEM  --tilt-image-movie-pattern "frames/*.tif" '
     '--mdoc-file-pattern "mdoc/*.mdoc" --optics-group-name "" --output-directory Import/job015/',
     "import_tomo"),
    ("relion.importtomo",
     'relion_tomo_import_coordinates  --i "a.star" --o Import/job016/ --scale_factor 1',
     "import_tomo"),
    ("relion.importtomo", "relion_tomo_import_particles  --i a.star --o ImportTomo/job016/",
     "import_tomo"),
    ("relion.select.interactive",
     "`which relion_display` --gui --i a.star --allow_save --fn_imgs Select/job012/mics.star",
     "display"),
    ("relion.select.filamentsdendrogram",
     "`which relion_filament_selection` -i a.star -o Select/job014/ -t 0.85 -c -1000", "select"),
    ("relion.class2d",
     "`which relion_refine` --o Class2D/job009/run --iter 25 --i a.star --ctf --K 1 "
     "--oversampling 1 --skip_align  --norm --scale  --j 1",
     "class2d_noalign"),
    (None,
     "`which relion_refine` --o Class2D/job009/run --iter 25 --i a.star --ctf --K 1 --skip_align",
     "class3d_noalign"),
    ("relion.class3d",
     "`which relion_refine_mpi` --o Class3D/job008/run --i a.star --ref i.mrc --ctf --K 4 "
     "--skip_align  --sym C1 --norm --scale  --j 1",
     "class3d_noalign"),
    ("relion.class3d",
     "`which relion_refine` --o Class3D/job008/run --i a.star --ref i.mrc --ctf --K 1 --blush  "
     "--blush_model v1.0 --skip_align  --sym C1",
     "class3d"),
    ("relion.class3d",  # several references, given in the particles: no --ref
     "`which relion_refine_mpi` --o Class3D/job008/run --i a.star --K 4 --healpix_order 2 --sym C1",
     "class3d"),
    ("relion.class3d",  # VDAM in 3D, by RELION's field for further arguments
     "`which relion_refine` --o Class3D/job008/run --i a.star --ref i.mrc --K 4 --sym C1 --grad",
     "class3d"),
    ("relion.class3d.tomo",
     "`which relion_refine_mpi` --o Class3D/job008/run --ios o.star --ref i.mrc --K 4 --sym C1",
     "class3d"),
    ("relion.class2d",
     "`which relion_refine` --continue Class2D/job002/run_it010_optimiser.star --o "
     "Class2D/job002/run --grad --class_inactivity_threshold 0.1 --iter 200",
     "class2d_vdam"),
    ("relion.class2d",
     "`which relion_refine_mpi` --o Class2D/job002/run --continue "
     "Class2D/job002/run_it010_optimiser.star --iter 25 --skip_align",
     "class2d_noalign"),
    ("relion.class3d",
     "`which relion_refine_mpi` --continue Class3D/job002/run_it010_optimiser.star --o "
     "Class3D/job002/run --iter 25 --tau2_fudge 4 --skip_align",
     "class3d_noalign"),
    ("relion.multibody",
     "`which relion_flex_analyse` --PCA_orient  --model MultiBody/job012/run_model.star",
     "flex_analyse"),
    ("relion.subtract", "`which relion_particle_subtract` --revert p.star --o Subtract/job010/",
     "subtract_revert"),
    ("relion.polish.train",
     "`which relion_motion_refine` --i p.star --o Polish/job019/ --min_p 10000 --params2 ",
     "polish_train"),
    ("dynamight",
     "relion_python_dynamight explore-latent-space DynaMight/job024/ --half-set 1 --gpu-id 0",
     "dynamight_explore"),
    ("dynamight",
     "relion_python_dynamight optimize-inverse-deformations DynaMight/job024/ --n-epochs 200",
     "dynamight"),
    ("dynamight",
     "relion_python_dynamight deformable-backprojection DynaMight/job024/ --batch-size 1",
     "dynamight"),
    ("modelangelo",
     "relion_python_modelangelo hmm_search  -i ModelAngelo/job026/ -f lib.fasta -a amino",
     "modelangelo_hmm"),
    ("relion.denoisetomo",
     "`which relion_python_tomo_denoise`  cryoCARE:predict  --tomogram-star-file t.star --gpu 0",
     "denoise"),
    ("relion.picktomo",
     "`which relion_python_tomo_get_particle_poses` particles-from-star --tomograms-file t.star",
     "picks"),
    ("relion.reconstructparticletomo",
     "`which relion_reconstruct_mpi` --i p.star --o ReconstructParticleTomo/job011/r.mrc --ctf ",
     "reconstruct"),
    ("relion.external", "/opt/bin/relion_refine --o External/job023/ --auto_refine --j 4",
     "external"),
    # Whatever RELION's label is: the CCP-EM Pipeliner's job runner starts the programs.
    ("relion.refine3d", "python3 /e/scripts/job_runner.py Refine3D/job003/job.star", "pipeliner"),
    ("relion.external", "python3 /e/scripts/job_runner.py External/job004/job.star", "pipeliner"),
    # As planning shows a job whose window asks for GPUs.
    ("relion.refine3d", "python3 --gpu /e/scripts/job_runner.py Refine3D/job003/job.star",
     "pipeliner_gpu"),
]  # fmt: skip


# A continued job's line, by the source of 3.1.4 to 5.0.1: (label, number up to 3.1, folder, type).
CONTINUED = [
    ("relion.class2d", 8, "Class2D", "class2d_continue"),
    ("relion.class3d", 9, "Class3D", "class3d_continue"),
    ("relion.refine3d", 10, "Refine3D", "refine_continue"),
    ("relion.initialmodel", 18, "InitialModel", "initialmodel_continue"),
    ("relion.multibody", 19, "MultiBody", "multibody_continue"),
]


def continued(folder: str) -> Command:
    return parse_command(
        f"`which relion_refine_mpi` --continue {folder}/job005/run_it010_optimiser.star "
        f"--o {folder}/job005/run --dont_combine_weights_via_disc --pool 3 --pad 2  --j 4 "
        f'--gpu ""  --pipeline_control {folder}/job005/'
    )


def corpus_main(name: str) -> tuple[str, Command]:
    """The job's folder and its main command."""
    script = CORPUS / name / "run_submit.script"
    submission = parse_submission(script.read_text(), str(script))
    return submission.job, submission.main


def test_the_table_names_every_script_of_the_corpus() -> None:
    scripts = {
        str(path.parent.relative_to(CORPUS)) for path in CORPUS.glob("*/*/run_submit.script")
    }

    assert set(CORPUS_TYPES) == scripts


@pytest.mark.parametrize(("name", "expected"), CORPUS_TYPES.items(), ids=CORPUS_TYPES)
def test_every_script_of_the_corpus_gets_its_type(
    name: str, expected: str, types: dict[str, JobType]
) -> None:
    _, main = corpus_main(name)
    gui = job_star.read(CORPUS / name / "job.star")

    assert gui is not None
    assert match(types, main, gui.label) == expected


@pytest.mark.parametrize(("name", "expected"), CORPUS_TYPES.items(), ids=CORPUS_TYPES)
def test_job_star_may_be_missing(name: str, expected: str, types: dict[str, JobType]) -> None:
    job, main = corpus_main(name)

    assert match(types, main, job_star.label_from_directory(job)) == expected


@pytest.mark.parametrize(
    ("label", "line", "expected"), FURTHER, ids=[f"{row[2]}-{row[0]}" for row in FURTHER]
)
def test_jobs_that_the_corpus_lacks_get_their_type(
    label: str | None, line: str, expected: str, types: dict[str, JobType]
) -> None:
    assert match(types, parse_command(line), label) == expected


@pytest.mark.parametrize(("label", "number", "folder", "expected"), CONTINUED)
def test_continued_jobs_are_told_apart_by_their_label(
    label: str, number: int, folder: str, expected: str, types: dict[str, JobType], tmp_path: Path
) -> None:
    for entry in (f"_rlnJobTypeLabel {label}", f"_rlnJobTypeLabel {label}.tomo",
                  f"_rlnJobType {number}"):  # fmt: skip
        path = tmp_path / "job.star"
        path.write_text(f"data_job\n\n{entry}\n_rlnJobIsContinue 1\n")
        gui = job_star.read(path)
        assert gui is not None
        assert match(types, continued(folder), gui.label) == expected

    from_folder = job_star.label_from_directory(f"{folder}/job005")
    assert match(types, continued(folder), from_folder) == expected


def test_a_continued_job_without_any_label_is_refused(types: dict[str, JobType]) -> None:
    assert match(types, continued("Somewhere"), None) is None


@pytest.mark.parametrize(("label", "number", "folder", "expected"), CONTINUED)
def test_continued_jobs_inherit_from_what_they_continue(
    label: str, number: int, folder: str, expected: str, types: dict[str, JobType]
) -> None:
    assert types[expected].inherits == expected.removesuffix("_continue")


def test_an_unknown_program_is_refused(types: dict[str, JobType]) -> None:
    assert match(types, parse_command("`which relion_new_in_6` --i a.star"), "relion.new") is None


def test_every_type_is_reached_by_a_job_of_these_tests(types: dict[str, JobType]) -> None:
    reached = {*CORPUS_TYPES.values(), *(row[2] for row in FURTHER), *(row[3] for row in CONTINUED)}

    assert reached == {name for name, kind in types.items() if kind.matches_jobs}


def test_every_base_type_is_inherited_from(types: dict[str, JobType]) -> None:
    bases = {name for name, kind in types.items() if not kind.matches_jobs}

    assert bases == {"submit", "cpu", "sp", "interactive", "gpu", "gpu_sp", "gpu_each", "gpu_one"}
    assert bases <= {kind.inherits for kind in types.values()}


def test_no_type_stands_in_anothers_shadow(types: dict[str, JobType]) -> None:
    assert list(shadowed(types)) == []


def test_every_type_but_those_of_other_programs_runs_in_the_relion_image(
    types: dict[str, JobType],
) -> None:
    others = {"submit": None, "external": "", "pipeliner": "", "pipeliner_gpu": ""}
    for name in types:
        said = [types[level].image for level in lineage(types, name)]
        nearest = next((image for image in reversed(said) if image is not None), None)
        assert nearest == others.get(name, "relion"), name


def test_the_classic_lineage_is_kept(types: dict[str, JobType]) -> None:
    assert lineage(types, "refine") == ("submit", "gpu", "refine")
