"""Who pays for a job: rules of the site, the job type, the partition, whoever submits."""

from __future__ import annotations

import grp
import os
import pwd
from pathlib import Path
from typing import Any

import pytest

from dispatcher.config.configuration import load_configuration
from dispatcher.job_script.variables import NO_TOKEN
from dispatcher.jobs.watcher import watcher_script
from dispatcher.planning.plan import Plan

from ...fixture_types import CorpusJob, WriteSite
from ...scheduler_directives import directives
from .planned import REFINE, plan

pytestmark = pytest.mark.usefixtures("images")

USER = pwd.getpwuid(os.getuid()).pw_name
GROUP = grp.getgrgid(os.getgid()).gr_name
SHAPE = {"cores": 64, "gpus": 4, "gpu_memory": "24G", "memory": "256G"}


@pytest.fixture(autouse=True)
def without_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SBATCH_ACCOUNT", raising=False)


def configure(site: WriteSite, *rules: dict[str, Any], **content: Any) -> None:
    """A Slurm site with one partition and these rules."""
    content.setdefault("partitions", {"gpu": SHAPE})
    content.setdefault("job_parameters", {"submit": {"partition": "gpu"}})
    site("site.json", {"scheduler": "slurm", "accounts": [*rules], **content})


def paid(planned: Plan) -> tuple[Any, Any]:
    """The account and the quality of service that the plan has."""
    return planned.job_parameters.get("account"), planned.job_parameters.get("qos")


def watcher_of(planned: Plan) -> dict[str, list[str]]:
    scheduler = load_configuration().site.schedulers["slurm"]
    return directives(watcher_script(planned, scheduler, NO_TOKEN))


