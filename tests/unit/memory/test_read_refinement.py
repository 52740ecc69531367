"""What a relion_refine command holds in memory is found in the project's own files."""

from pathlib import Path

import pytest

from dispatcher.errors import BoxUnknown, InputError
from dispatcher.memory.read_refinement import refinement_of
from dispatcher.memory.refinement import Refinement
from dispatcher.memory.sampling import Search

from ...corpus import CORPUS
from .refinement_files import OLD_PARTICLES, OPTICS, PARTICLES, Words, mrc, options


def corpus_command(job: str) -> Words:
    script = (CORPUS / job / "run_submit.script").read_text()
    return options(next(line for line in script.splitlines() if "relion_refine" in line))


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        (
            "relion-5.0.1/Refine3D_job011",
            Refinement(
                256, "Select/job007/particles.star, optics group 1", auto_refine=True,
                image_box=512, search=Search(192 * 24, 768 * 48, 21, significant=500),
            ),
        ),
        (
            "relion-5.0.1/Class3D_job010",
            Refinement(
                256, "Select/job007/particles.star, optics group 1", classes=4,
                image_box=512, search=Search(192 * 24, 192 * 24, 21),
            ),
        ),
        (
            "relion-4.0.2/Class2D_job001",
            Refinement(
                128, "Extract/job006/particles.star, optics group 1", dimensions=2, classes=50,
                image_box=512, search=Search(32, 32, 21, rotation_factor=2),
            ),
        ),
        (
            "relion-5.0.1/Class2D_job008",
            Refinement(
                128, "Extract/job006/particles.star, optics group 1", dimensions=2, classes=100,
                gradient=True, image_box=512,
                search=Search(32, 32, 21, rotation_factor=2, significant=500),
            ),
        ),
        (
            "relion-5.0.1/InitialModel_job009",
            Refinement(
                256, "Select/job007/particles.star, optics group 1", padding=1, gradient=True,
                image_box=512, search=Search(48 * 12, 768 * 48, 29, significant=100),
            ),
        ),
        (
            "relion-3.1.4/InitialModel_job003",  # SGD of 3.1 has no pseudo half sets
            Refinement(
                256, "Select/job007/particles.star, optics group 1",
                image_box=512, search=Search(12 * 12, 12 * 12, 9),
            ),
        ),
        (
            "relion-5.0.1/MultiBody_job012",
            Refinement(
                360, "Refine3D/job011/run_it012_half1_model.star, _rlnOriginalImageSize",
                auto_refine=True, bodies=3, body_overlaps=6, overlaps_assumed=True,
            ),
        ),
    ],
)  # fmt: skip
def test_commands_that_relion_wrote(project: Path, job: str, expected: Refinement) -> None:
    assert refinement_of(corpus_command(job), project) == expected


def test_every_refinement_of_the_corpus_is_sized(project: Path) -> None:
    scripts = [
        path
        for path in sorted(CORPUS.glob("*/*/run_submit.script"))
        if "relion_refine" in path.read_text()
    ]
    assert len(scripts) == 17
    for path in scripts:
        model = refinement_of(corpus_command(str(path.parent.relative_to(CORPUS))), project)
        assert model.box in (128, 256, 360)


def test_box_of_the_first_optics_group_counts(project: Path) -> None:
    text = (project / "Select/job007/particles.star").read_text()
    swapped = text.replace("opticsGroup1            1 ", "opticsGroup1            7 ")
    (project / "p.star").write_text(swapped)
    model = refinement_of(options("--i p.star --K 2"), project)
    assert (model.box, model.source) == (256, "p.star, optics group 7")


def test_old_particle_file_leads_to_the_header_of_its_first_stack(project: Path) -> None:
    model = refinement_of(options("--i old.star --ref none.mrc"), project)
    assert (model.box, model.source) == (96, "Extract/job006/a.mrcs, MRC header")
    assert model.data_dimensions == 2


