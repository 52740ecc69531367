"""How many GPUs the command of a user's own program asks for, and which of the node's.

RELION writes the parameters of an External job as ``--NAME VALUE``, and what they mean is the
program's affair. These spellings are in use (crYOLO and topaz, their wrappers for RELION, and
programs on PyTorch Lightning): devices (``--gpu 0,1``, ``--gpu 0:1``, ``-g 0 1``, ``--device
cuda:1``), a number of GPUs (``--num_gpus 2``, ``--gpus 2``, ``--devices 2``), and a switch
(``--use_gpu 1``, ``--use_gpu yes``, ``--gpu``). A value that may be anything but devices stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from ..host.shell_words import Word
from ..units import whole_number
from .command import Command, is_option

__all__ = ["ALL", "AskedGpus", "asked_gpus", "devices_listed", "with_own_devices"]

ALL = 1 << 16  # more than any node may have (config.largest)

# Option names without dashes, in lower case, with _ for -.
_DEVICES = re.compile(
    r"(cuda_)?gpus?|(use_)?(cuda_)?gpus?_?(ids?|idx|index|list|devices?)|g|cuda"
    r"|((use_)?cuda_)?(visible_)?devices?(_?(ids?|list))?"
)
_SWITCH = re.compile(r"(use|with|enable|do)_?(gpus?|cuda)|accelerator")
_COUNT = re.compile(r"(n|nr|num|number)(_?of)?_?(gpus?|devices)|gpus?_(count|per_(node|job))")
_COUNT_OR_DEVICES = re.compile(r"gpus|devices|gpus?_?(nr|num|number)")
_DEVICES_OR_SWITCH = frozenset({"cuda"})
_DEVICE = r"(?:cuda:|gpu:)?[0-9]{1,2}"
_DEVICE_LIST = re.compile(f"{_DEVICE}([,: ]{_DEVICE})*[,:]?", re.IGNORECASE | re.ASCII)
_NUMBER = re.compile("[0-9]+")
_NO_GPU = frozenset({"no", "false", "none", "off", "cpu", "-1"})
_ONE_GPU = frozenset({"auto", "cuda", "gpu"})


class AskedGpus(NamedTuple):
    """``number`` GPUs (ALL: all of a node), as ``text`` says: ``--gpu 0,1``."""

    number: int
    text: str


class _Option(NamedTuple):
    """An option, at argument ``at``, with the arguments behind it up to ``end`` as its values."""

    name: str
    at: int
    end: int
    values: tuple[str, ...]

    @property
    def text(self) -> str:
        """The values as one text in lower case."""
        return " ".join(self.values).strip().lower()


def asked_gpus(command: Command) -> AskedGpus | None:
    """What the command says of GPUs; None if it says nothing.

    The largest of several numbers, but a switch that is off goes before them all.
    """
    most: tuple[int, _Option] | None = None
    for option in _options(command):
        number = _number(option)
        if number is None:
            continue
        if number == 0 and (_SWITCH.fullmatch(option.name) or option.text == "cpu"):
            most = 0, option
            break
        if most is None or number > most[0]:
            most = number, option
    if most is None:
        return None
    number, option = most
    return AskedGpus(number, " ".join(map(str, command.arguments[option.at : option.end])))


def devices_listed(command: Command) -> set[int]:
    """The devices that the command names by their numbers."""
    lists = (option.values for option in _options(command) if _is_device_list(option))
    return {device for values in lists for value in values for device in _numbers(value)}


def with_own_devices(command: Command, ngpu: int, visible: int) -> Command:
    """The command with devices that the program will see: numbers below ``visible``.

    A list that has others names GPUs of another machine, as RELION's window has them: its devices
    become 0, 1, … in their order, and those beyond the job's ``ngpu`` GPUs are left out.
    """
    words = list(command.arguments)
    for option in reversed(list(_options(command))):
        listed = [device for value in option.values for device in _numbers(value)]
        if not _is_device_list(option) or all(device < visible for device in listed):
            continue
        order = {device: at for at, device in enumerate(dict.fromkeys(listed))}
        values = [_renumbered(value, order, ngpu) for value in option.values]
        if "=" in str(words[option.at]):
            values = [str(words[option.at]).partition("=")[0] + "=" + values[0]]
            words[option.at : option.end] = map(Word.literal, values)
        else:
            words[option.at + 1 : option.end] = map(Word.literal, filter(None, values))
    return replace(command, arguments=tuple(words))


def _options(command: Command) -> Iterator[_Option]:
    """The options that can mean GPUs. Behind the first value only further devices are values.

    ``-g`` is crYOLO's; ``--g`` is a parameter of RELION's window that somebody has named so.
    """
    words = command.arguments
    for at, word in enumerate(words):
        if not is_option(word):
            continue
        given, inline, value = str(word).lstrip("-").partition("=")
        name = given.lower().replace("-", "_")
        one_value = _SWITCH.fullmatch(name) or _COUNT.fullmatch(name)
        several = _DEVICES.fullmatch(name) or _COUNT_OR_DEVICES.fullmatch(name)
        if not (one_value or several) or (name == "g" and str(word).startswith("--")):
            continue
        end = at + 1
        if not inline and end < len(words) and not is_option(words[end]):
            end += 1
            while several and end < len(words) and _DEVICE_LIST.fullmatch(str(words[end])):
                end += 1
        values = (value,) if inline else tuple(str(each) for each in words[at + 1 : end])
        yield _Option(name, at, end, values)


def _number(option: _Option) -> int | None:
    """The GPUs that the option asks for; None if it does not speak of GPUs."""
    text = option.text
    if text in _NO_GPU:
        return 0
    if text == "all":
        return ALL
    if _is_device_list(option):
        return len({device for value in option.values for device in _numbers(value)})
    if _is_count(option) and (count := _numbers(text)):
        return min(count[0], ALL)
    if "gpu" in option.name or "cuda" in option.name:
        return 1  # a switch, or a list that only the program or the node can read
    # -g may be anything
    return 1 if option.name != "g" and text in _ONE_GPU else None


def _is_count(option: _Option) -> bool:
    """Whether its value is a number of GPUs: one number behind ``--gpus`` is, but for 0; behind a
    switch, 0 is no and 1 is yes."""
    if len(option.values) != 1 or not _NUMBER.fullmatch(option.values[0]):
        return False
    if _SWITCH.fullmatch(option.name) or _COUNT.fullmatch(option.name):
        return True
    return _COUNT_OR_DEVICES.fullmatch(option.name) is not None and any(_numbers(option.values[0]))


def _is_device_list(option: _Option) -> bool:
    """Whether the values can be nothing but devices."""
    if option.name in _DEVICES_OR_SWITCH and _NUMBER.fullmatch(option.text):
        return False
    listed = option.values and all(map(_DEVICE_LIST.fullmatch, option.values))
    return bool(listed) and not _is_count(option)


def _numbers(value: str) -> list[int]:
    return [whole_number(number) or 0 for number in _NUMBER.findall(value)]


def _renumbered(value: str, order: dict[int, int], ngpu: int) -> str:
    """``2,3`` → ``0,1``; what comes behind the job's last GPU is left out."""
    kept = ""
    for separator, word, number in re.findall(r"(?i)([,: ]?)((?:cuda:|gpu:)?)([0-9]+)", value):
        if order[int(number)] < ngpu:
            kept += (separator if kept else "") + word + str(order[int(number)])
    return kept