def test_the_account_of_whoever_submits_holds_if_nobody_names_one(
    site: WriteSite, corpus_job: CorpusJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sites where each user activates a project of their own: `sbatch` by hand takes it as well."""
    site("site.json", {"scheduler": "slurm"})
    monkeypatch.setenv("SBATCH_ACCOUNT", "proj42")

    planned = plan(corpus_job(REFINE))

    assert directives(planned)["account"] == ["proj42"]
    assert watcher_of(planned)["account"] == ["proj42"]
    said = "Account proj42: SBATCH_ACCOUNT in the environment of whoever submits."
    assert said in planned.reasons


@pytest.mark.parametrize("option", ["--account=lab", "-A lab"])
def test_an_option_that_names_an_account_goes_before_the_environment(
    option: str, site: WriteSite, corpus_job: CorpusJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_type = {"submit": {"partition": "gpu", "scheduler_options": [option]}}
    configure(site, job_parameters=of_type)
    monkeypatch.setenv("SBATCH_ACCOUNT", "proj42")

    assert paid(plan(corpus_job(REFINE))) == (None, None)


@pytest.mark.parametrize("value", ["", " ", "a b", "x;y", "$(id)", "a\nb", '"'])
def test_a_variable_that_can_be_no_account_names_none(
    value: str, site: WriteSite, corpus_job: CorpusJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(site)
    monkeypatch.setenv("SBATCH_ACCOUNT", value)

    assert paid(plan(corpus_job(REFINE))) == (None, None)


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ({}, True),
        ({"users": ["somebody", USER]}, True),
        ({"users": ["somebody"]}, False),
        ({"groups": [GROUP]}, True),
        ({"groups": ["no such group"]}, False),
        ({"partitions": ["gpu"]}, True),
        ({"partitions": ["other"]}, False),
        ({"job_types": ["gpu"]}, True),
        ({"job_types": ["refine", "cpu"]}, True),
        ({"job_types": ["cpu"]}, False),
        ({"variables": ["EM_PROJECT"]}, False),
        ({"project_groups": ["no such group"]}, False),
        ({"project": "/no/such/folder"}, False),
        ({"users": [USER], "job_types": ["cpu"]}, False),
    ],
)
def test_a_rule_holds_if_all_its_conditions_do(
    condition: dict[str, Any], holds: bool, site: WriteSite, corpus_job: CorpusJob
) -> None:
    partitions = {"gpu": SHAPE, "other": SHAPE}
    configure(site, {**condition, "account": "em", "qos": "high"}, partitions=partitions)

    planned = plan(corpus_job(REFINE))

    assert paid(planned) == (("em", "high") if holds else (None, None))
    assert ("Account em: rule 1 of accounts." in planned.reasons) == holds


def test_the_projects_folder_names_the_account(
    site: WriteSite, corpus_job: CorpusJob, project: Path
) -> None:
    above = project.parent
    configure(
        site,
        {"project": f"{above}/{{lab}}", "account": "{lab}-em", "qos": "{user}"},
        {"project": f"{above}/proj", "account": "not a part of a name"},
    )

    assert paid(plan(corpus_job(REFINE))) == (f"{project.name}-em", USER)


@pytest.mark.parametrize("pattern", ["{above}", "{above}/*", "{above}/{{x}}/"])
def test_a_folder_below_belongs_to_the_rule(
    pattern: str, site: WriteSite, corpus_job: CorpusJob, project: Path
) -> None:
    configure(site, {"project": pattern.format(above=project.parent), "account": "em"})

    assert paid(plan(corpus_job(REFINE))) == ("em", None)


def test_a_project_behind_a_link_is_known_by_its_real_place(
    site: WriteSite, corpus_job: CorpusJob, project: Path, tmp_path: Path
) -> None:
    script = corpus_job(REFINE)
    (home := tmp_path / "home" / "ada").mkdir(parents=True)
    (home / "linked").symlink_to(project)
    configure(site, {"project": str(project), "account": "em"})

    assert paid(plan(home / "linked" / script.relative_to(project))) == ("em", None)


def test_the_group_of_the_projects_folder_names_the_account(
    site: WriteSite, corpus_job: CorpusJob, project: Path
) -> None:
    group = grp.getgrgid(project.stat().st_gid).gr_name
    configure(site, {"project_groups": [group], "account": "{project_group}-em"})

    assert paid(plan(corpus_job(REFINE))) == (f"{group}-em", None)


def test_the_first_rule_that_names_it_holds_and_directives_of_all(
    site: WriteSite, corpus_job: CorpusJob
) -> None:
    configure(
        site,
        {"qos": "first", "scheduler_options": ["--nice=1"]},
        {"qos": "second", "account": "em", "scheduler_options": ["--wckey=em"]},
        {"users": ["somebody"], "scheduler_options": ["--hold"]},
        partitions={"gpu": {**SHAPE, "scheduler_options": ["--exclusive"]}},
        job_parameters={"submit": {"partition": "gpu", "scheduler_options": ["--spread-job"]}},
    )

    planned = plan(corpus_job(REFINE))

    assert paid(planned) == ("em", "first")
    found = ["--spread-job", "--exclusive", "--nice=1", "--wckey=em"]
    assert planned.job_parameters["scheduler_options"] == found
    assert (
        "Further directives: --spread-job (job type); --exclusive (partition gpu); --nice=1 "
        "(rule 1 of accounts); --wckey=em (rule 2 of accounts)."
    ) in planned.reasons


def test_a_rule_may_let_the_users_variable_name_the_account(
    site: WriteSite, corpus_job: CorpusJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(site, {"variables": ["EM_OLD", "EM_PROJECT"]}, {"account": "em"})
    script = corpus_job(REFINE)
    without = paid(plan(script))
    monkeypatch.setenv("EM_PROJECT", "proj42")

    assert (without, paid(plan(script))) == (("em", None), ("proj42", None))


def test_a_rule_goes_before_the_job_type_and_that_before_the_partition(
    site: WriteSite, corpus_job: CorpusJob
) -> None:
    content = {
        "partitions": {"gpu": {**SHAPE, "account": "of-partition", "qos": "of-partition"}},
        "job_parameters": {"submit": {"partition": "gpu", "qos": "of-type"}},
    }
    configure(site, **content)
    script = corpus_job(REFINE)
    before = plan(script)
    configure(site, {"qos": "of-rule"}, **content)

    assert paid(before) == ("of-partition", "of-type")
    assert paid(plan(script)) == ("of-partition", "of-rule")
    assert "Account of-partition: partition gpu." in before.reasons


@pytest.mark.parametrize(("watcher", "qos"), [(None, ["long"]), ("short", [])])
def test_a_watcher_elsewhere_has_the_account_but_not_the_quality_of_service(
    watcher: str | None, qos: list[str], site: WriteSite, corpus_job: CorpusJob
) -> None:
    slurm = {"slurm": {"watcher": {"partition": watcher}}}
    configure(site, {"account": "em", "qos": "long"}, schedulers=slurm)

    found = watcher_of(plan(corpus_job(REFINE)))

    assert found["account"] == ["em"]
    assert found.get("qos", []) == qos


def test_nobody_pays_for_a_job_of_this_machine(site: WriteSite, corpus_job: CorpusJob) -> None:
    site("site.json", {"accounts": [{"account": "em"}], "mail": {"on": ["end"], "to": "a@b.org"}})

    planned = plan(corpus_job(REFINE))

    assert paid(planned) == (None, None)
    assert not [each for each in planned.reasons if each.startswith(("Account", "Mail"))]


@pytest.mark.parametrize(
    ("rule", "of_type", "account", "options"),
    [
        ({"account": "lab"}, ["--account=own", "--nice"], ["lab"], ["--nice"]),
        ({"scheduler_options": ["--account=lab"]}, ["-Aown"], ["lab"], ["--account=lab"]),
        ({"qos": "long"}, ["--account=own"], ["own"], ["--account=own"]),
    ],
)
def test_one_alone_names_the_account(
    rule: dict[str, Any],
    of_type: list[str],
    account: list[str],
    options: list[str],
    site: WriteSite,
    corpus_job: CorpusJob,
) -> None:
    """Of two, Slurm would read the last, whatever the plan says."""
    submit = {"partition": "gpu", "scheduler_options": of_type, "account": "base"}
    configure(site, rule, job_parameters={"submit": submit})

    planned = plan(corpus_job(REFINE))

    assert directives(planned)["account"] == account
    assert planned.job_parameters["scheduler_options"] == options


def test_one_alone_names_the_quality_of_service(site: WriteSite, corpus_job: CorpusJob) -> None:
    submit = {"partition": "gpu", "scheduler_options": ["--qos=own"]}
    configure(site, {"qos": "long"}, job_parameters={"submit": submit})

    assert directives(plan(corpus_job(REFINE)))["qos"] == ["long"]
