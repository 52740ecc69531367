"""The widest search for poses that a relion_refine command will make, from its options and files.

Sampling gets finer as a run goes on if RELION refines it by itself (auto-refinement,
``--auto_sampling``), until its searches become local (facts read in RELION 3.1.4, 4.0.2, 5.0.1).
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Protocol

from ..relion import star
from . import sampling
from .input_images import is_true, number, whole_number
from .refinement import Refinement
from .sampling import Priors, Search

__all__ = ["Options", "continued_search", "started_search"]

BODY_ANGLE = 10  # degrees, as RELION's tutorial has it, for bodies whose file does not say
PRIORS = {"rot": "Rot", "tilt": "Tilt", "psi": "Psi"}


class Options(Protocol):
    """The options of one command; names without dashes, the last occurrence of one wins."""

    def __contains__(self, name: str, /) -> bool: ...

    def value(self, name: str, /) -> str | None:
        """The option's value; '' for an empty or absent one."""


def started_search(
    options: Options, refinement: Refinement, shifts_in_3d: bool, pixel_size: float
) -> Search:
    """The search of a run from scratch; none when its alignment is skipped.

    ``pixel_size`` in Å of the images, 0 if unknown: helical steps are in Å, other shifts in pixels.
    """
    if refinement.skips_alignment:
        return Search()
    priors = Priors(cone=max(0, _number(options, "sigma_ang", "0")), two_ways="helix" in options)
    if not priors.cone:
        rot, tilt, psi = (max(0, _number(options, f"sigma_{name}", "0")) for name in PRIORS)
        priors = priors._replace(rot=rot, tilt=tilt, psi=psi)
    helix = "helix" in options and "ignore_helical_symmetry" not in options
    reach, step = _number(options, "offset_range", "6"), _number(options, "offset_step", "2")
    across = 3 if shifts_in_3d else 2
    automatic = refinement.auto_refine or "auto_sampling" in options
    if helix and pixel_size > 0:
        rise = _number(options, "helical_rise_initial", "0") / pixel_size
        along = _number(options, "helical_offset_step", "-1") / pixel_size
        shifts = sampling.helical_shifts(reach, step, across, rise, along)
    else:
        shifts = sampling.shifts(reach, step, across)
    sampled = _Sampling(
        order=_order(options, "healpix_order", "2"),
        first_local=_first_local(options, automatic, "4"),
        psi_step=_number(options, "psi_step", "-1"),
        symmetry=_value(options, "sym") or "C1",
        shifts=shifts,
        shifts_in_3d=shifts_in_3d,
        oversampling=_order(options, "oversampling", "1"),
        significant=_number(options, "maxsig", "-1"),
        priors=priors,
    )
    return _widest(refinement, sampled)


