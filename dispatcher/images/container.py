"""The ``apptainer exec`` line: one container per job, sharing the host's IPC and PID namespaces."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..config.site import Apptainer

__all__ = ["WEIGHTS", "exec_argv", "mount_option"]

# Where our definitions make TORCH_HOME point: the weights are gigabytes, and outlive images.
WEIGHTS = "/opt/relion-weights"


def mount_option(folder: str, read_only: bool = False, destination: str | None = None) -> str:
    """``--mount`` for a folder, at its own path if no other is given.

    Unlike ``--bind`` it takes ``:`` and ``,``.
    """
    fields = ["type=bind", f"source={folder}", f"destination={destination or folder}"]
    if read_only:
        fields.append("ro")
    return "--mount=" + ",".join(
        '"' + field.replace('"', '""') + '"' if set(field) & set(',"') else field
        for field in fields
    )


def exec_argv(
    apptainer: Apptainer,
    image: Path | str,
    folders: Iterable[Path | str],
    working_folder: Path | str,
    gpu: bool,
    clean_environment: bool = True,
) -> list[str]:
    """The arguments that start a container, up to and with the image; the program follows.

    `folders` are bound in beside the site's own. With a clean environment only ``APPTAINERENV_*``
    variables reach the container: a host's PYTHONPATH or CONDA_* breaks RELION 5's Python tools.
    """
    bound = dict.fromkeys(str(folder) for folder in (*folders, *apptainer.bind))
    return [
        apptainer.program,
        "--quiet",  # or it names in each run.err the optional programs that it has not found
        "exec",
        "--no-eval",  # or $(…) in a variable's value would run
        *(["--cleanenv"] if clean_environment else []),
        *([apptainer.gpu_option] if gpu else []),
        *(mount_option(folder) for folder in bound),
        f"--pwd={working_folder}",
        *apptainer.options,
        str(image),
    ]
