"""What a user has typed into the fields that the site adds to RELION's window.

RELION knows these fields by their numbers alone. What the numbers meant in the window that the job
came from, the environment of whoever submits says: both were set when RELION was started.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from ..config.catalogue import Catalogue
from ..config.configuration import Configuration
from ..config.job_types import JobType, Scalar
from ..config.scheduler import Scheduler
from ..config.site import Site
from ..config.window import FIELDS
from ..config.window_field import UNSET, WindowField, is_unset, reading
from ..errors import InputError
from .job_request import JobRequest
from .matched_type import MatchedType

__all__ = ["BY_THE_WINDOW", "Wishes", "window_wishes"]

BY_THE_WINDOW = "RELION's window"

_CHOSEN_BY_US = '""'  # as job types leave the devices to the plan
_OF_A_QUEUE = ("time", "account", "partition", "options")
_HERE = "is left out, because the job waits in no queue: it runs on this machine"
_CORRECT = 'correct the field in the "Running" tab of RELION\'s window and submit the job again.'


class Wishes(NamedTuple):
    """What the fields say, for this job alone.

    Attributes:
        typed: the texts, by the names of the fields; those left to the dispatcher are not there.
        parameters: in place of the job type's job_parameters.
        version: of the job type's image, None for the project's.
        account: who pays, None for what the site says.
        options: further directives.
        reasons, warnings: a sentence on what is taken, one on each text that is not.
        nameless: a sentence on texts of which nothing tells the field; "" if there are none.
    """

    typed: Mapping[str, str] = {}
    parameters: Mapping[str, Any] = {}
    version: str | None = None
    account: str | None = None
    options: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    nameless: str = ""

    def of(self, matched: MatchedType, gpu_option: str | None) -> MatchedType:
        """The job type with what was typed in place of its job_parameters.

        Where GPUs were typed, the plan chooses their numbers, and not the job type, which may put
        others into the program's `gpu_option`.
        """
        levels = matched.levels
        if gpu_option and "ngpu" in self.parameters:
            names = (gpu_option, gpu_option.lstrip("-"))
            levels = tuple(_without_devices(each, names) for each in levels)
        parameters = {**matched.parameters, **self.parameters}
        return matched._replace(levels=levels, parameters=parameters)


def _without_devices(level: JobType, names: Sequence[str]) -> JobType:
    added: dict[str, Scalar] = {
        key: _CHOSEN_BY_US if key in names and value is not False else value
        for key, value in level.relion_add_parameter.items()
    }
    return replace(level, relion_add_parameter=added)


def window_wishes(
    request: JobRequest, matched: MatchedType, configuration: Configuration, scheduler: Scheduler
) -> Wishes:
    """What was typed, held against the site.

    Raises:
        InputError: the site does not offer the field or the value, or not to this user.
    """
    site = configuration.site
    texts, nameless = _by_name(request)
    typed: dict[str, str] = {}
    values: dict[str, Any] = {}
    warnings: list[str] = []
    for name, text in texts.items():
        if idle := _idle(name, matched, request, scheduler):
            warnings.append(f'"{_label(site, name)}" {text} {idle}.')
            continue
        found = _read(name, text, request, site)
        if found is not None:
            typed[name] = text
            values |= found
    _see_that_there_is(values, site, matched, configuration.catalogue)
    options = tuple(values.pop("scheduler_options", ()))
    _see_that_they_may(options, scheduler, site)
    if "partition" in values:
        values["partitions"] = None
    said = "; ".join(f"{_label(site, name)} {text}" for name, text in typed.items())
    return Wishes(
        typed,
        version=values.pop("image", None),
        account=values.pop("account", None),
        parameters=values,
        options=options,
        reasons=(f"From RELION's window: {said}.",) if said else (),
        warnings=tuple(warnings),
        nameless=nameless,
    )


def _by_name(request: JobRequest) -> tuple[dict[str, str], str]:
    """The texts of the fields by their names, and a sentence on those that nothing names: RELION
    was not started in our environment, so that its window has no such fields, or the site's own."""
    environment = request.submitter.environment
    names = [name.strip() for name in environment.get(FIELDS, "").split(",")]
    found, nameless = {}, []
    for key, text in request.extra_fields.items():
        number = int(re.sub(r"\D", "", key))
        if is_unset(text):
            continue
        if number <= len(names) and names[number - 1]:
            found[names[number - 1]] = " ".join(text.split())
        else:
            nameless.append(f"{key}: {text}")
    if not nameless:
        return found, ""
    return found, (
        f"{', '.join(nameless)} (job.star) is for the site's templates alone: nothing tells "
        "which field of RELION's window this is."
    )