def continued_search(
    options: Options,
    refinement: Refinement,
    state: star.Block,
    general: star.Block,
    project: Path,
    body_angles: list[float],
) -> Search:
    """The search of a continued run, from the sampling file of its iteration.

    ``state`` is the optimiser's block, ``general`` the model's. What the command gives again goes
    before the files (``MlOptimiser::parseContinue``, ml_optimiser.cpp). ``body_angles`` are those
    of a multi-body refinement, degrees. None when the optimiser names no sampling file; raises
    InputError when that file is missing or damaged.
    """
    name = state.first("_rlnOrientSamplingStarFile")
    if refinement.skips_alignment or not name:
        return Search()
    found = star.read_block(project / name, "sampling_general", rows=1)

    def kept(label: str, default: str) -> str:
        return found.first(label) or default

    automatic = refinement.auto_refine or is_true(state.first("_rlnDoAutoSampling"))
    multi_body = "multibody_masks" in options
    free = multi_body or not automatic  # else RELION keeps its own sampling
    order = _order(options if free else None, "healpix_order", kept("_rlnHealpixOrder", "2"))
    given = free and "offset_range" in options and "offset_step" in options
    reach, step = (  # only their ratio counts: pixels in options, Å in the file
        _number(options if given else None, option, kept(label, default))
        for option, label, default in (
            ("offset_range", "_rlnOffsetRange", "6"),
            ("offset_step", "_rlnOffsetStep", "2"),
        )
    )
    shifts_in_3d = is_true(found.first("_rlnIs3DTranslationalSampling"))
    across = 3 if shifts_in_3d else 2
    rise = number(general.first("_rlnHelicalRise") or "0", f"_rlnHelicalRise in {project / name}")
    if helix := is_true(general.first("_rlnIsHelix")):
        along = number(kept("_rlnHelicalOffsetStep", "-1"), f"_rlnHelicalOffsetStep in {name}")
        shifts = sampling.helical_shifts(reach, step, across, 0 if given else rise, along)
    else:
        shifts = sampling.shifts(reach, step, across)
    priors: dict[str, float] = {}
    if (general.first("_rlnOrientationalPriorMode") or "0") != "0":
        for prior, label in PRIORS.items():
            text = general.first(f"_rlnSigmaPrior{label}Angle") or "0"
            priors[prior] = number(text, f"_rlnSigmaPrior{label}Angle")
    cone = max(body_angles, default=BODY_ANGLE if multi_body else 0)
    if not helix and not cone and "rot" in priors:
        cone = max(priors["rot"], priors["tilt"])
    first_local = state.first("_rlnAutoLocalSearchesHealpixOrder") or "4"
    sampled = _Sampling(
        order=order,
        first_local=_first_local(options, automatic and not multi_body, first_local),
        psi_step=_number(options if free else None, "psi_step", kept("_rlnPsiStep", "-1")),
        symmetry=kept("_rlnSymmetryGroup", "C1"),
        shifts=shifts,
        shifts_in_3d=shifts_in_3d,
        oversampling=_order(
            options, "oversampling", state.first("_rlnAdaptiveOversampleOrder") or "1"
        ),
        significant=_number(options, "maxsig", state.first("_rlnMaximumSignificantPoses") or "-1"),
        priors=Priors(cone, two_ways=helix, **({"psi": cone} if multi_body else priors)),
    )
    return _widest(refinement, sampled)


class _Sampling(NamedTuple):
    """How a run samples poses.

    ``order``: HEALPix, at first; a run that refines its sampling searches locally from the order
    ``first_local`` on, None for one that does not. ``oversampling``: of the second pass.
    ``significant``: the most poses of the second pass, 0 or less if the command sets no limit.
    """

    order: int
    first_local: int | None
    psi_step: float
    symmetry: str
    shifts: int
    shifts_in_3d: bool
    oversampling: int
    significant: float
    priors: Priors


def _widest(refinement: Refinement, sampled: _Sampling) -> Search:
    """The widest search of a run, which is its last global one."""
    order, priors = sampled.order, sampled.priors
    finest = order
    if sampled.first_local is not None and refinement.dimensions == 3:
        if order < sampled.first_local:
            finest = sampled.first_local - 1
        elif not priors.cone:  # RELION's own local searches: one step is the standard deviation
            priors = priors._replace(cone=60 / (1 << order))
    if priors.cone:
        priors = priors._replace(psi=priors.psi or priors.cone)

    def count(at: int, psi_step: float) -> int:
        return sampling.orientations(refinement.dimensions, at, psi_step, sampled.symmetry, priors)

    significant = max(0, int(sampled.significant))
    steps = refinement.gradient or refinement.split_gradient
    if sampled.significant <= 0 and steps:  # ml_optimiser.cpp:3327, 5.0.1; as in 4.0
        significant = (5 if refinement.dimensions == 2 else 100) * refinement.classes
    return Search(
        first=count(order, sampled.psi_step),
        finest=count(finest, sampled.psi_step if finest == order else -1),
        shifts=sampled.shifts,
        rotation_factor=(8 if refinement.dimensions == 3 else 2) ** sampled.oversampling,
        shift_factor=(8 if sampled.shifts_in_3d else 4) ** sampled.oversampling,
        shifts_in_3d=sampled.shifts_in_3d,
        significant=significant,
    )


def _first_local(options: Options, automatic: bool, default: str) -> int | None:
    """The HEALPix order from which a run that refines its sampling searches locally."""
    return _order(options, "auto_local_healpix_order", default) if automatic else None


def _value(options: Options | None, name: str) -> str:
    text = options.value(name) if options is not None and name in options else ""
    return "" if text is None or text == "None" else text.strip()


def _number(options: Options | None, name: str, default: str) -> float:
    return number(_value(options, name) or default, f"--{name}")


def _order(options: Options | None, name: str, default: str) -> int:
    return whole_number(_value(options, name) or default, f"--{name}", (0, 12))
