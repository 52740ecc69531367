"""Which folders of the machine does a container see, beside the project and what the site binds?

By the options and variables with which the site has Apptainer started, and by the configuration of
Apptainer on this machine. They are read as Apptainer 1.4 reads them (cmd/internal/cli/
action_flags.go, container_linux.go).
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from ..config.apptainer_variables import is_apptainers
from ..config.site import Apptainer
from ..host import programs
from .apptainer_configuration import Configured, configured

__all__ = ["View", "view_of_container"]

_ALWAYS = ("/dev", "/proc", "/sys", "/etc/hosts", "/etc/localtime")
_TMP = ("/tmp", "/var/tmp")
_WITH_VALUE = ("bind", "mount", "home", "no-mount")
_SHORT = {"B": "bind", "H": "home", "c": "contain", "C": "containall"}
_SHORT_WITH_VALUE = "BHSWos"
_PLACES = ("destination", "dst", "target")
_OFF = ("0", "f", "false", "n", "no", "off")


class View(NamedTuple):
    """The folders that are seen, and whether the user's home is one of them."""

    folders: tuple[Path, ...]
    home: bool


class _Asked(NamedTuple):
    """What the options ask for: folders that are bound, the home in place of the user's own
    (``SOURCE:PLACE``), what is not mounted, and whether the container has nothing by itself."""

    bound: tuple[str, ...]
    home: str | None
    without: frozenset[str]
    contained: bool


def view_of_container(apptainer: Apptainer) -> View:
    """What the site's containers see."""
    asked = _asked([*_options(apptainer.options), *_variables(apptainer.environment)])
    conf = configured(apptainer.program)
    home = _home(asked, conf)
    folders = [*_ALWAYS, *asked.bound, *([home] if home else []), *_by_itself(asked, conf)]
    return View(tuple(map(Path, folders)), home == str(Path.home()))


def _by_itself(asked: _Asked, conf: Configured) -> Iterator[str]:
    """What Apptainer mounts without being asked."""
    if "hostfs" not in asked.without:
        yield from conf.file_systems
    if asked.contained:
        return
    if conf.tmp and "tmp" not in asked.without:
        yield from _TMP
    if "bind-paths" not in asked.without:
        yield from (each for each in conf.bound if each not in asked.without)


def _home(asked: _Asked, conf: Configured) -> str | None:
    """The home that is seen as it is on the machine."""
    if "home" in asked.without:
        return None
    if asked.home is None:
        return str(Path.home()) if conf.home and not asked.contained else None
    source, _, place = asked.home.partition(":")
    return source if os.path.realpath(place or source) == os.path.realpath(source) else None


def _asked(options: Iterable[tuple[str, str]]) -> _Asked:
    bound: list[str] = []
    home, contained, without = None, False, set()
    for name, value in options:
        if name == "bind":
            bound += [(spec.split(":")[1:] or [spec])[0] for spec in value.split(",") if spec]
        elif name == "mount":
            words = next(csv.reader(value.splitlines()), [])
            fields = dict(each.partition("=")[::2] for each in words)
            bound += [fields[place] for place in _PLACES if place in fields]
        elif name == "home":
            home = value
        elif name == "no-mount":
            without.update(value.split(","))
        elif value.lower() in _OFF:
            continue
        elif name == "no-home":
            without.add("home")
        elif name in ("contain", "containall", "compat"):
            contained = True
    return _Asked(tuple(bound), home, frozenset(without), contained)


def _options(words: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Options by their long names, and their values: ``--bind=/d``, ``-B /d``, ``-ecB/d``."""
    rest = iter(words)
    for word in rest:
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            yield name, value if equals or name not in _WITH_VALUE else next(rest, "")
        elif word.startswith("-"):
            for at, letter in enumerate(word[1:], 2):
                if letter in _SHORT_WITH_VALUE:
                    yield _SHORT.get(letter, ""), word[at:].removeprefix("=") or next(rest, "")
                    break
                yield _SHORT.get(letter, ""), ""


def _variables(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The options that are given by variables of Apptainer's own, those that the site lists."""
    for name, value in programs.variables(filter(is_apptainers, names)).items():
        beginning, _, option = name.lower().replace("_", "-").partition("-")
        if value and not beginning.endswith("env"):
            yield "bind" if option == "bindpath" else option, value
