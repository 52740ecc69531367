"""The container that RELION's GUI or pipeliner runs in: its variables, mounts and first process."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ..config.site import Apptainer
from ..images.container import exec_argv, mount_option
from ..planning.window_variables import WindowVariables
from .folder import CLIENT, INSIDE, TEMPLATE

__all__ = ["session_argv", "session_variables"]

# The first process of the container runs the command and stays until all that it started has ended:
# a schedule or a job of RELION's own outlives its window, but not this process, which takes the
# mounted image with it. $(…) ends with the last program that inherited its pipe as descriptor 9.
# Ctrl-C is for the command; this shell must see how it ends.
_KEEPER = f"""exec 3>&1
trap : INT
: "$(
    trap : INT
    sh -c 'echo $$ > {INSIDE}/program; exec "$@"' sh "$@" 9>&1 1>&3 3>&-
    echo $? > {INSIDE}/status
)"
read -r status < {INSIDE}/status || status=255
exit "$status"
"""


def session_variables(
    environment: Mapping[str, str], apptainer: Apptainer, window: WindowVariables
) -> dict[str, str]:
    """The variables that RELION in the container is to see, by name.

    From the user's `environment`: the display, what goes into each container, and RELION's own.
    `window`: what the site's window shows.
    """
    let_through = {"DISPLAY", "XAUTHORITY", *apptainer.let_through}
    return {
        **{
            name: value
            for name, value in window.laid_upon(environment).items()
            if name in let_through or name.startswith("RELION_")
        },
        **apptainer.gpu_vendor.settings,
        # `sh`, because the folder may be on a disk mounted noexec.
        "RELION_QSUB_COMMAND": f"sh {INSIDE}/{CLIENT}",
        "RELION_QSUB_TEMPLATE": f"{INSIDE}/{TEMPLATE}",
        "RELION_QUEUE_USE": "Yes",  # himena-relion knows no other spelling
        # The CCP-EM Pipeliner starts the command without a shell, so that it can have no arguments.
        "PIPELINER_QSUB_COMMAND": f"{INSIDE}/{CLIENT}",
        "PYTHONNOUSERSITE": "1",
    }


def session_argv(
    apptainer: Apptainer,
    image: Path,
    project: Path,
    folder: Path,
    command: Sequence[str],
    gpu: bool | None = None,
) -> list[str]:
    """The arguments that run `command` in the image, the session's `folder` in its fixed place.

    `gpu`: let GPUs through; if unset, when this machine has one.
    """
    mounts = [mount_option(str(folder), destination=INSIDE)]
    authority = Path(os.environ.get("XAUTHORITY") or os.devnull).absolute()
    if authority.is_file() and not authority.is_relative_to(Path.home()):
        mounts.append(mount_option(str(authority), read_only=True))
    if gpu is None:
        gpu = apptainer.gpu_vendor.device.exists()
    apptainer = replace(apptainer, options=[*mounts, *apptainer.options])
    return [
        *exec_argv(apptainer, image, [project], project, gpu),
        *("sh", "-c", _KEEPER, "sh", *command),
    ]