def test_optics_table_without_box_is_refused_as_relion_stops_there(project: Path) -> None:
    # RELION 3.1.3 and 5.1.0: "ObservationModel::getBoxSize: box sizes not available"
    optics = OPTICS.format(box=256, dimensions=2).replace("_rlnImageSize", "_rlnUnknown")
    (project / "p.star").write_text(optics + PARTICLES)
    with pytest.raises(InputError, match=r"p\.star has no _rlnImageSize in its table data_optics"):
        refinement_of(options("--i p.star"), project)


def test_stack_may_be_given_itself(project: Path) -> None:
    model = refinement_of(options("--i Extract/job006/a.mrcs --K 3"), project)
    assert (model.box, model.dimensions, model.classes) == (96, 2, 3)


def test_absolute_paths_are_taken(project: Path) -> None:
    model = refinement_of(options(f"--i {project}/Select/job007/particles.star"), Path("/"))
    assert model.box == 256


def test_images_that_are_no_mrc_files_leave_the_box_to_the_reference(project: Path) -> None:
    (project / "p.star").write_text(OLD_PARTICLES.replace("a.mrcs", "a.stk"))
    (project / "Extract/job006/a.stk").touch()
    model = refinement_of(
        options("--i p.star --ref InitialModel/job009/initial_model.mrc"), project
    )
    assert (model.box, model.source) == (256, "InitialModel/job009/initial_model.mrc, MRC header")
    with pytest.raises(BoxUnknown, match=r"does not read Extract/job006/a\.stk, a SPIDER file"):
        refinement_of(options("--i p.star --K 2"), project)


def test_subtomograms_are_volumes(project: Path) -> None:
    (project / "sub.mrc").write_bytes(mrc(64, 64))
    (project / "p.star").write_text("data_\nloop_\n_rlnImageName #1\nsub.mrc\n")
    model = refinement_of(options("--i p.star --K 5"), project)
    assert (model.box, model.dimensions, model.data_dimensions) == (64, 3, 3)
    (project / "p.star").write_text(OPTICS.format(box=64, dimensions=3) + PARTICLES)
    model = refinement_of(options("--i p.star --K 5 --offset_range 2"), project)
    assert (model.dimensions, model.data_dimensions) == (3, 3)
    assert model.search == Search(
        192 * 24, 192 * 24, 7, shift_factor=8, shifts_in_3d=True
    )  # shifts in a sphere


@pytest.mark.parametrize(
    ("arguments", "dimensions", "classes"),
    [
        ("--K 50", 2, 50),
        ("", 3, 1),
        ("--K 1 --denovo_3dref", 3, 1),
        ("--K 4 --ref InitialModel/job009/initial_model.mrc", 3, 4),
        ("--K 4 --ref not_there.mrc", 3, 4),
        ("--K 4 --ref None", 2, 4),
        ("--K 4 --ref averages.mrcs", 2, 4),
        ("--K 4 --ref average.mrc", 2, 4),
        ("--K 4 --ref classes.star", 2, 3),
        ("--K 4 --K 7", 2, 7),
    ],
)
def test_references_decide_dimensions_and_classes(
    project: Path, arguments: str, dimensions: int, classes: int
) -> None:
    (project / "average.mrc").write_bytes(mrc(256, 1))
    (project / "classes.star").write_text(
        "data_model_general\n_rlnNrClasses 3\n\ndata_model_classes\nloop_\n_rlnReferenceImage #1\n"
        + "".join(f"{n:06}@averages.mrcs\n" for n in (1, 4, 9))
    )
    command = options(f"--i Select/job007/particles.star {arguments}")
    model = refinement_of(command, project)
    assert (model.dimensions, model.classes) == (dimensions, classes)


@pytest.mark.parametrize(
    ("arguments", "padding"), [("", 2), ("--pad 1", 1), ("--pad 1 --pad 2", 2), ("--pad 1.5", 1.5)]
)
def test_padding_is_2_unless_given(project: Path, arguments: str, padding: float) -> None:
    model = refinement_of(options(f"--i Select/job007/particles.star {arguments}"), project)
    assert model.padding == padding


def test_asymmetric_padding_is_taken(project: Path) -> None:
    found = refinement_of(options("--i Select/job007/particles.star"), project)
    assert found.asymmetric_padding is False
    command = options("--i Select/job007/particles.star --asymmetric_padding")
    assert refinement_of(command, project).asymmetric_padding is True


