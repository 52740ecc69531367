"""How does a command of RELION's go on that was cut? With its own options, or not at all.

relion_refine goes on from the optimiser of an iteration (``--continue``), others with what is left
(``--only_do_unfinished``). From RELION's source, 3.1.4, 4.0.2 and 5.0.1.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Literal, NamedTuple

from ..host.shell_words import Variable, Word
from .command import Command, values_of

__all__ = ["DROPPED", "FROM", "Continuation", "continued"]

# The job script's variable with the optimiser from which relion_refine goes on.
FROM = Variable("dispatch_from", quoted=True)

# With these RELION goes on as if they had not been given: no STAR file has what they set, and
# parseContinue() does not read them (ml_optimiser.cpp:197, 872, 5.0.1).
_LOST = ("som", "multibody_norm_overlap")

# Read by MlOptimiser::parseInitial() alone (ml_optimiser.cpp): RELION would warn of each, as of one
# that it does not know. What they set is in the optimiser's, the model's, the sampling's or the
# particles' STAR file, or is done with after the first iteration.
_INPUT = ("i", "tomograms", "trajectories", "ref", "ref_angpix", "model", "sampling",
          "denovo_3dref", "K", "sym", "local_symmetry", "random_seed", "nr_parts_sigma2noise",
          "dont_check_norm", "firstiter_cc", "no_init_blobs")  # fmt: skip
_KIND_OF_JOB = ("auto_refine", "auto_sampling", "split_random_halves", "low_resol_join_halves",
                "grad", "sgd", "stochastic_em", "fast_subsets")  # fmt: skip
_MODEL = ("ctf", "ctf_corrected_ref", "ctf_intact_first_peak", "ctf_phase_flipped",
          "ctf_uncorrected_ref", "only_flip_phases", "zero_mask", "maskedge", "fourier_mask", "NN",
          "r_min_nn", "coarse_size", "adaptive_fraction", "incr_size", "limit_tilt",
          "strict_lowres_exp", "fix_sigma_noise", "fix_sigma_offset", "offset_range_x",
          "offset_range_y", "offset_range_z")  # fmt: skip
_HELIX = ("helix", "ignore_helical_symmetry", "helical_nr_asu", "helical_nstart",
          "helical_offset_step", "helical_twist_initial", "helical_twist_min", "helical_twist_max",
          "helical_twist_inistep", "helical_rise_initial", "helical_rise_min", "helical_rise_max",
          "helical_rise_inistep", "helical_z_percentage", "helical_symmetry_search",
          "helical_sigma_distance", "helical_keep_tilt_prior_fixed",
          "helical_exclude_resols")  # fmt: skip
_GRADIENT = ("grad_min_resol", "sgd_sigma2fudge_initial", "sgd_sigma2fudge_halflife",
             "sgd_skip_anneal")  # fmt: skip

# Read by MlOptimiser::parseContinue(), in place of what the STAR files have ("OLD"): the first
# iteration's values would take the place of those that the job has come to.
_STATE = ("iter", "tau2_fudge", "tau2_fudge_scheme", "tau", "particle_diameter", "flatten_solvent",
          "solvent_mask", "solvent_mask2", "pad", "norm", "no_norm", "scale", "no_scale",
          "strict_highres_exp", "helical_inner_diameter", "helical_outer_diameter")  # fmt: skip
_SAMPLING = ("oversampling", "healpix_order", "auto_local_healpix_order", "psi_step", "perturb",
             "offset_range", "offset_step", "offset", "sigma_off", "sigma_ang", "sigma_rot",
             "sigma_tilt", "sigma_psi")  # fmt: skip
_STEPS = ("grad_em_iters", "grad_ini_frac", "grad_fin_frac", "grad_ini_resol", "grad_fin_resol",
          "grad_ini_subset", "grad_fin_subset", "grad_stepsize", "grad_stepsize_scheme",
          "grad_write_iter", "mu", "class_inactivity_threshold", "sgd_ini_iter",
          "sgd_inbetween_iter", "sgd_fin_iter", "sgd_ini_resol", "sgd_fin_resol", "sgd_ini_subset",
          "sgd_fin_subset", "sgd_stepsize", "sgd_write_iter")  # fmt: skip

# Bodies are made from another job's optimiser once: the job's own has them. --sigma would read the
# noise anew.
_BEGINS_BODIES = ("multibody_masks", "ini_high")
_BEGINS_NOISE = ("sigma",)

# All others stay. RELION takes them from the command line each time (--pool, --j, --gpu,
# --scratch_dir, --skip_align, --blush, --relax_sym, --maxsig of 3.1 …), or nobody here knows them.
DROPPED = frozenset(
    (*_INPUT, *_KIND_OF_JOB, *_MODEL, *_HELIX, *_GRADIENT, *_STATE, *_SAMPLING, *_STEPS,
     *_BEGINS_BODIES, *_BEGINS_NOISE)
)  # fmt: skip


class _Unfinished(NamedTuple):
    """A program with ``--only_do_unfinished``.

    Attributes:
        since: the first version of RELION whose program has it.
        when, unless: options with which alone, and with none of which, it leaves anything out.
    """

    since: tuple[int, int] = (3, 1)
    when: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()


# What each takes for finished. An output file that was cut short counts as well where the program
# only looks whether there is one.
_UNFINISHED = {
    # A movie with its sum, its STAR file and, if asked for, its power spectrum; with
    # --even_odd_split one with its sum (motioncorr_runner.cpp:341, 5.0.1).
    "relion_run_motioncorr": _Unfinished(),
    # A micrograph whose CTFFIND4 log names results with numbers below "Columns: ": RELION stops if
    # these are cut short. Of CTFFIND3 and Gctf, one whose log has "Final Values"
    # (ctffind_runner.cpp:881, 933 and 847, 5.0.1).
    "relion_run_ctffind": _Unfinished(),
    # A micrograph with its coordinates. RELION's window leaves the option out with maps of figures
    # of merit; training is not divided (autopicker.cpp:279, pipeline_jobs.cpp:2408, 5.0.1).
    "relion_autopick": _Unfinished(unless=("topaz_train", "read_fom_maps", "write_fom_maps")),
    # A micrograph with its _extract.star (preprocessing.cpp:708, 5.0.1).
    "relion_preprocess": _Unfinished(when=("extract",)),
    # A micrograph with its tracks and FCCs, then one with its _shiny.mrcs and _shiny.star
    # (motion_estimator.cpp:927, frame_recombiner.cpp:821, 5.0.1); not the training.
    "relion_motion_refine": _Unfinished(unless=("params2", "params3")),
    # A micrograph with the file of each fit that is asked for, such as _defocus_fit.star
    # (ctf_refiner.cpp:200, defocus_estimator.cpp:230, 5.0.1).
    "relion_ctf_refine": _Unfinished(),
    # A tilt series with its results (align_tiltseries_runner.cpp:152, 5.0.1).
    "relion_align_tiltseries": _Unfinished(since=(5, 0)),
    # A tomogram with its file (reconstruct_tomogram.cpp:142, 5.0.1).
    "relion_tomo_reconstruct_tomogram": _Unfinished(since=(5, 0)),
    # A particle with its image (subtomo.cpp:725, 5.0.1).
    "relion_tomo_subtomo": _Unfinished(since=(4, 0)),
    # A tomogram with the temporary file of each fit (ctf_refinement.cpp:178, 5.0.1).
    "relion_tomo_refine_ctf": _Unfinished(since=(4, 0)),
    # A tomogram with its temporary _projections.star (align.cpp:215, 5.0.1).
    "relion_tomo_align": _Unfinished(since=(4, 0)),
    # All tomograms up to the last with temporary sums (reconstruct_particle.cpp:223, 5.0.1).
    "relion_tomo_reconstruct_particle": _Unfinished(since=(4, 0), unless=("no_backup",)),
}
_ONLY_UNFINISHED = "only_do_unfinished"


class Continuation(NamedTuple):
    """A command as it goes on.

    Attributes:
        way: "refine" from an iteration, "unfinished" with what is left.
        root: with what the names of its output begin: RELION's ``--o``, else the job's folder.
        command: with the options of that way; ``--continue`` has the variable `FROM`.
        least: the first iteration from which RELION can go on; before it the command begins anew.
    """

    way: Literal["refine", "unfinished"]
    root: Word
    command: Command
    least: int = 1


def continued(command: Command, job: str, version: tuple[int, int] | None) -> Continuation | str:
    """How a command of the job goes on; if it cannot, a clause that says why.

    `version` is RELION's major and minor, None if it is not known.
    """
    program = command.base_program
    if program == "relion_refine":
        return _refinement_continued(command)
    known = _UNFINISHED.get(program)
    if known is None:
        return f"{program} can only begin anew"
    if version and version < known.since:
        return f"{program} of RELION {version[0]}.{version[1]} can only begin anew"
    if missing := next((each for each in known.when if each not in command), None):
        return f"{program} can only begin anew without --{missing}"
    if given := next((each for each in known.unless if each in command), None):
        return f"{program} can only begin anew with --{given}"
    if _ONLY_UNFINISHED not in command:
        command = command.with_option(f"--{_ONLY_UNFINISHED}", ())
    return Continuation("unfinished", Word.literal(job), command)


def _refinement_continued(command: Command) -> Continuation | str:
    """Without the options that RELION would not read, or that would undo what was reached."""
    if lost := next((each for each in _LOST if each in command), None):
        return f"RELION forgets --{lost} when it continues"
    roots = values_of(command, "o")
    if not roots:
        return "its command names no output (--o)"
    root = command.arguments[roots[-1]]
    before = re.fullmatch(r"(.*)_it\d+_optimiser\.star", command.value("continue") or "")
    if before and before[1] == str(root):
        return "RELION chooses the names of its output (--o has those of the job that it continues)"
    # Of several classes, the first iteration by cross-correlation has one: the second makes them
    # (ml_optimiser.cpp:4143, 4395, 5.0.1), but not in a run that continues. Nor does it begin.
    several = (command.value("K") or "1") != "1"
    least = 2 if "firstiter_cc" in command and several else 1
    for name in DROPPED:
        if name in command:
            command = command.without(name)
    words = command.without("continue").arguments
    begin = (Word.literal("--continue"), Word((FROM,)))
    return Continuation("refine", root, replace(command, arguments=(*begin, *words)), least)
