"""What a relion_refine command holds in memory is found in the project's own files."""

import shlex
import struct
from pathlib import Path

import pytest

from dispatcher.errors import InputError
from dispatcher.memory.read_refinement import refinement_of
from dispatcher.memory.refinement import Refinement
from dispatcher.memory.sampling import Search

from ...corpus import CORPUS

OPTICS = """
# version 50001

data_optics

loop_
_rlnOpticsGroupName #1
_rlnOpticsGroup #2
_rlnImagePixelSize #3
_rlnImageSize #4
_rlnImageDimensionality #5
opticsGroup1            1     1.244000          {box}            {dimensions}
opticsGroup2            2     0.885000          512            {dimensions}

"""
PARTICLES = """
data_particles

loop_
_rlnImageName #1
_rlnOpticsGroup #2
000001@Extract/job006/a.mrcs            2
000002@Extract/job006/a.mrcs            1
"""
OLD_PARTICLES = """
data_images

loop_
_rlnVoltage #1
_rlnImageName #2
  300.000000 000007@Extract/job006/a.mrcs
"""
OPTIMISER = """
data_optimiser_general

_rlnOutputRootName                                       Refine3D/job011/run
_rlnModelStarFile                                        Refine3D/job011/run_it012_half1_model.star
_rlnModelStarFile2                                       Refine3D/job011/run_it012_half2_model.star
_rlnDoSplitRandomHalves                                             {split}
_rlnDoGradientRefine                                                {gradient}
_rlnDoAutoRefine                                                    {auto}
_rlnDoZeroMask                                                      {zero_mask}
"""
MODEL = """
data_model_general

_rlnReferenceDimensionality                                         3
_rlnDataDimensionality                                              2
_rlnOriginalImageSize                                             360
_rlnCurrentImageSize                                               84
_rlnPaddingFactor                                            2.000000
_rlnNrClasses                                                       {classes}
_rlnNrBodies                                                        {bodies}
"""
BODIES = """
data_

loop_
_rlnBodyMaskName
_rlnBodyRotateRelativeTo
_rlnBodySigmaAngles
_rlnBodySigmaOffset
large_body_mask.mrc 2 10 2
small_body_mask.mrc 1 10 2
head_mask.mrc 2 10 2
"""


class Words(list[str]):
    """The options of a command line as RELION's parser sees them."""

    def __contains__(self, name: object) -> bool:
        return f"--{name}" in iter(self)

    def value(self, name: str) -> str | None:
        found = ""
        for word, following in zip(self, [*self[1:], ""], strict=True):
            if word == f"--{name}":
                found = "" if following.startswith("--") else following
        return found


def options(line: str) -> Words:
    return Words(shlex.split(line.replace("`", "")))


def corpus_command(job: str) -> Words:
    script = (CORPUS / job / "run_submit.script").read_text()
    return options(next(line for line in script.splitlines() if "relion_refine" in line))


