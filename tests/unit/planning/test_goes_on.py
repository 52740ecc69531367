"""Whether a job goes on by itself: who says so, what it survives, and how its commands go on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dispatcher.errors import InputError
from dispatcher.planning.goes_on import FurtherRuns
from dispatcher.planning.ladder import Ladder
from dispatcher.planning.plan import Plan
from dispatcher.reason import topic_of

from ...fixture_types import CorpusJob, WriteSite
from .planned import CLASSIC, REFINE, Typed, plan

pytestmark = pytest.mark.usefixtures("images")

SHIPPED = FurtherRuns(
    ("time_limit", "preemption", "lost_node"), at_most=10, gives_up_after=2, ladder=Ladder()
)


def planned_with(site: WriteSite, script: Path, goes_on: Any, scheduler: str = "slurm") -> Plan:
    site("site.json", {"scheduler": scheduler, "goes_on": goes_on})
    return plan(script)


def reasons(planned: Plan) -> list[str]:
    return [each for each in planned.reasons if topic_of(each) == "goes_on"]


def test_nothing_is_said_if_nobody_asks_for_it(site: WriteSite, corpus_job: CorpusJob) -> None:
    planned = planned_with(site, corpus_job(REFINE), False)

    assert planned.goes_on is None
    assert not reasons(planned)
    assert planned.as_json()["goes_on"] is None
    assert "continuation" not in planned.as_json()["commands"][0]


def test_a_refinement_goes_on(site: WriteSite, corpus_job: CorpusJob) -> None:
    planned = planned_with(site, corpus_job(REFINE), True)

    assert planned.goes_on == SHIPPED
    assert reasons(planned) == [
        "The job goes on by itself after its time limit, preemption or the loss of its node, at "
        "most 10 times, unless 2 runs in a row bring nothing new."
    ]
    assert planned.as_json()["goes_on"] == {
        "after": ["time_limit", "preemption", "lost_node"],
        "at_most": 10,
        "gives_up_after": 2,
        "queued_ahead": 0,
    }
    shell = planned.as_json()["commands"][0]["continuation"]
    assert shell.startswith('relion_refine_mpi --continue "${dispatch_from}" --o Refine3D/job011')
    assert planned.commands[0].command.value("continue") is None


def test_an_object_says_more(site: WriteSite, corpus_job: CorpusJob) -> None:
    own = {"after": ["preemption", "lost_node"], "at_most": 1, "gives_up_after": 1}

    planned = planned_with(site, corpus_job(REFINE), own, "local")

    assert planned.goes_on == FurtherRuns(("lost_node",), 1, 1, Ladder())
    assert reasons(planned) == [
        "The job goes on by itself after the loss of its node, at most 1 time, unless a run brings "
        "nothing new. But jobs of the scheduler local cannot go on after preemption."
    ]


def test_the_nearest_level_of_the_job_type_holds(site: WriteSite, corpus_job: CorpusJob) -> None:
    types = {
        **CLASSIC,
        "gpu": {**CLASSIC["gpu"], "goes_on": False},
        "refine": {**CLASSIC["refine"], "goes_on": {"at_most": 3}},
    }
    site("dispatch_config.json", types)

    refine = planned_with(site, corpus_job(REFINE), True)

    assert refine.goes_on == SHIPPED._replace(at_most=3)


def test_a_base_type_turns_it_off(site: WriteSite, corpus_job: CorpusJob) -> None:
    site("dispatch_config.json", {**CLASSIC, "gpu": {**CLASSIC["gpu"], "goes_on": False}})

    assert planned_with(site, corpus_job(REFINE), True).goes_on is None


@pytest.mark.parametrize(
    ("said", "text", "expected"),
    [
        (False, "Yes", SHIPPED),
        ({"at_most": 3}, "yes", SHIPPED._replace(at_most=3)),
        (True, "No", None),
        (True, "auto", SHIPPED),
        (False, "auto", None),
    ],
)
def test_the_window_decides_for_one_job(
    said: Any, text: str, expected: FurtherRuns | None, typed: Typed
) -> None:
    planned = typed({"goes_on": text}, goes_on=said)

    assert planned.goes_on == expected
    assert ("From RELION's window: Goes on by itself" in str(planned.reasons)) == (text != "auto")
    assert "goes_on" not in planned.job_parameters


def test_a_wrong_word_is_refused_by_the_name_of_the_field(typed: Typed) -> None:
    says = "^\"Goes on by itself\" in RELION's window: expected Yes or No, found 'true'"

    with pytest.raises(InputError, match=says):
        typed({"goes_on": "true"})


def test_a_window_without_the_field_is_told(typed: Typed) -> None:
    with pytest.raises(InputError, match="does not offer that field"):
        typed({"goes_on": "Yes"}, offered={})


@pytest.mark.parametrize(
    ("job", "scheduler", "because"),
    [
        ("relion-5.0.1/PostProcess_job016", "slurm", "relion_postprocess can only begin anew"),
        ("relion-5.0.1/Subtract_job014", "slurm", "relion_particle_subtract can only begin anew"),
        (
            "relion-5.0.1/External_job023",
            "slurm",
            "the dispatcher does not know how the user's own program goes on",
        ),
    ],
)
def test_why_a_job_does_not_go_on(
    job: str, scheduler: str, because: str, site: WriteSite, corpus_job: CorpusJob
) -> None:
    planned = planned_with(site, corpus_job(job), True, scheduler)

    assert planned.goes_on is None
    assert reasons(planned) == [f"The job does not go on by itself, because {because}."]
    assert not [each for each in planned.commands if each.continuation]


def test_what_its_scheduler_cannot_is_said_if_somebody_has_named_it(
    site: WriteSite, corpus_job: CorpusJob
) -> None:
    """Also if these are the causes that hold where nobody names any."""
    job, of_this_machine = corpus_job(REFINE), SHIPPED._replace(after=("lost_node",))

    nobody = planned_with(site, job, True, "local")
    somebody = planned_with(site, job, {"after": list(SHIPPED.after)}, "local")

    assert nobody.goes_on == somebody.goes_on == of_this_machine
    (said,) = reasons(nobody)
    assert reasons(somebody) == [
        f"{said} But jobs of the scheduler local cannot go on after its time limit or preemption."
    ]


def test_each_command_goes_on_in_its_own_way(site: WriteSite, corpus_job: CorpusJob) -> None:
    planned = planned_with(site, corpus_job("relion-5.0.1/InitialModel_job009"), True)

    ways = [
        (each.command.base_program, each.continuation and each.continuation.way)
        for each in planned.commands
    ]
    assert ways == [
        ("relion_refine", "refine"),
        ("rm", None),
        ("relion_align_symmetry", None),
        ("touch", None),
    ]


def of_pbs(site: WriteSite, script: Path, **goes_on: Any) -> Plan:
    return planned_with(site, script, goes_on or True, "pbs")


def test_next_runs_of_pbs_are_queued_ahead(site: WriteSite, corpus_job: CorpusJob) -> None:
    planned = of_pbs(site, corpus_job(REFINE))

    assert planned.goes_on == FurtherRuns(("time_limit", "lost_node"), 10, 2, Ladder(), 3)
    assert reasons(planned) == [
        "The job goes on by itself after its time limit or the loss of its node, at most 10 times, "
        "unless 2 runs in a row bring nothing new. From its submission on, 3 next runs wait in the "
        "queue behind it."
    ]


@pytest.mark.parametrize(("said", "ahead"), [({"queued_ahead": 7}, 7), ({"at_most": 1}, 1)])
def test_how_many_are_queued_ahead(
    said: Any, ahead: int, site: WriteSite, corpus_job: CorpusJob
) -> None:
    planned = of_pbs(site, corpus_job(REFINE), **said)

    assert planned.goes_on
    assert planned.as_json()["goes_on"]["queued_ahead"] == planned.goes_on.queued_ahead == ahead
    assert ("1 next run waits" in str(planned.reasons)) == (ahead == 1)


def test_without_them_a_job_of_pbs_survives_full_memories_alone(
    site: WriteSite, corpus_job: CorpusJob
) -> None:
    planned = of_pbs(site, corpus_job(REFINE), queued_ahead=0)

    assert planned.goes_on is None
    assert reasons(planned) == [
        "The job does not go on by itself, because jobs of the scheduler pbs, with "
        '"queued_ahead": 0, cannot go on after its time limit, preemption or the loss of its node.'
    ]
    memory = FurtherRuns(("gpu_memory",), 3, 2, Ladder(), 3)
    assert memory.without_needless().queued_ahead == 0
    assert memory._replace(after=("lost_node",)).without_needless().queued_ahead == 3


@pytest.mark.parametrize(("scheduler", "ahead"), [("slurm", 4), ("local", 0)])
def test_a_scheduler_with_a_queue_can_have_them(
    scheduler: str, ahead: int, site: WriteSite, corpus_job: CorpusJob
) -> None:
    planned = planned_with(site, corpus_job(REFINE), {"queued_ahead": 4}, scheduler)

    assert planned.goes_on
    assert planned.goes_on.queued_ahead == ahead
