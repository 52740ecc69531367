"""How does a script start the container of a recorded command again?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from ..images.container import bound_folder, mount_option
from .recorded_job import RecordedJob

__all__ = ["apptainer_of", "binds", "container_words"]


def binds(job: RecordedJob) -> list[str]:
    """The options that bound folders beside the project."""
    words = dict.fromkeys(word for prefix in job.prefixes for word in prefix)
    return [word for word in words if bound_folder(word) not in (None, str(job.place.was))]


def container_words(job: RecordedJob, at: int, target: Path, scratch: bool) -> list[str | Markup]:
    """The words that start the container of command `at`, the project read-only but for `target`.

    The job sees the project at its path of the first run: absolute paths hold if it has moved.
    With `scratch` it sees the scratch folder, too.
    """
    words: list[str | Markup] = list(job.prefixes[at])
    if not words:
        return words
    place = job.place
    words[words.index(apptainer_of(job.prefixes[at]))] = Markup('"$apptainer"')
    if (project := mount_option(str(place.was))) in words:
        words.remove(project)
    for number, option in enumerate(binds(job), 1):
        if option in words:  # an empty array on a machine that lacks the folder
            words[words.index(option)] = Markup(f'${{bound_{number}[@]+"${{bound_{number}[@]}}"}}')
    image = words.index(job.image["path"])
    words[image : image + 1] = [
        mount_option(str(place.now), read_only=True, destination=str(place.was)),
        mount_option(str(place.now / target), destination=str(place.was / target)),
        *([Markup('${scratch_mounts[@]+"${scratch_mounts[@]}"}')] if scratch else []),
        Markup('"$image"'),
    ]
    return words


def apptainer_of(prefix: Sequence[str]) -> str:
    """The program that starts the container: ``mpiexec … apptainer --quiet exec …``."""
    options = prefix[: prefix.index("exec")]
    return next(word for word in reversed(options) if not word.startswith("-"))
