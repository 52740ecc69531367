"""Of the user's and the job type's --free_gpu_memory the larger is in the command that runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dispatcher.planning.plan import Plan
from dispatcher.ranks.left_free import megabytes

from ...fixture_types import CorpusJob, WriteSite
from .planned import REFINE, plan

pytestmark = pytest.mark.usefixtures("images")

SHIPPED = Path(__file__).parents[3] / "config" / "dispatch_config.json"


@pytest.fixture
def planned(site: WriteSite, corpus_job: CorpusJob) -> Callable[..., Plan]:
    """The plan of a command and of job types that have these values of --free_gpu_memory."""

    def of(users: str | None, *types: Any, remove: str = "", **settings: Any) -> Plan:
        content = json.loads(SHIPPED.read_text())
        for name, value in zip(("gpu", "refine"), types, strict=False):
            content[name].setdefault("relion_add_parameter", {})["free_gpu_memory"] = value
        if remove:
            content["refine"]["relion_remove_parameter"] = [remove]
        site("dispatch_config.json", json.dumps(content))
        site("site.json", settings)
        script = corpus_job(REFINE)
        if users is not None:
            text = script.read_text()
            script.write_text(text.replace(" --pad 2", f" --pad 2 --free_gpu_memory {users}"))
        return plan(script)

    return of


def written(plan: Plan) -> list[str]:
    words = plan.commands[0].command.argv
    return [words[at + 1] for at, word in enumerate(words) if word == "--free_gpu_memory"]


def said(plan: Plan) -> list[str]:
    return [each for each in plan.reasons if each.startswith("--free_gpu_memory")]


@pytest.mark.parametrize(
    ("users", "types", "holds", "sentence"),
    [
        ("5000", [1000], "5000", "5000 stays as the command has it: the job type's 1000 is"),
        ("5000.50", ["1000"], "5000.50", "5000.50 stays"),
        ("2000", [5000], "5000", "5000 is the job type's: the command's 2000 is smaller"),
        ("2000", [2000], "2000", ""),
        ("2000", ["2000.0"], "2000.0", ""),
        (None, [2000], "2000", ""),
        ("5000", [], "5000", ""),
        ("5000", [False], "5000", ""),
        ("5000", [""], "5000", "5000 stays as the command has it: the job type's empty value is"),
        # The leaf's value is the job type's, also where it is smaller than the base's.
        ("1200", [5000, 1100], "1200", "1200 stays as the command has it: the job type's 1100 is"),
        ("1200", [1100, 5000], "5000", "5000 is the job type's"),
        ("-1", [2000], "2000", "2000 is the job type's: the command's -1 is below 0, which RELION"),
        ("2000", ["-1"], "2000", "2000 stays as the command has it: the job type's -1 is below 0"),
        # What only the node knows.
        ("$X", [2000], "2000", "2000 is the job type's: the command's $X is no number here"),
        ("2000", ["$X"], "2000", "2000 stays as the command has it: the job type's $X is no"),
    ],
)  # fmt: skip
def test_of_the_users_and_the_job_types_value_the_larger_stays(
    users: str | None, types: list[Any], holds: str, sentence: str, planned: Callable[..., Plan]
) -> None:
    found = planned(users, *types)

    assert written(found) == [holds]
    assert [each.startswith(f"--free_gpu_memory {sentence}") for each in said(found)] == (
        [True] if sentence else []
    )


def test_a_job_type_that_takes_the_users_value_out_has_its_own(
    planned: Callable[..., Plan],
) -> None:
    found = planned("5000", 1000, 1300, remove="free_gpu_memory")

    assert (written(found), said(found)) == (["1300"], [])


def test_the_larger_value_counts_in_the_fit(planned: Callable[..., Plan]) -> None:
    users, types = planned("3000", 2000).gpu_fit, planned("2000", 2000).gpu_fit

    assert users.bytes_per_rank and types.bytes_per_rank
    assert users.bytes_per_rank - types.bytes_per_rank == 1_000_000_000


def test_a_variable_cannot_be_compared_and_the_plan_says_what_runs(
    planned: Callable[..., Plan],
) -> None:
    shared = planned("$X")
    assert written(shared) == ["1000"]
    assert said(shared) == [
        "--free_gpu_memory $X is no number here, and does not count, so 1000 takes its place: give "
        "a number to leave more free."
    ]

    alone = planned("$X", job_parameters={"gpu": {"ranks_per_gpu": 1}})
    assert written(alone) == ["$X"]  # no race, so the node has its way
    assert said(alone) == ["--free_gpu_memory $X is no number here, and does not count."]


@pytest.mark.parametrize(
    ("text", "size"),
    [
        (None, 0),
        ("", 0),
        ("1.5e3", 1500),
        ("$X", None),
        ("abc", None),
        ("inf", None),
        ("nan", None),
    ],
)
def test_only_a_number_is_a_size(text: str | None, size: float | None) -> None:
    assert megabytes(text) == size
