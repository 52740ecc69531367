"""Job types: the entries of ``dispatch_config.json``, how they inherit and which one matches.

The keys are those of the FMI format (Friedrich Miescher Institute, Basel), so that a site's file
from there loads unchanged; docs/dispatch_config.md describes each.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

from ..errors import ConfigError, InputError
from ..host.shell_words import split
from ..relion.command import Command
from ..relion.programs import strip_mpi
from ..units import MOST_BYTES, read_size, too_small
from .goes_on import GoesOnSetting, check_goes_on
from .inheritance import lineage_of
from .json_files import load, read_json, strict
from .largest import MOST_GPUS, MOST_NODES, MOST_RANKS, MOST_THREADS
from .where import Where

__all__ = [
    "ADDED",
    "BOUNDS",
    "DECIDING_PARAMETERS",
    "JobType",
    "JobTypes",
    "Scalar",
    "check_job_parameters",
    "lineage",
    "load_job_types",
    "match",
    "merged_parameters",
]

Scalar = bool | int | float | str
_LISTS = ("match_command", "match_parameter", "nomatch_parameter", "match_label",
          "relion_remove_parameter")  # fmt: skip


# The job_parameters that are numbers, with the least and the most that each may be.
BOUNDS = {
    "nproc": (1, MOST_RANKS),
    "nthread": (1, MOST_THREADS),
    "ngpu": (0, MOST_GPUS),
    "nodes": (1, MOST_NODES),
    "nproc_slurm": (1, MOST_RANKS),
    "nthread_slurm": (1, MOST_THREADS),
    "ranks_per_gpu": (1, MOST_RANKS),
    "abort_grace": (0, 10**6),  # seconds
}

# The lists to which each level of a lineage adds; of any other key the last level's value holds.
ADDED = ("scheduler_options", "resources")

# All that planning reads, whether or not a template prints them.
DECIDING_PARAMETERS = frozenset(
    {*BOUNDS, "mem", "mem_per_rank", "partition", "partitions", "scheduler", "submit_command"}
)


@strict
class JobType:
    """One entry of the file. Conditions that are empty hold for every job.

    Attributes:
        inherits: the parent type.
        match_command: RELION programs, without ``_mpi``; "None" (or no condition at all) marks a
            type that is only inherited from.
        match_parameter, nomatch_parameter: options (without dashes) or sub-commands that must
            all be given, of which none may be given.
        match_label: patterns for the label in job.star (``relion.refine3d*``); one must match.
        relion_remove_parameter: options taken out of RELION's command.
        relion_add_parameter: options put in; a value is shell text (``"\\"\\""`` is empty).
        job_parameters: what templates see as ``job.NAME``.
        adjust_GPU_nproc_to_mem: (GPUs, bytes per GPU) for fitting the ranks.
        gpu_memory_model: how memory is computed: "relion" or "fmi".
        image: a name in the image catalogue; "" for the host, if a parent names an image.
        template: a template to use instead of the nearest by name.
        goes_on: as in site.json, in place of the site's.
    """

    inherits: str | None = None
    match_command: list[str] = field(default_factory=list)
    match_parameter: list[str] = field(default_factory=list)
    nomatch_parameter: list[str] = field(default_factory=list)
    match_label: list[str] = field(default_factory=list)
    relion_remove_parameter: list[str] = field(default_factory=list)
    relion_add_parameter: dict[str, Scalar] = field(default_factory=dict)
    job_parameters: dict[str, Scalar | list[Scalar] | None] = field(default_factory=dict)
    adjust_GPU_nproc_to_mem: tuple[int, int] | None = None
    gpu_memory_model: Literal["relion", "fmi"] | None = None
    image: str | None = None
    template: str | None = None
    goes_on: GoesOnSetting | bool | None = None

    @property
    def matches_jobs(self) -> bool:
        """Whether the type takes jobs itself, or is only inherited from."""
        if self.match_command == ["None"]:
            return False
        return bool(self.match_command or self.match_parameter or self.match_label)

    def accepts(self, command: Command, label: str | None) -> bool:
        """Whether all its conditions hold for the main command of a submission."""
        return self.matches_jobs and next(self.against(command, label), None) is None

    def against(self, command: Command, label: str | None) -> Iterator[str]:
        """For each of its conditions that does not hold for the command, what the job has."""
        if self.match_command and command.base_program not in map(strip_mpi, self.match_command):
            yield f"the program {command.base_program}"
        yield from (f"no {name}" for name in self.match_parameter if name not in command)
        yield from (f"the parameter {name}" for name in self.nomatch_parameter if name in command)
        patterns = self.match_label
        if patterns and (label is None or not any(fnmatchcase(label, each) for each in patterns)):
            yield f"the label {label or 'of no kind of job'}"


@strict
class JobTypes:
    """All job types, in file order."""

    types: dict[str, JobType]


def load_job_types(path: Path) -> JobTypes:
    """Load and check ``dispatch_config.json``.

    Raises:
        ConfigError: naming file, job type, key, what was expected, and the nearest known name.
    """
    content = read_json(path)
    for entry in content.values():
        if isinstance(entry, dict):
            entry.update({key: [entry[key]] for key in _LISTS if isinstance(entry.get(key), str)})

    def check(found: JobTypes) -> None:
        for name, job_type in found.types.items():
            _check(name, job_type, found.types, job_type_place(path, name))

    return load(JobTypes, {"types": content}, str(path), _describe, check)


def job_type_place(path: Path | str, name: str) -> Where:
    """Where in the file `path` a job type stands."""
    return Where(path, entry=f'job type "{name}"')


def _describe(steps: Sequence[str]) -> str:
    named = f'job type "{steps[1]}"' if len(steps) > 1 else "the file"
    return f'{named}, key "{".".join(steps[2:])}"' if len(steps) > 2 else named


def _check(name: str, job_type: JobType, types: Mapping[str, JobType], where: Where) -> None:
    lineage(types, name, where.file)
    if adjust := job_type.adjust_GPU_nproc_to_mem:
        gpus, size = adjust
        if not (1 <= gpus <= MOST_GPUS and 1 <= size <= MOST_BYTES):
            raise ConfigError(
                f"{where.at('adjust_GPU_nproc_to_mem')}: expected [number of GPUs, bytes per GPU], "
                f"both above 0, at most {MOST_GPUS} GPUs, found {list(adjust)}"
            )
        if says := too_small(size, whole=True):
            raise ConfigError(f"{where.at('adjust_GPU_nproc_to_mem')}: {says}")
    check_job_parameters(job_type.job_parameters, where.at("job_parameters"))
    check_goes_on(job_type.goes_on, where.at("goes_on"))
    for option, value in job_type.relion_add_parameter.items():
        try:
            split(str(value))
        except InputError as error:
            raise ConfigError(
                f"{where.at('relion_add_parameter').at(option)}: {error}: {value!r}"
            ) from error


def check_job_parameters(parameters: Mapping[str, Any], where: Where) -> None:
    """Check the numbers, commands and lists of the job_parameters at `where`.

    Raises:
        ConfigError: one of them is not what is expected, or is too small.
    """
    for name, (least, most) in BOUNDS.items():
        value = parameters.get(name)
        if value is not None and (type(value) is not int or not least <= value <= most):
            raise ConfigError(
                f"{where.at(name)}: expected a whole number from {least} to {most}, found "
                f"{json.dumps(value)[:80]}"
            )
    for name, wanted, fits in (
        ("mem_per_rank", 'a size with its unit, such as "8G"', _is_size),
        ("submit_command", "one text, quoted as in a shell", _is_command),
        *((name, "a list of texts", _is_list_of_texts) for name in ADDED),
        ("partitions", "a list of partitions' names", _is_list_of_texts),
        *((name, "a text", _is_text) for name in ("account", "qos", "constraint", "gpu_type")),
    ):
        if parameters.get(name) is not None and not fits(parameters[name]):
            raise ConfigError(
                f"{where.at(name)}: expected {wanted}, found {json.dumps(parameters[name])[:80]}"
            )
    for name in ("mem", "mem_per_rank"):  # a mem without a unit is the scheduler's to understand
        value = parameters.get(name)
        if _is_size(value) and (says := too_small(value)):
            raise ConfigError(f"{where.at(name)}: {says}")


def _is_command(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(split(value))
    except InputError:
        return False


def _is_size(value: object) -> bool:
    size = read_size(value) if isinstance(value, str) else None
    return size is not None and size.unit > 1 and size.number * size.unit >= 1


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_list_of_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


def lineage(types: Mapping[str, JobType], name: str, path: Path | str = "") -> tuple[str, ...]:
    """The names from the base to `name`, in the file `path`: ``("submit", "gpu", "refine")``.

    Raises:
        ConfigError: a parent does not exist, or types inherit in a circle.
    """
    parents = {each: kind.inherits for each, kind in types.items()}
    return lineage_of(
        name, parents, "job type", lambda each: job_type_place(path, each).at("inherits")
    )


def match(types: Mapping[str, JobType], command: Command, label: str | None) -> str | None:
    """The first type in file order that accepts the command; None where none does."""
    return next((name for name, kind in types.items() if kind.accepts(command, label)), None)


def merged_parameters(levels: Sequence[JobType]) -> dict[str, Any]:
    """The job_parameters of a lineage merged key by key, base first."""
    return {key: value for level in levels for key, value in level.job_parameters.items()}
