"""How commands go on that were cut; the corpus has the commands that RELION writes."""

from __future__ import annotations

import re

import pytest

from dispatcher.relion.command import Command, parse_command
from dispatcher.relion.continuation import DROPPED, Continuation, continued

from ...corpus import CORPUS

REFINES = sorted(
    str(path.relative_to(CORPUS))
    for path in CORPUS.glob("*/*/run_submit.script")
    if "which relion_refine" in path.read_text()
)
# What a continued refinement needs from its command line, or would lose (parseContinue(), 5.0.1):
# what RELION sets from there each time, whatever the STAR files have.
EACH_TIME = [
    "o", "pool", "j", "gpu", "scratch_dir", "pipeline_control", "dont_combine_weights_via_disc",
    "reconstruct_subtracted_bodies", "solvent_correct_fsc", "center_classes", "skip_gridding",
    "trust_ref_size", "maxsig", "allow_coarser_sampling", "blush",
]  # fmt: skip


def command_of(script: str) -> Command:
    text = (CORPUS / script).read_text()
    line = next(each for each in text.splitlines() if "which relion_refine" in each)
    return parse_command(line)


def goes_on(line: str, version: tuple[int, int] | None = (5, 0)) -> Continuation:
    found = continued(parse_command(line), "Some/job001", version)
    assert isinstance(found, Continuation), found
    return found


@pytest.mark.parametrize("script", REFINES)
def test_refinements_of_the_corpus_go_on_from_their_own_optimiser(script: str) -> None:
    first = command_of(script)

    found = continued(first, "", None)

    assert isinstance(found, Continuation)
    assert (found.way, str(found.root)) == ("refine", first.value("o"))
    assert found.command.program == first.program
    assert found.command.value("continue") == "$dispatch_from"
    assert not [each for each in DROPPED if each in found.command]
    for option in EACH_TIME:
        assert found.command.value(option) == first.value(option)
    assert len(found.command.arguments) < len(first.arguments)


@pytest.mark.parametrize(
    ("options", "least"),
    [("", 1), ("--firstiter_cc", 1), ("--firstiter_cc --K 1", 1), ("--firstiter_cc --K 4", 2),
     ("--K 4", 1)],
)  # fmt: skip
def test_classes_that_the_second_iteration_makes_go_on_behind_it(options: str, least: int) -> None:
    assert goes_on(f"relion_refine --i a.star --o Class3D/job001/run {options}").least == least


def test_a_refinement_of_relion_5() -> None:
    found = continued(command_of("relion-5.0.1/Refine3D_job011/run_submit.script"), "", (5, 0))

    assert isinstance(found, Continuation)
    assert found.command.shell() == (
        'relion_refine_mpi --continue "${dispatch_from}" --o Refine3D/job011/run '
        "--trust_ref_size --dont_combine_weights_via_disc --scratch_dir /scratch --pool 3 --j 4 "
        "--gpu '' --maxsig 500 --pipeline_control Refine3D/job011/"
    )


def test_bodies_are_made_once() -> None:
    found = continued(command_of("relion-4.0.2/MultiBody_job005/run_submit.script"), "", (4, 0))

    assert isinstance(found, Continuation)
    assert found.command.shell() == (
        'relion_refine_mpi --continue "${dispatch_from}" --o MultiBody/job005/run '
        "--solvent_correct_fsc --reconstruct_subtracted_bodies --dont_combine_weights_via_disc "
        "--scratch_dir /scratch --pool 3 --j 8 --gpu 0:1 --pipeline_control MultiBody/job005/"
    )


def test_what_nobody_knows_stays() -> None:
    found = goes_on("`which relion_refine` --o A/run --new_in_6 -3 --tau2_fudge 4 --iter 25")

    assert found.command.argv[3:] == ["--o", "A/run", "--new_in_6", "-3"]


def test_a_job_that_continues_another_goes_on_in_its_own_output() -> None:
    line = "`which relion_refine` --continue A/run_it003_optimiser.star --o A/run_ct3 --iter 30"

    found = goes_on(line)

    assert str(found.root) == "A/run_ct3"
    assert "A/run_it003_optimiser.star" not in found.command.argv


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("--i a.star", "its command names no output (--o)"),
        ("--o A/run --som --grad", "RELION forgets --som when it continues"),
        (
            "--continue B/run_optimiser.star --o A/run --multibody_norm_overlap",
            "RELION forgets --multibody_norm_overlap when it continues",
        ),
        (
            "--continue A/run_it003_optimiser.star --o A/run",
            "RELION chooses the names of its output (--o has those of the job that it continues)",
        ),
    ],
)
def test_what_cannot_go_on_from_an_iteration(line: str, why: str) -> None:
    assert continued(parse_command(f"`which relion_refine` {line}"), "", None) == why


@pytest.mark.parametrize(
    ("line", "version"),
    [
        ("relion_run_motioncorr --i a --o b", (3, 1)),
        ("relion_run_ctffind --i a --o b", (3, 1)),
        ("relion_autopick --i a --odir b", (3, 1)),
        ("relion_preprocess --i a --extract", (3, 1)),
        ("relion_motion_refine --i a --o b", (3, 1)),
        ("relion_ctf_refine --i a --o b", (3, 1)),
        ("relion_tomo_subtomo --o b", (4, 0)),
        ("relion_tomo_align --o b", (4, 0)),
        ("relion_tomo_refine_ctf --o b", (4, 0)),
        ("relion_tomo_reconstruct_particle --o b", (4, 0)),
        ("relion_tomo_reconstruct_tomogram --o b", (5, 0)),
        ("relion_align_tiltseries --o b", None),
    ],
)
def test_others_go_on_with_what_is_left(line: str, version: tuple[int, int] | None) -> None:
    found = goes_on(f"`which {line.split()[0]}_mpi`{line.partition(' ')[2]}", version)

    assert (found.way, str(found.root)) == ("unfinished", "Some/job001")
    assert found.command.argv[-1] == "--only_do_unfinished"
    continued_once_more = continued(found.command, "Some/job001", version)
    assert isinstance(continued_once_more, Continuation)
    assert continued_once_more.command == found.command


@pytest.mark.parametrize(
    ("line", "version", "why"),
    [
        ("relion_postprocess --i a", (5, 0), "relion_postprocess can only begin anew"),
        ("relion_particle_subtract --i a", None, "relion_particle_subtract can only begin anew"),
        (
            "relion_tomo_reconstruct_tomogram --o b",
            (4, 0),
            "relion_tomo_reconstruct_tomogram of RELION 4.0 can only begin anew",
        ),
        (
            "relion_autopick --topaz_train",
            None,
            "relion_autopick can only begin anew with --topaz_train",
        ),
        (
            "relion_motion_refine --params3",
            None,
            "relion_motion_refine can only begin anew with --params3",
        ),
        (
            "relion_preprocess --operate_on a.star",
            None,
            "relion_preprocess can only begin anew without --extract",
        ),
    ],
)
def test_what_can_only_begin_anew(line: str, version: tuple[int, int] | None, why: str) -> None:
    command = parse_command(re.sub(r"^(\S+)", r"`which \1`", line))

    assert continued(command, "Some/job001", version) == why
