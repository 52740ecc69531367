"""Who pays for a job, by whom and where it is submitted; and who gets a mail at its end."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Literal

from ..errors import ConfigError
from .json_files import nearest, strict
from .where import Where

__all__ = ["AccountRule", "Mail", "check_mail", "check_rule", "filled_in", "project_pattern"]

_PLACE = re.compile(r"\{(\w+)\}")
_OF_EVERY_JOB = ("user", "project_group")


@strict
class AccountRule:
    """What holds for jobs that all conditions of the rule fit; those that are empty fit every job.

    Attributes:
        users, groups: of whoever submits, by their names.
        project: the project's folder or one above it; ``*`` and ``{name}`` stand for one name.
        project_groups: the group that owns the project's folder.
        partitions: where the job runs.
        job_types: a type, or a base type, of the job.
        variables: of the environment of whoever submits; the first that is set names the account.
        account, qos: what they are; ``{user}``, ``{project_group}`` and what `project` names may
            stand in them.
        scheduler_options: further directives.
    """

    users: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    project: str | None = None
    project_groups: list[str] = field(default_factory=list)
    partitions: list[str] = field(default_factory=list)
    job_types: list[str] = field(default_factory=list)
    variables: list[str] = field(default_factory=list)
    account: str | None = None
    qos: str | None = None
    scheduler_options: list[str] = field(default_factory=list)


@strict
class Mail:
    """Who gets a mail from the scheduler, and when.

    Attributes:
        on: "begin", "end" (however it was) and "failure"; empty for never.
        to: the address; ``{user}`` may stand in it. None for the scheduler's own choice.
    """

    on: list[Literal["begin", "end", "failure"]] = field(default_factory=list)
    to: str | None = None


def project_pattern(project: str) -> re.Pattern[str]:
    """What the folders of such projects look like.

    >>> project_pattern("/data/{lab}/em").match("/data/lab7/em/day1")["lab"]
    'lab7'
    """
    parts = re.split(r"(\*|\{\w+\})", project.rstrip("/"))
    named = (
        "[^/]*" if part == "*" else f"(?P<{part[1:-1]}>[^/]+)" if at % 2 else re.escape(part)
        for at, part in enumerate(parts)
    )
    return re.compile(f"{''.join(named)}(?:/.*)?\\Z", re.DOTALL)


def filled_in(text: str, values: Mapping[str, str]) -> str:
    """The text with what stands in braces replaced."""
    return _PLACE.sub(lambda found: values.get(found[1], found[0]), text)


def check_rule(rule: AccountRule, partitions: Sequence[str], where: Where) -> None:
    """Check a rule at `where`.

    Raises:
        ConfigError: it can never hold, or says nothing.
    """
    for partition in rule.partitions:
        if partition not in partitions:
            raise ConfigError(
                f'{where.at("partitions")}: there is no partition "{partition}" in "partitions"'
                f"{nearest(partition, list(partitions))}"
            )
    for name in rule.variables:
        if not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
            raise ConfigError(f'{where.at("variables")}: "{name}" is not a name of a variable')
    known = [*_OF_EVERY_JOB]
    if rule.project is not None:
        try:
            known += project_pattern(rule.project).groupindex
        except re.error as error:
            raise ConfigError(
                f"{where.at('project')}: {error}: give each of the names in braces once, and let "
                "them begin with a letter"
            ) from error
        if not rule.project.startswith(("/", "*", "{")):
            raise ConfigError(
                f'{where.at("project")}: expected a full path, found "{rule.project}"'
            )
    for key in ("account", "qos"):
        for name in _PLACE.findall(getattr(rule, key) or ""):
            if name not in known:
                raise ConfigError(
                    f'{where.at(key)}: nothing is known as "{name}" here{nearest(name, known)}'
                )
    if not (rule.account or rule.qos or rule.variables or rule.scheduler_options):
        raise ConfigError(
            f'{where}: the rule says nothing: give it an "account", a "qos", "variables" or '
            '"scheduler_options"'
        )


def check_mail(mail: Mail, where: Where) -> None:
    """Check that the address is one.

    Raises:
        ConfigError: it is none, or something in braces is not known.
    """
    for name in _PLACE.findall(mail.to or ""):
        if name != "user":
            raise ConfigError(
                f'{where.at("to")}: nothing is known as "{name}" here: write {{user}} for the name '
                "of whoever submits"
            )
    if mail.to is not None and not re.fullmatch(r"[\w.+@{}-]+", mail.to):
        raise ConfigError(f'{where.at("to")}: expected one address, found "{mail.to}"')
