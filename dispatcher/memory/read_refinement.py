"""What a relion_refine command will hold in memory: box size, classes, bodies, padding.

Everything comes from the first kilobyte or so of a file in the RELION project: the optics table
of the particles, the header of an image stack or reference, or the model file that a continued
run starts from (facts read in RELION 3.1.4, 4.0.2 and 5.0.1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ..errors import BoxUnknown, InputError
from ..relion import star
from ..relion.file_names import is_star
from . import body_masks, input_images
from .input_images import Images, is_true, number, whole_number
from .pose_search import Options, continued_search, started_search
from .refinement import Refinement
from .tilt_series import first_stack

__all__ = ["refinement_of"]


def refinement_of(
    options: Options,
    project: Path,
    job_options: Mapping[str, str] | None = None,
    stand_in: Images | None = None,
    relion_version: tuple[int, int] | None = None,
) -> Refinement:
    """Size up the relion_refine command with ``options``, run in the folder ``project``.

    ``--continue`` leads to the model file, ``--i`` or ``--ios`` to the particles; a command that
    names none of them is looked up in job.star (``job_options``). ``stand_in`` takes the place of
    particles that cannot be read. ``relion_version``: major and minor of the RELION that will run;
    if it is not known (None), the one counts that needs most. Raises InputError, naming the file
    and what to do, when an input is missing, damaged or holds no particles, or when RELION would
    not take it; BoxUnknown when RELION reads a file for the box size that cannot be read here.
    """
    optimiser, tomo_set, particles = (_named(options, name) for name in ("continue", "ios", "i"))
    reference = _named(options, "ref")
    if job_options and not (optimiser or tomo_set or particles):
        optimiser = _given(job_options.get("fn_cont"))
        tomo_set = _given(job_options.get("in_optimisation"))
        particles = _given(job_options.get("in_particles")) or _given(job_options.get("fn_img"))
        reference = reference or _given(job_options.get("fn_ref"))
    if optimiser or "continue" in options:
        return _continued(options, project, optimiser)
    if tomo_set or particles or stand_in:
        images = Images()
        try:
            particles = particles or input_images.particles_of_tomo_set(tomo_set, project)
            images = input_images.particle_images(particles, project, relion_version)
        except InputError:
            if stand_in is None:
                raise
        if stand_in and not images.box:
            images = stand_in
        references = input_images.reference_images(reference, project, relion_version)
        found = _started(options, images, references, tomo=bool(tomo_set), version=relion_version)
        if images.tomo_stacks and images.dimensions == 2:
            found = _of_stacks(found, particles, project)
        return found
    raise InputError(
        "relion_refine is given no particles (--i, --ios or --continue); "
        "choose the input images in RELION's window."
    )


def _started(
    options: Options,
    images: Images,
    references: Images,
    *,
    tomo: bool,
    version: tuple[int, int] | None,
) -> Refinement:
    """The refinement of a run from scratch (``MlModel::initialiseFromImages``, ml_model.cpp)."""
    sized = images if images.box else references
    if "trust_ref_size" in options and images.box and references.box:
        sized = _trusted(images, references, version)
    if not sized.box:
        raise BoxUnknown(
            f"The box size is not known here: relion-dispatch does not read {images.unread}, and "
            "no reference tells the size. So GPU memory sets no limit to the ranks, and host "
            "memory is not computed. If you want both, extract the particles with RELION 3.1 or "
            "newer."
        )
    in_3d = "denovo_3dref" in options or images.dimensions == 3 or images.tomo_stacks or tomo
    refinement = Refinement(
        box=sized.box,
        source=sized.source,
        dimensions=references.dimensions or (3 if in_3d or "K" not in options else 2),
        data_dimensions=images.dimensions,
        classes=references.count or whole_number(_named(options, "K") or "1", "--K"),
        padding=_padding(_named(options, "pad") or "2"),
        asymmetric_padding="asymmetric_padding" in options,
        gradient="grad" in options and "split_random_halves" not in options,
        split_gradient="grad" in options and "split_random_halves" in options,
        auto_refine="auto_refine" in options,
        image_box=max(images.largest, sized.box),
        zero_mask="zero_mask" in options,
        skips_alignment="skip_align" in options or "skip_rotate" in options,
        blush="blush" in options,
    )
    shifts_in_3d = images.dimensions == 3 or images.tomo_stacks
    search = started_search(options, refinement, shifts_in_3d, images.pixel_size)
    return replace(refinement, search=search)


def _trusted(images: Images, references: Images, version: tuple[int, int] | None) -> Images:
    """What has the size of the model with ``--trust_ref_size``.

    Up to 4.0 the references keep theirs, and images are brought to it (ml_model.cpp:859, 3.1.4;
    1040, 4.0.2); from 5.0 on they are cut to that of the first optics group (ml_model.cpp:1041,
    5.0.1).
    """
    if version is None:
        return max(images, references, key=lambda each: each.box)
    return images if version >= (5, 0) else references


def _continued(options: Options, project: Path, optimiser: str) -> Refinement:
    """The refinement that a run is continued from (``MlOptimiser::read``, ``MlModel::read``)."""
    if not is_star(optimiser):
        raise InputError(
            f"--continue names no optimiser file ('{optimiser}'); "
            "choose a run_it..._optimiser.star to continue from."
        )
    state = star.read_block(project / optimiser, "optimiser_general", rows=1)
    name = _required(state, "_rlnModelStarFile", project / optimiser)
    general = star.read_block(project / name, "model_general", rows=1)

    def count(label: str, default: str = "", allowed: tuple[int, int] = (1, 10**6)) -> int:
        text = general.first(label) or default or _required(general, label, project / name)
        return whole_number(text, f"{label} in {name}", allowed)

    bodies = count("_rlnNrBodies", default="1")
    split_halves = is_true(state.first("_rlnDoSplitRandomHalves"))
    gradient = is_true(state.first("_rlnDoGradientRefine"))
    padding = _padding(_required(general, "_rlnPaddingFactor", project / name))
    if changed := _named(options, "pad"):
        # 1.5 is 1 to a continued run (ml_optimiser.cpp:177, 5.0.1).
        padding = int(_padding(changed))
    given = _named(options, "multibody_masks")
    body_file = given or (_given(state.first("_rlnBodyStarFile")) if bodies > 1 else "")
    overlaps, angles = None, []
    if body_file:
        masks = input_images.body_masks(body_file, project)
        angles = input_images.body_angles(body_file, project)
        bodies = len(masks)
        apart = "multibody_norm_overlap" in options  # RELION itself divides the masks up
        overlaps = 0 if apart else body_masks.extra_projectors(masks)
    every_pair = bodies * (bodies - 1)
    refinement = Refinement(
        box=count("_rlnOriginalImageSize"),
        source=f"{name}, _rlnOriginalImageSize",
        dimensions=count("_rlnReferenceDimensionality", allowed=(2, 3)),
        data_dimensions=count("_rlnDataDimensionality", default="2", allowed=(2, 3)),
        classes=1 if bodies > 1 else count("_rlnNrClasses"),
        bodies=bodies,
        padding=padding,
        asymmetric_padding="asymmetric_padding" in options,
        gradient=gradient and not split_halves,
        split_gradient=gradient and split_halves,
        auto_refine=is_true(state.first("_rlnDoAutoRefine")),
        body_overlaps=every_pair if overlaps is None else overlaps,
        overlaps_assumed=overlaps is None and bodies > 1,
        zero_mask=is_true(state.first("_rlnDoZeroMask") or "1"),
        # RELION takes this from the command alone (parseContinue)
        skips_alignment="skip_align" in options or "skip_rotate" in options,
        blush="blush" in options or is_true(state.first("_rlnDoBlush")),
    )
    search = continued_search(options, refinement, state, general, project, angles)
    found = replace(refinement, search=search)
    particles = state.first("_rlnExperimentalDataStarFile") or ""
    if search.shifts_in_3d and refinement.data_dimensions == 2:  # 2D stacks of a tilt series
        found = _of_stacks(found, particles, project)
    return found


def _of_stacks(refinement: Refinement, particles: str, project: Path) -> Refinement:
    """The refinement of 2D stacks of a tilt series."""
    stack = first_stack(particles, project)
    return replace(refinement, tilts=stack.tilts, sections=stack.sections)


def _named(options: Options, name: str) -> str:
    """The option's value; '' when it is absent, empty or RELION's 'None'."""
    return _given(options.value(name)) if name in options else ""


def _given(text: str | None) -> str:
    return "" if text is None or text == "None" else text.strip()


def _required(block: star.Block, label: str, path: Path) -> str:
    if text := block.first(label):
        return text
    raise InputError(
        f"{path} has no {label}, so the file is damaged; continue from another iteration."
    )


def _padding(text: str) -> float:
    """'2.000000' -> 2, '1.5' -> 1.5; RELION reads a real number (ml_optimiser.cpp:987, 5.0.1)."""
    factor = number(text, "The padding factor (--pad)")
    if not 1 <= factor <= 8:
        raise InputError(f"The padding factor (--pad) is '{text[:20]}'; give 1 or 2.")
    return int(factor) if factor == int(factor) else factor
