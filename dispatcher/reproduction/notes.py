"""What to know of a job that is run again: what differs, and how equal its result can be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..config.site import Apptainer
from ..images.container import WEIGHTS
from ..units import count
from .random_seed import Seed, draws_seed
from .recorded_inputs import Inputs
from .recorded_job import RecordedJob

__all__ = ["notes"]


def notes(
    job: RecordedJob, inputs: Inputs, seeds: Sequence[Seed | None], apptainer: Apptainer
) -> list[str]:
    """A sentence each."""
    return [*_differences(job, inputs, seeds, apptainer), *_limits(job)]


def _differences(
    job: RecordedJob, inputs: Inputs, seeds: Sequence[Seed | None], apptainer: Apptainer
) -> Iterator[str]:
    if job.place.was != job.place.now:
        yield (
            f"The project was in {job.place.was} and is now in {job.place.now}; the commands see "
            "the project at the earlier path."
        )
    if job.environment is None:
        yield (
            "The record does not say which environment variables the container got: this script "
            "uses the variables that site.json allowed when the script was written."
        )
    new = [each for each in apptainer.options if each not in job.container.options]
    if new:
        yield f"The container has options that the first run's did not have: {' '.join(new)}."
    for path, why in inputs.accepted.items():
        yield f"The input {path} {why}; you accepted the file as it is."
    for command, seed in zip(job.commands, seeds, strict=True):
        if seed:
            yield (
                f"RELION drew its random seed from the clock; --random_seed {seed.value} is the "
                f"seed that RELION wrote to {seed.file}."
            )
        elif draws_seed(command):
            yield (
                "RELION drew its random seed from the clock, and the job has no optimiser file "
                "left that contains the seed: the result will differ."
            )
    patterns = [word for each in job.commands for word in each.argv[1:] if set(word) & set("*?")]
    for word in dict.fromkeys(patterns):
        yield f"The files that match {word} are not compared."
    if any(mount.destination == WEIGHTS for mount in job.container.mounts):
        yield "The weights of networks, beside the image, are not compared."


def _limits(job: RecordedJob) -> Iterator[str]:
    """Why a result may not be the same bit for bit: sums of rounded numbers depend on the order.

    Seen with relion_refine of 3.1.3 and 5.1.0 on CPUs: the same each time with one thread and one
    working rank for each set of particles; not always with more. Classes that RELION 5.1.0 centres
    came out in one of two ways, 11 and 14 times of 25; not centred, or at fixed memory addresses
    (``setarch -R``), the same each time.
    """
    if job.nodes > 1 and job.uses_mpi:
        yield (
            f"The job runs on {job.nodes} nodes: start this script in a job that has {job.nodes} "
            "nodes."
        )
    programs = {command.base_program for command in job.commands}
    if job.ngpu:
        yield (
            f"The job needs {count(job.ngpu, 'GPU')} per node. GPUs add numbers in no fixed order, "
            "so maps may agree closely, but not bit for bit."
        )
    elif "relion_refine" in programs:
        halves = any("split_random_halves" in command for command in job.commands)
        workers = (job.nproc - 1) // (2 if halves else 1)
        if job.nthread > 1 or workers > 1:
            yield (
                "Several threads or ranks add numbers in the order in which they finish: maps "
                "agree closely, but perhaps not bit for bit."
            )
    if any("center_classes" in command for command in job.commands):
        yield (
            "RELION centres the classes (--center_classes), which RELION 5.1.0 does in one of two "
            "ways, by chance: the classes may differ."
        )
    if job.mps:
        yield "NVIDIA's multi-process service, which the first run had, is not started."
    if any(name.startswith("relion_python_") for name in programs):
        yield "RELION's Python programs may draw random numbers that cannot be fixed."