def _idle(name: str, matched: MatchedType, request: JobRequest, scheduler: Scheduler) -> str | None:
    """Why the field says nothing to such a job; None if it does."""
    if name in _OF_A_QUEUE and scheduler.detached:
        return _HERE
    if name not in ("gpus", "ranks_per_gpu"):
        return None
    if request.submission.is_pipeliners:
        runner = "is left out, because the Pipeliner's job runner starts the ranks"
        return runner if name == "ranks_per_gpu" else None
    has = matched.parameters.get("ngpu", 0) != 0 or matched.nearest("adjust_GPU_nproc_to_mem")
    external = (request.label or "").startswith("relion.external")
    if has or external or request.submission.main.kind == "shell":
        return None
    return f"is left out, because jobs of the type {matched.name} use no GPU"


def _read(name: str, text: str, request: JobRequest, site: Site) -> Mapping[str, Any] | None:
    """What the text means to the plan; None if it is the default, which this user may not change.

    Raises:
        InputError: the site does not offer the field, or not this value, or not to this user.
    """
    field = site.window.offered.get(name)
    if field is None:
        raise InputError(
            f'"{_label(site, name)}" in RELION\'s window has {text[:40]!r}, and this site does not '
            f'offer that field (any more): write "{UNSET}" there, or start RELION anew, and submit '
            "the job again."
        )
    if not _may_use(field, request):
        if text == field.default:
            return None
        raise InputError(
            f'"{_label(site, name)}" in RELION\'s window is for '
            f'{", ".join([*field.users, *field.groups])} alone: write "{field.default}" there, and '
            "submit the job again."
        )
    found = reading(name, text, field)
    if found.problem:
        raise _wrong(site, name, found.problem)
    return found.values


def _may_use(field: WindowField, request: JobRequest) -> bool:
    if not (field.users or field.groups):
        return True
    submitter = request.submitter
    return submitter.user in field.users or not submitter.groups.isdisjoint(field.groups)


def _see_that_there_is(
    values: Mapping[str, Any], site: Site, matched: MatchedType, catalogue: Catalogue
) -> None:
    """See that what is named exists.

    Raises:
        InputError: there is no such partition, or no such version of the image.
    """
    partition = values.get("partition")
    if partition and site.partitions and partition not in site.partitions:
        raise _wrong(site, "partition", _not_among(partition, [*site.partitions]))
    if version := values.get("image"):
        if not matched.image:
            raise _wrong(site, "image", f"jobs of the type {matched.name} run in no image")
        versions = list(dict.fromkeys(each.version for each in catalogue.find(matched.image)))
        if version not in versions:
            raise _wrong(site, "image", _not_among(version, versions))


def _see_that_they_may(options: Sequence[str], scheduler: Scheduler, site: Site) -> None:
    """See that the options leave alone what the dispatcher decides.

    Raises:
        InputError: naming the first that does not.
    """
    for option in options:
        if any(_is_one(own, option) for own in _decided(scheduler)):
            raise _wrong(site, "options", f"{option} is for relion-dispatch to decide")


def _decided(scheduler: Scheduler) -> Iterator[str]:
    yield from scheduler.own_options
    yield from scheduler.refused_options
    yield from scheduler.gpu_options


def _is_one(own: str, option: str) -> bool:
    """Whether the option is meant by a pattern, or is short for a long option."""
    if re.fullmatch(own, option, re.DOTALL):
        return True
    name = re.match(r"--[\w-]+", option)
    return name is not None and own.startswith(name[0])


def _not_among(found: str, known: Sequence[str]) -> str:
    return f"expected {UNSET} or one of {', '.join(known)}, found {found!r}"


def _label(site: Site, name: str) -> str:
    return site.window.label(name).rstrip(": ")


def _wrong(site: Site, name: str, problem: str) -> InputError:
    return InputError(f'"{_label(site, name)}" in RELION\'s window: {problem}: {_CORRECT}')
