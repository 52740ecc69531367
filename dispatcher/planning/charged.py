"""Who pays for a job? Its account, its quality of service, and its further directives.

What was typed in RELION's window goes before a rule of the site's ("accounts"), a rule before the
job type, and the job type before the partition.
If none of them names an account, a variable of whoever submits may. Directives of all hold, the job
type's first, but for a second one that names the account or the quality of service.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ..config.accounts import AccountRule, filled_in, project_pattern
from ..config.site import Site
from .node_shape import NodeShape
from .submitter import Submitter
from .unplaced_job import UnplacedJob
from .window_wishes import BY_THE_WINDOW

__all__ = ["OF_THE_TYPE", "Charged", "Named", "charged", "first_named"]

OF_THE_TYPE = "job type"

_NAME = re.compile(r"[\w.@:+/-]+", re.ASCII)  # what a variable of a user's may say


class Named(NamedTuple):
    """A value, and who names it."""

    value: str
    by: str


class Charged(NamedTuple):
    """Account and quality of service, None for the scheduler's own; and directives, by who has
    them, in order."""

    account: Named | None
    qos: Named | None
    options: tuple[tuple[str, tuple[str, ...]], ...]


class _Fitting(NamedTuple):
    """A rule that holds for a job, and what stands for its braces."""

    name: str
    rule: AccountRule
    values: Mapping[str, str]

    def named(self, key: str) -> Named | None:
        text = getattr(self.rule, key)
        return Named(filled_in(text, self.values), self.name) if text else None


def charged(job: UnplacedJob, node: NodeShape, site: Site) -> Charged:
    """Who pays for the job on these nodes."""
    rules, submitter = _rules(job, node, site), job.request.submitter
    options = [
        (OF_THE_TYPE, tuple(job.job_type.parameters.get("scheduler_options") or ())),
        (node.name, tuple(node.described.scheduler_options)),
        *((each.name, tuple(each.rule.scheduler_options)) for each in rules),
        (BY_THE_WINDOW, job.wishes.options),
    ]
    named = {}
    strength = [BY_THE_WINDOW, *(each.name for each in rules), OF_THE_TYPE, node.name]
    typed = Named(job.wishes.account, BY_THE_WINDOW) if job.wishes.account else None
    for key, own in (("account", "account_options"), ("qos", "qos_options")):
        by_rule = (typed if key == "account" else None) or _of_rules(key, rules, submitter)
        found = first_named(key, job, node, by_rule)
        named[key], options = _one_alone(found, options, getattr(job.scheduler, own), strength)
    if not named["account"] and not _has_option(options, job.scheduler.account_options):
        named["account"] = _in_environment(job.scheduler.account_variables, submitter)
    return Charged(**named, options=tuple((by, of) for by, of in options if of))


_Options = list[tuple[str, tuple[str, ...]]]


def _one_alone(
    named: Named | None, options: _Options, own: Sequence[str], strength: Sequence[str]
) -> tuple[Named | None, _Options]:
    """Who names the account (or the like): of all keys, and of the `options` that begin as `own`,
    whoever stands first in `strength`; of the two of one, the option. Of several, the scheduler
    would choose one."""
    by_key = next((by for by in strength if named and named.by.startswith(by)), None)
    by_option = [by for by, of in options if _has_option([(by, of)], own)]
    first = min((*by_option, *filter(None, [by_key])), key=strength.index, default=None)
    kept = [
        (by, tuple(each for each in of if by == first or not _is_one(each, own)))
        for by, of in options
    ]
    return (None if first in by_option else named), kept


def _has_option(options: _Options, own: Sequence[str]) -> bool:
    return any(_is_one(each, own) for _, of in options for each in of)


def _is_one(option: str, own: Sequence[str]) -> bool:
    return option.startswith(tuple(own))


def first_named(
    key: str, job: UnplacedJob, node: NodeShape, by_rule: Named | None = None
) -> Named | None:
    """What a rule names, else the job type, else what is said of the nodes."""
    if by_rule:
        return by_rule
    for value, by in (
        (job.job_type.parameters.get(key), OF_THE_TYPE),
        (getattr(node.described, key), node.name),
    ):
        if value is not None and value != "":
            return Named(str(value), by)
    return None


def _of_rules(key: str, rules: Sequence[_Fitting], submitter: Submitter) -> Named | None:
    for each in rules:
        variable = _in_environment(each.rule.variables, submitter) if key == "account" else None
        if named := variable or each.named(key):
            return named._replace(by=f"{each.name}, {named.by}") if variable else named
    return None


def _in_environment(variables: Sequence[str], submitter: Submitter) -> Named | None:
    """What the first of the variables says that is set."""
    for name in variables:
        value = submitter.environment.get(name, "").strip()
        if _NAME.fullmatch(value):
            return Named(value, f"{name} in the environment of whoever submits")
    return None


def _rules(job: UnplacedJob, node: NodeShape, site: Site) -> list[_Fitting]:
    """The site's rules that hold for the job on these nodes, in order."""
    tried = (
        (f"rule {number} of accounts", rule, _values(rule, job, node))
        for number, rule in enumerate(site.accounts, 1)
    )
    return [_Fitting(name, rule, values) for name, rule, values in tried if values is not None]


def _values(rule: AccountRule, job: UnplacedJob, node: NodeShape) -> dict[str, str] | None:
    """What stands for the braces of the rule; None if the rule does not hold.

    A directory service may be slow to tell the groups, so what is at hand is looked at first.
    """
    submitter, project = job.request.submitter, job.request.project
    path = _project(rule, project)
    if (
        (rule.partitions and node.partition not in rule.partitions)
        or (rule.job_types and not set(rule.job_types) & set(job.job_type.lineage))
        or (rule.variables and not _in_environment(rule.variables, submitter))
        or (rule.project and not path)
        or (rule.users and submitter.user not in rule.users)
        or (rule.groups and submitter.groups.isdisjoint(rule.groups))
    ):
        return None
    values = path.groupdict() if path else {}
    texts = f"{rule.account} {rule.qos}"
    if rule.project_groups or "{project_group}" in texts:
        values["project_group"] = submitter.group_of(project)
        if rule.project_groups and values["project_group"] not in rule.project_groups:
            return None
    if "{user}" in texts:
        values["user"] = submitter.user
    return values if all(values.values()) else None  # no account is named by half a name


def _project(rule: AccountRule, project: Path) -> re.Match[str] | None:
    """How the project's folder fits the rule's, by the path that RELION has or the real one."""
    if rule.project is None:
        return None
    pattern = project_pattern(rule.project)
    return pattern.match(str(project)) or pattern.match(os.path.realpath(project))
