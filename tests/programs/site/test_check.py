"""``relion-dispatch check``: a site's mistakes are found before its users find them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dispatcher.config.site import Partition
from dispatcher.planning import make_plan
from dispatcher.site.check import problems

from ...fixture_types import WriteSite
from .checked_site import TYPES

COMMAND = Path(__file__).parents[3] / "deploy" / "relion-dispatch"


pytestmark = pytest.mark.usefixtures("images", "programs")


def test_the_shipped_site_is_in_order() -> None:
    assert problems() == []


def test_the_shipped_site_is_in_order_on_a_small_machine_without_gpus(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small = Partition(cores=2, memory=3 << 30, gpus=0)
    monkeypatch.setattr(make_plan, "this_machine", lambda vendor: small)

    assert problems() == []


def test_a_type_that_can_never_match_is_named(site: WriteSite) -> None:
    narrow = {"inherits": "refine", "match_command": "relion_refine", "match_parameter": "K"}
    site("dispatch_config.json", {**TYPES, "class3d": narrow})

    (problem,) = problems()

    assert '"class3d" can never match, because "refine" comes first' in problem


def test_a_partition_to_choose_from_that_is_not_described_is_named(site: WriteSite) -> None:
    parameters = {"refine": {"partitions": ["gpu_logn"]}}
    site("site.json", {"partitions": {"gpu_long": {}}, "job_parameters": parameters})

    (problem,) = problems()

    assert 'key "job_parameters.refine.partitions": there is no partition "gpu_logn"' in problem
    assert 'did you mean "gpu_long"?' in problem


def test_a_narrower_type_before_a_wider_one_is_fine(site: WriteSite) -> None:
    narrow = {"inherits": "submit", "match_command": "relion_refine", "match_parameter": "K"}
    site("dispatch_config.json", {"class3d": narrow, **TYPES})

    assert problems() == []


def test_all_files_are_checked_even_if_one_is_broken(site: WriteSite) -> None:
    site("site.json", '{"scheduler": "slurn"}')
    site("dispatch_config.json", '{"refine": {"inherit": "submit"}}')
    site("images.json", "{")

    found = "\n".join(problems())

    assert 'did you mean "slurm"?' in found
    assert 'did you mean "inherits"?' in found
    assert "images.json, line 1" in found


def test_a_missing_submit_command_is_named(site: WriteSite) -> None:
    site(
        "site.json",
        {
            "scheduler": "x",
            "schedulers": {"x": {"submit_command": ["no-such"], "directives": "slurm"}},
        },
    )

    (problem,) = problems()

    assert problem == (
        'scheduler "x": the submit command "no-such" is not found: install it, or correct its '
        '"submit_command".'
    )


def test_a_missing_submit_command_of_a_job_type_is_named_with_the_type(site: WriteSite) -> None:
    site("site.json", {"job_parameters": {"postprocess": {"submit_command": "no-such -x"}}})

    (problem,) = problems()

    assert problem == (
        'job type "postprocess": the submit command "no-such" is not found: install it, or correct '
        '"submit_command" of the job_parameters.'
    )


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"nodes": 0}, 'submit.nodes": expected a whole number'),
        ({"submit_command": "sbatch 'x"}, 'submit.submit_command": expected one text'),
        ({"submit_command": ["sbatch"]}, 'submit.submit_command": expected one text'),
        ({"scheduler_options": "--exclusive"}, 'submit.scheduler_options": expected a list'),
    ],
)
def test_impossible_job_parameters_are_named(
    parameters: dict[str, Any], says: str, site: WriteSite
) -> None:
    site("site.json", {"job_parameters": {"submit": parameters}})

    (problem,) = problems()

    assert "site.json" in problem
    assert says in problem


def test_exit_status_and_output(site: WriteSite) -> None:
    def check() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [COMMAND, "check"],
            capture_output=True,
            text=True,
            env={**os.environ, "RELION_DISPATCH_PYTHON": sys.executable},
        )

    good = check()
    site("images.json", "[]")
    bad = check()

    folder = Path(os.environ["RELION_DISPATCH_SITE"])
    read = f"The site's folder is {folder}, with images.json.\n"
    assert (good.returncode, good.stdout) == (0, f"{read}Everything is in order.\n")
    assert bad.returncode == 1
    assert bad.stdout.startswith(f"{read}{folder / 'images.json'}")
