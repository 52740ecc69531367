"""What a continued refinement holds is read from its optimiser and model files."""

from pathlib import Path

import pytest

from dispatcher.errors import InputError
from dispatcher.memory.read_refinement import refinement_of
from dispatcher.memory.refinement import Refinement

from .refinement_files import MODEL, OPTIMISER, options


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
        assert refinement_of(options(f"{self.COMMAND} --pad 1.9"), project).padding == 1

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
        found = refinement_of(options(self.COMMAND), project)
        assert (found.gradient, found.split_gradient) == (False, True)

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