def mrc(nx: int, nz: int) -> bytes:
    return struct.pack("<4i", nx, nx, nz, 2).ljust(1024, b"\0")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    files: dict[str, str | bytes] = {
        "Select/job007/particles.star": OPTICS.format(box=256, dimensions=2) + PARTICLES,
        "Extract/job006/particles.star": OPTICS.format(box=128, dimensions=2) + PARTICLES,
        "Extract/job006/a.mrcs": mrc(96, 500),
        "InitialModel/job009/initial_model.mrc": mrc(256, 256),
        "Refine3D/job011/run_optimiser.star": OPTIMISER.format(
            split=1, gradient=0, auto=1, zero_mask=1
        ),
        "Refine3D/job011/run_it012_half1_model.star": MODEL.format(classes=1, bodies=1),
        "bodies.star": BODIES,
        "old.star": OLD_PARTICLES,
    }
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return tmp_path


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
                image_box=512, search=Search(30, 30, 21, rotation_factor=2),
            ),
        ),
        (
            "relion-5.0.1/Class2D_job008",
            Refinement(
                128, "Extract/job006/particles.star, optics group 1", dimensions=2, classes=100,
                gradient=True, image_box=512,
                search=Search(30, 30, 21, rotation_factor=2, significant=500),
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
                auto_refine=True, bodies=3, body_overlaps=6,
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


def test_optics_table_without_box_leads_to_the_header_too(project: Path) -> None:
    optics = OPTICS.format(box=256, dimensions=2).replace("_rlnImageSize", "_rlnUnknown")
    (project / "p.star").write_text(optics + PARTICLES)
    assert refinement_of(options("--i p.star"), project).box == 96


def test_stack_may_be_given_itself(project: Path) -> None:
    model = refinement_of(options("--i Extract/job006/a.mrcs --K 3"), project)
    assert (model.box, model.dimensions, model.classes) == (96, 2, 3)


def test_absolute_paths_are_taken(project: Path) -> None:
    model = refinement_of(options(f"--i {project}/Select/job007/particles.star"), Path("/"))
    assert model.box == 256


def test_images_that_are_no_mrc_files_leave_the_box_to_the_reference(project: Path) -> None:
    (project / "p.star").write_text(OLD_PARTICLES.replace("a.mrcs", "a.stk"))
    model = refinement_of(
        options("--i p.star --ref InitialModel/job009/initial_model.mrc"), project
    )
    assert (model.box, model.source) == (256, "InitialModel/job009/initial_model.mrc, MRC header")
    with pytest.raises(InputError, match=r"p\.star gives no box size"):
        refinement_of(options("--i p.star --K 2"), project)


def test_subtomograms_are_volumes(project: Path) -> None:
    (project / "sub.mrc").write_bytes(mrc(64, 64))
    (project / "p.star").write_text("data_\nloop_\n_rlnImageName #1\nsub.mrc\n")
    model = refinement_of(options("--i p.star --K 5"), project)
    assert (model.box, model.dimensions, model.data_dimensions) == (64, 3, 3)
    (project / "p.star").write_text(OPTICS.format(box=64, dimensions=3) + PARTICLES)
    model = refinement_of(options("--i p.star --K 5 --offset_range 2"), project)
    assert (model.dimensions, model.data_dimensions) == (3, 3)
    assert model.search == Search(192 * 24, 192 * 24, 7, shift_factor=8)  # shifts in a sphere


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


def test_split_halves_have_no_pseudo_half_sets(project: Path) -> None:
    command = options("--i Select/job007/particles.star --grad --auto_refine --split_random_halves")
    assert refinement_of(command, project).gradient is False


def test_optimisation_set_leads_to_its_particles(project: Path) -> None:
    tomo = "data_general\n\n_rlnTomoSubTomosAre2DStacks 1\n" + OPTICS.format(box=200, dimensions=2)
    (project / "tomo.star").write_text(tomo + PARTICLES)
    (project / "set.star").write_text("data_\n\n_rlnTomoParticlesFile tomo.star\n")
    model = refinement_of(options("--ios set.star --K 3 --offset_range 2"), project)
    assert (model.box, model.dimensions, model.data_dimensions) == (200, 3, 2)
    assert model.search == Search(192 * 24, 192 * 24, 7, shift_factor=8)
    assert model.source == "tomo.star, optics group 1"
    both = options("--ios set.star --i Select/job007/particles.star")
    assert refinement_of(both, project).box == 256
    (project / "set.star").write_text("data_\n\n_rlnTomoTomogramsFile t.star\n")
    with pytest.raises(InputError, match=r"set\.star names no particles"):
        refinement_of(options("--ios set.star"), project)


class TestContinue:
    COMMAND = "--continue Refine3D/job011/run_optimiser.star"

    def test_model_file_says_everything(self, project: Path) -> None:
        assert refinement_of(options(self.COMMAND), project) == Refinement(
            box=360,
            source="Refine3D/job011/run_it012_half1_model.star, _rlnOriginalImageSize",
            auto_refine=True,
        )

    def test_padding_of_the_command_overrides(self, project: Path) -> None:
        assert refinement_of(options(f"{self.COMMAND} --pad 1"), project).padding == 1

    def test_vdam_is_known_by_its_flag_of_relion_4(self, project: Path) -> None:
        path = project / "Refine3D/job011/run_optimiser.star"
        path.write_text(OPTIMISER.format(split=0, gradient=1, auto=0, zero_mask=0))
        model = refinement_of(options(self.COMMAND), project)
        assert (model.gradient, model.auto_refine, model.zero_mask) == (True, False, False)
        path.write_text(path.read_text().replace("DoGradientRefine", "DoStochasticGradientDescent"))
        assert refinement_of(options(self.COMMAND), project).gradient is False  # SGD of 3.1

    def test_split_halves_of_a_continued_vdam_run_are_real_ones(self, project: Path) -> None:
        path = project / "Refine3D/job011/run_optimiser.star"
        path.write_text(OPTIMISER.format(split=1, gradient=1, auto=1, zero_mask=1))
        assert refinement_of(options(self.COMMAND), project).gradient is False

    def test_bodies_of_a_continued_multi_body_refinement(self, project: Path) -> None:
        path = project / "Refine3D/job011/run_it012_half1_model.star"
        path.write_text(MODEL.format(classes=1, bodies=4))
        model = refinement_of(options(self.COMMAND), project)
        assert (model.classes, model.bodies, model.body_overlaps) == (1, 4, 12)

    def test_normalised_bodies_need_no_projectors_for_overlaps(self, project: Path) -> None:
        arguments = "--multibody_masks bodies.star --multibody_norm_overlap"
        model = refinement_of(options(f"{self.COMMAND} {arguments}"), project)
        assert (model.bodies, model.body_overlaps) == (3, 0)

    def test_old_model_file_without_bodies(self, project: Path) -> None:
        path = project / "Refine3D/job011/run_it012_half1_model.star"
        old = MODEL.format(classes=6, bodies=1).replace("_rlnNrBodies", "_rlnOld")
        path.write_text(old)
        model = refinement_of(options(self.COMMAND), project)
        assert (model.classes, model.bodies) == (6, 1)

    @pytest.mark.parametrize(
        ("file", "text", "says"),
        [
            ("run_optimiser.star", None, r"run_optimiser\.star cannot be read"),
            ("run_optimiser.star", "data_x\n_y 1\n", "no block data_optimiser_general"),
            ("run_optimiser.star", "data_optimiser_general\n_y 1\n", "has no _rlnModelStarFile"),
            ("run_it012_half1_model.star", None, r"half1_model\.star cannot be read"),
            ("run_it012_half1_model.star", "", "not a STAR file"),
            (
                "run_it012_half1_model.star",
                MODEL.format(classes="many", bodies=1),
                "_rlnNrClasses in .* is 'many'",
            ),
            (
                "run_it012_half1_model.star",
                MODEL.replace("_rlnReference", "_rlnX").format(classes=1, bodies=1),
                "has no _rlnReferenceDimensionality",
            ),
        ],
    )
    def test_missing_or_damaged_files_are_named(
        self, project: Path, file: str, text: str | None, says: str
    ) -> None:
        path = project / "Refine3D/job011" / file
        if text is None:
            path.unlink()
        else:
            path.write_text(text)
        with pytest.raises(InputError, match=says):
            refinement_of(options(self.COMMAND), project)

    def test_continue_without_a_file(self, project: Path) -> None:
        with pytest.raises(InputError, match="--continue names no optimiser file"):
            refinement_of(options("--continue --o x"), project)

    def test_body_file_without_bodies(self, project: Path) -> None:
        (project / "bodies.star").write_text("data_\nloop_\n_rlnBodyMaskName #1\n")
        with pytest.raises(InputError, match=r"bodies\.star lists no bodies"):
            refinement_of(options(f"{self.COMMAND} --multibody_masks bodies.star"), project)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, r"p\.star cannot be read"),
        ("", "not a STAR file"),
        (OPTICS.format(box=256, dimensions=2), "holds no particles"),
        (
            OPTICS.format(box=256, dimensions=2) + "data_particles\n\nloop_\n_rlnImageName #1\n",
            "holds no particles",
        ),
        ("data_particles\n\nloop_\n_rlnCoordinateX #1\n10.0\n", "names no images"),
        ("data_micrographs\n\nloop_\n_rlnMicrographName #1\na.mrc\n", "holds no particles"),
        (OLD_PARTICLES.replace("a.mrcs", "gone.mrcs"), r"gone\.mrcs cannot be read"),
        (OLD_PARTICLES.replace("a.mrcs", "short.mrcs"), r"short\.mrcs has 7 bytes"),
        (OPTICS.format(box="big", dimensions=2) + PARTICLES, "_rlnImageSize in p.star is 'big'"),
        (OPTICS.format(box=0, dimensions=2) + PARTICLES, "_rlnImageSize in p.star is '0'"),
        (OPTICS.format(box=64, dimensions=7) + PARTICLES, "Dimensionality in p.star is '7'"),
    ],
)
def test_particles_that_cannot_be_used_are_named(
    project: Path, text: str | None, says: str
) -> None:
    (project / "Extract/job006/short.mrcs").write_bytes(b"partial")
    if text is not None:
        (project / "p.star").write_text(text)
    with pytest.raises(InputError, match=says):
        refinement_of(options("--i p.star --K 2"), project)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("--K many", "--K is 'many'"),
        ("--K 0", "--K is '0'"),
        ("--K 2.5", "--K is '2.5'"),
        ("--pad nan", "not a number"),
        ("--pad 0", "give 1 or 2"),
        ("--healpix_order -1", "--healpix_order is '-1'"),
    ],
)
def test_numbers_that_relion_could_not_use_are_named(
    project: Path, arguments: str, says: str
) -> None:
    with pytest.raises(InputError, match=says):
        refinement_of(options(f"--i Select/job007/particles.star {arguments}"), project)


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