def test_split_halves_have_no_pseudo_half_sets(project: Path) -> None:
    command = options("--i Select/job007/particles.star --grad --auto_refine --split_random_halves")
    found = refinement_of(command, project)
    assert (found.gradient, found.split_gradient) == (False, True)
    alone = refinement_of(options("--i Select/job007/particles.star --grad --K 2"), project)
    assert (alone.gradient, alone.split_gradient) == (True, False)


@pytest.mark.parametrize(
    ("version", "box", "source"),
    [
        ((3, 1), 512, "large.mrc, MRC header"),
        ((4, 0), 512, "large.mrc, MRC header"),
        ((5, 0), 256, "Select/job007/particles.star, optics group 1"),
        ((5, 1), 256, "Select/job007/particles.star, optics group 1"),
        (None, 512, "large.mrc, MRC header"),
    ],
)
def test_a_trusted_reference_keeps_its_size_up_to_relion_4(
    project: Path, version: tuple[int, int] | None, box: int, source: str
) -> None:
    (project / "large.mrc").write_bytes(mrc(512, 512))
    command = "--i Select/job007/particles.star --auto_refine --ref large.mrc"

    found = refinement_of(options(f"{command} --trust_ref_size"), project, relion_version=version)

    assert (found.box, found.source) == (box, source)
    untrusted = refinement_of(options(command), project, relion_version=version)
    assert untrusted.box == 256  # RELION refuses to run: it will say so


def test_a_smaller_trusted_reference_takes_less_up_to_relion_4(project: Path) -> None:
    (project / "small.mrc").write_bytes(mrc(64, 64))
    command = options("--i Select/job007/particles.star --ref small.mrc --trust_ref_size")

    boxes = [
        refinement_of(command, project, relion_version=version).box
        for version in ((4, 0), (5, 0), None)
    ]

    assert boxes == [64, 256, 256]
    found = refinement_of(command, project, relion_version=(4, 0))
    assert found.image_box == 512  # images keep the size of their optics group


def test_a_trusted_reference_that_cannot_be_read_leaves_the_particles_size(project: Path) -> None:
    command = options("--i Select/job007/particles.star --ref none.mrc --trust_ref_size")
    assert refinement_of(command, project, relion_version=(4, 0)).box == 256


def test_optimisation_set_leads_to_its_particles(project: Path) -> None:
    tomo = "data_general\n\n_rlnTomoSubTomosAre2DStacks 1\n" + OPTICS.format(box=200, dimensions=2)
    (project / "tomo.star").write_text(tomo + PARTICLES)
    (project / "set.star").write_text("data_\n\n_rlnTomoParticlesFile tomo.star\n")
    model = refinement_of(options("--ios set.star --K 3 --offset_range 2"), project)
    assert (model.box, model.dimensions, model.data_dimensions) == (200, 3, 2)
    assert model.search == Search(192 * 24, 192 * 24, 7, shift_factor=8, shifts_in_3d=True)
    assert model.source == "tomo.star, optics group 1"
    both = options("--ios set.star --i Select/job007/particles.star")
    assert refinement_of(both, project).box == 256
    (project / "set.star").write_text("data_\n\n_rlnTomoTomogramsFile t.star\n")
    with pytest.raises(InputError, match=r"set\.star names no particles"):
        refinement_of(options("--ios set.star"), project)


def test_job_star_names_the_input_when_the_command_does_not(project: Path) -> None:
    gui = {"fn_img": "Select/job007/particles.star", "fn_cont": "", "fn_ref": "None"}
    assert refinement_of(options("--K 2"), project, gui).box == 256
    gui["fn_cont"] = "Refine3D/job011/run_optimiser.star"
    assert refinement_of(options("--K 2"), project, gui).box == 360
    other = options("--i Extract/job006/particles.star --K 2")
    assert refinement_of(other, project, gui).box == 128
    with pytest.raises(InputError, match="is given no particles"):
        refinement_of(options("--K 2"), project, {"fn_img": ""})
    with pytest.raises(InputError, match="is given no particles"):
        refinement_of(options("--K 2"), project)
