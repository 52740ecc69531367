"""Apptainer's command line: version, inspect, exec, verify, build and test.

Here is what the commands ``relion-dispatch images …`` run; what a job runs is in
:mod:`dispatcher.images.container`.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from ..config.apptainer_variables import hidden_from_apptainer
from ..config.site import Apptainer
from ..errors import ImageError
from ..host.programs import Finished, run, which
from .container import mount_option
from .machine_lacks import machine_lacks

__all__ = [
    "build_argv",
    "definition",
    "inside",
    "labels",
    "signers",
    "test_argv",
    "version",
]

_PATIENCE = 600.0  # seconds
_SINGULARITY = (
    "images are built and run with Apptainer: install Apptainer (the package apptainer), or name "
    'Apptainer\'s program in site.json ("apptainer.program").'
)


def version(program: str, timeout: float = 30) -> str:
    """Apptainer's version ("1.4.5"); it has `timeout` seconds to tell.

    Raises:
        ImageError: it is not there, or is SingularityCE.
    """
    try:
        finished = run([program, "--version"], timeout=timeout)
    except subprocess.TimeoutExpired:
        raise ImageError(
            f"`{program} --version` does not answer: install Apptainer again."
        ) from None
    except OSError as error:
        if other := _singularity():
            raise ImageError(
                f"This machine has only {other} ({program} cannot be started: {error.strerror}), "
                f"but {_SINGULARITY}"
            ) from None
        raise ImageError(
            f"Apptainer ({program}) cannot be started ({error.strerror}): install Apptainer, or "
            'name the program in site.json ("apptainer.program").'
        ) from error
    said = (finished.stdout or finished.stderr).strip()
    if found := re.search(r"^apptainer version (\S+)", said, re.MULTILINE):
        return found[1]
    if said.startswith("singularity"):
        raise ImageError(f"{program} is {said}, but {_SINGULARITY}")
    raise ImageError(
        f'`{program} --version` says "{said[:80]}", which is not Apptainer: name Apptainer in '
        'site.json ("apptainer.program").'
    )


def _singularity() -> str | None:
    """Name and version of SingularityCE if it is here; Apptainer may be called singularity, too."""
    if not which("singularity"):
        return None
    try:
        said = run(["singularity", "--version"], timeout=30).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return None
    other = said.replace("singularity-ce", "SingularityCE")
    return other if said.startswith("singularity") else None


def labels(program: str, image: Path) -> dict[str, str]:
    """The image's labels.

    Raises:
        ImageError: Apptainer cannot read the image.
    """
    finished = _run([program, "inspect", "--json", "--labels", str(image)])
    try:
        found = json.loads(finished.stdout)["data"]["attributes"]["labels"] or {}
        return {str(key): str(value) for key, value in found.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        _failed(f"Apptainer cannot read the labels of {image}", finished)


def definition(program: str, image: Path) -> str:
    """The definition that the image was built from, as the SIF keeps it.

    Raises:
        ImageError: Apptainer cannot read the image.
    """
    finished = _run([program, "inspect", "--deffile", str(image)])
    if finished.status != 0:
        _failed(f"Apptainer cannot read the definition of {image}", finished)
    return finished.stdout


def inside(
    settings: Apptainer,
    image: Path,
    script: str,
    folders: Iterable[str] = (),
    timeout: float = _PATIENCE,
) -> str:
    """What a shell script prints inside the image.

    `folders` are bound in; `timeout` is in seconds.

    Raises:
        ImageError: the image has no shell, or Apptainer cannot start it.
    """
    # The host's home and environment must not answer for the image.
    start = [settings.program, "--quiet", "exec", "--cleanenv", "--no-eval", "--no-home", "--pwd=/"]
    options = [*map(mount_option, folders), *settings.options]
    argv = [*start, *options, str(image), "sh", "-c", script]
    finished = _run(argv, timeout, settings.environment)
    if finished.status == 0:
        return finished.stdout
    if re.search(r"executable file not found|failed to open /bin/sh", finished.stderr):
        raise ImageError(
            f"{image} has no shell (sh), so the file cannot be a RELION image: name another file."
        )
    _failed(f"Apptainer cannot start {image}", finished)


def signers(program: str, image: Path) -> tuple[str, ...]:
    """The fingerprints (upper case) of the keys that signed the image, of those that are known.

    Raises:
        ImageError: the image was changed after it was signed.
    """
    finished = _run([program, "verify", "--json", "--local", str(image)])
    if finished.status != 0 and "integrity compromised" in finished.stderr:
        raise ImageError(
            f"{image} was changed after it was signed ({_last_words(finished.stderr)}): copy the "
            "file again, or ask someone who knows the change to sign the file again."
        )
    if finished.status != 0:
        return ()
    try:
        found = [entry["Signer"] for entry in json.loads(finished.stdout)["SignerKeys"] or []]
    except (ValueError, KeyError, TypeError):
        return ()
    bad = {key["Fingerprint"] for key in found if not (key["KeyCheck"] and key["DataCheck"])}
    good = {key["Fingerprint"] for key in found} - bad
    return tuple(sorted(fingerprint.upper() for fingerprint in good))


def build_argv(
    program: str,
    image: str,
    definition: str,
    arguments: Mapping[str, str],
    temporary: Path,
    mounts: Sequence[str] = (),
) -> list[str]:
    """The arguments that build `image` as an ordinary user, its test left for later.

    `mounts` are options: what the sections of the definition see of this machine.
    """
    given = [f"--build-arg={name}={value}" for name, value in arguments.items()]
    start = ["env", f"APPTAINER_TMPDIR={temporary}", program, "build", "--fakeroot", "--notest"]
    return [*start, *given, *mounts, image, definition]


def test_argv(program: str, image: str) -> list[str]:
    """The arguments that run the image's %test."""
    return [program, "test", "--cleanenv", image]


def _failed(what: str, finished: Finished) -> NoReturn:
    """Say that `what` did not work, and why as well as Apptainer's output tells.

    Raises:
        ImageError: always.
    """
    if way_out := machine_lacks(finished):
        raise ImageError(f"{what}: {way_out}.")
    words = _last_words(finished.stderr) or f"status {finished.status}"
    raise ImageError(
        f"{what} ({words}): build or copy the image file again, if other images can be started on "
        "this machine; else show this line to the machine's admin."
    )


def _run(argv: list[str], timeout: float = _PATIENCE, listed: Sequence[str] = ()) -> Finished:
    """Run Apptainer, which sees of the user's variables for it only those that are `listed`."""
    try:
        return run(argv, timeout=timeout, hidden=hidden_from_apptainer(listed))
    except subprocess.TimeoutExpired:
        raise ImageError(
            f"`{' '.join(argv[:4])} …` did not end within {timeout:.0f} seconds: check whether the "
            "file system of the image answers, and whether the image itself stops answering."
        ) from None
    except OSError as error:
        raise ImageError(
            f"Apptainer ({argv[0]}) cannot be started ({error.strerror}): install Apptainer, or "
            'name the program in site.json ("apptainer.program").'
        ) from error


def _last_words(output: str) -> str:
    lines = [line for line in output.splitlines() if line.strip()]
    fatal = [line for line in lines if re.search("FATAL|ERROR", line)]
    last = (fatal or lines or [""])[-1]
    return re.sub(r"\x1b\[\d*m|^(FATAL|ERROR)\s*:\s*", "", re.sub(r"\x1b\[\d*m", "", last)).strip()
