"""A site's own directives, or options, that keep jobs from going on: the plan says so."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from dispatcher.config.configuration import load_configuration
from dispatcher.errors import ConfigError
from dispatcher.job_script.launchers import Settled, settled
from dispatcher.job_script.variables import NO_TOKEN
from dispatcher.planning.make_plan import plan_script
from dispatcher.reason import topic_of

from ...fixture_types import CorpusJob, WriteSite

pytestmark = pytest.mark.usefixtures("images")

SHIPPED = Path(__file__).parents[3] / "job_template" / "schedulers"
ALL = "its time limit, preemption or the loss of its node"
WITHOUT_99 = "#BSUB -{{ 'r' if job.dispatch.requeues else 'rn' }}\n#BSUB -n 4\n"


@pytest.fixture
def rendered(site: WriteSite, corpus_job: CorpusJob) -> Any:
    """Render a refinement; `options` are the type's `scheduler_options`, `keys` the scheduler's."""

    def call(scheduler: str, *options: str, goes_on: Any = True, **keys: Any) -> Settled:
        content: dict[str, Any] = {
            "scheduler": scheduler,
            "goes_on": goes_on,
            "partitions": {"gpu": {"cores": 64, "gpus": 4, "gpu_memory": "24G"}},
            "job_parameters": {"submit": {"partition": "gpu", "scheduler_options": [*options]}},
            "schedulers": {scheduler: keys},
        }
        site("site.json", content)
        job = corpus_job("relion-5.0.1/Refine3D_job011")
        return settled(plan_script(job, load_configuration()), NO_TOKEN)

    return call


def said(found: Settled) -> tuple[list[str], list[str]]:
    """Its reasons on going on, and its warnings of that."""
    reasons = [each for each in found.plan.reasons if topic_of(each) == "goes_on"]
    return reasons, [each for each in found.plan.warnings if "go on by itself" in each]


@pytest.mark.parametrize("scheduler", ["slurm", "gridengine", "lsf"])
def test_the_shipped_directives_keep_no_job_from_going_on(scheduler: str, rendered: Any) -> None:
    found = rendered(scheduler)
    assert said(found)[1] == []
    assert found.plan.goes_on.after == tuple(found.plan.site.schedulers[scheduler].goes_on_after)


ANOTHER_SIGNAL = "a --signal that is neither B:USR1 nor B:TERM@60 or later"


@pytest.mark.parametrize(
    ("scheduler", "options", "lost", "words"),
    [
        ("slurm", ["--no-requeue"], ALL, "--no-requeue"),
        ("slurm", ["--signal=USR1@60"], "its time limit", ANOTHER_SIGNAL),
        ("slurm", ["--signal B:USR2@60"], "its time limit", ANOTHER_SIGNAL),
        # So early, TERM may as well be somebody's wish.
        ("slurm", ["--signal=B:TERM@61"], "its time limit", ANOTHER_SIGNAL),
        ("slurm", ["--signal=RB:15@600"], "its time limit", ANOTHER_SIGNAL),
        ("gridengine", ["-r n"], "the loss of its node", "-r n"),
        ("gridengine", ["-p -100 -r no"], "the loss of its node", "-r n"),
        ("lsf", ["-rn"], "the loss of its node", "-rn"),
    ],
)
def test_an_option_that_keeps_jobs_from_going_on_is_named(
    scheduler: str, options: list[str], lost: str, words: str, rendered: Any
) -> None:
    found = rendered(scheduler, *options)

    reasons, (warning,) = said(found)
    assert warning.startswith(
        f"The job does not go on by itself after {lost}, because its directives have {words}: ask "
    )
    assert not [each for each in reasons if lost in each]
    assert len(reasons) == (0 if lost == ALL else 1)


@pytest.mark.parametrize(
    ("scheduler", "options"),
    [
        ("slurm", ["--no-requeue", "--requeue"]),  # the last one counts
        ("slurm", ["--signal=B:USR1@600"]),
        ("slurm", ["--signal=B:10@600"]),
        ("slurm", ["--signal  br:usr1@60"]),  # Slurm takes all of these
        ("slurm", ["--signal=B:TERM"]),
        ("slurm", ["--signal=B:TERM@60"]),
        ("slurm", ["--signal=RB:15@9"]),
        ("slurm", ["--signal=USR1@9", "--signal=B:SIGTERM@30"]),
        ("gridengine", ["-r n", "-r y"]),
        ("lsf", ["-Q 99 EXCLUDE(3)"]),
        ("lsf", ["-Q all"]),
    ],
)
def test_what_does_no_harm_is_not_spoken_of(
    scheduler: str, options: list[str], rendered: Any
) -> None:
    assert said(rendered(scheduler, *options))[1] == []


def test_directives_of_before_jobs_went_on_are_noticed(rendered: Any, site: WriteSite) -> None:
    """A site has copied those of 0.2.0: the script has nothing of a job that goes on."""
    shipped = (SHIPPED / "slurm" / "directives.sh.j2").read_text()
    old = re.sub(r"--\{\{.*no-requeue.*\}\}", "--no-requeue", shipped)
    site("job_template/schedulers/slurm/directives.sh.j2", old)

    found = rendered("slurm")

    assert old != shipped
    assert found.plan.goes_on is None
    assert "goes_on" not in found.script
    assert f"after {ALL}, because its directives have --no-requeue" in said(found)[1][0]


def test_what_the_directives_lack_is_noticed_too(rendered: Any, site: WriteSite) -> None:
    site("job_template/schedulers/lsf/directives.sh.j2", WITHOUT_99)

    found = rendered("lsf")

    assert found.plan.goes_on.after == ("lost_node",)
    assert "\ndispatch_goes_on_after=(lost_node)\n" in found.script
    assert "after its time limit, because its directives have no -Q 99" in said(found)[1][0]


def test_the_submit_command_may_keep_jobs_from_it(rendered: Any) -> None:
    command = ["sbatch", "--parsable", "--no-requeue"]
    assert rendered("slurm", submit_command=command).plan.goes_on is None


def test_full_memories_are_survived_without_the_scheduler(rendered: Any) -> None:
    goes_on = {"after": ["time_limit", "host_memory"]}
    found = rendered("slurm", "--no-requeue", goes_on=goes_on)
    assert found.plan.goes_on.after == ("host_memory",)
    assert "#SBATCH --requeue" not in found.script


def test_a_site_may_know_better(rendered: Any, site: WriteSite) -> None:
    """Its queue may start jobs again that end with 99."""
    site("job_template/schedulers/lsf/directives.sh.j2", WITHOUT_99)
    found = rendered("lsf", goes_on_unless={"no -Q 99": {"after": []}})
    assert said(found)[1] == []
    assert found.plan.goes_on.after == ("time_limit", "lost_node")


def test_a_pattern_that_is_none_is_a_mistake(rendered: Any) -> None:
    wrong = {"--no-requeue": {"directives": "(", "after": ["preemption"]}}
    with pytest.raises(ConfigError, match=r"goes_on_unless\.--no-requeue\.directives"):
        rendered("slurm", goes_on_unless=wrong)
