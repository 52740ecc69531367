"""What LSF tells of its cluster: ``bqueues -l``, ``lshosts``, ``bhosts``, ``bmgroup`` (10.1)."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping

from ..surveyed import Ask, Surveyed, SurveyedNode, SurveyedPartition, least, size_in_bytes

__all__ = ["survey"]

_QUEUE = re.compile(r"^QUEUE: (\S+)\s*$", re.MULTILINE)
_LIMITS = re.compile(r"^(.*\bRUNLIMIT\b.*)\n(.*)$", re.MULTILINE)  # headings, and their values
_WORKS = ("ok", "closed_full", "closed_excl", "closed_cu_excl", "closed_busy", "closed_rc")


def survey(ask: Ask) -> Surveyed | None:
    """The cluster that the commands reach; None if they do not answer."""
    shown = ask(["bqueues", "-l"])
    hosts = _rows(ask(["lshosts", "-w"]))
    if shown is None or not hosts:
        return None
    slots = _rows(ask(["bhosts", "-w"]))
    cards = _cards(ask(["lshosts", "-gpu", "-w"]) or "")
    nodes = {
        name: list(_nodes(name, values, slots, cards.get(name, {})))
        for name, values in sorted(hosts.items())
        if name in slots or not slots
    }
    groups = _groups(ask(["bmgroup", "-r", "-w"]) or "", list(nodes))
    _, *parts = _QUEUE.split(shown)
    named = dict(zip(parts[::2], parts[1::2], strict=True))
    version = re.search(r"LSF (?:Standard |Suite.*?)?([\d.]+)", ask(["lsid"]) or "")
    return Surveyed(
        title=f"LSF {version[1].rstrip('.')}" if version else "LSF",
        partitions=tuple(
            _partition(name, text, nodes, groups) for name, text in sorted(named.items())
        ),
        notes=tuple(_notes(ask)),
    )


def _rows(text: str | None) -> dict[str, dict[str, str]]:
    """A table by its first column."""
    lines = (text or "").splitlines()
    titles = lines[0].split() if lines else []
    rows = (line.split() for line in lines[1:])
    return {row[0]: dict(zip(titles, row, strict=False)) for row in rows if row}


def _notes(ask: Ask) -> Iterator[str]:
    said = ask(["badmin", "showconf", "mbd"]) or ""
    if re.search(r"LSB_GPU_NEW_SYNTAX\s*=\s*[Nn]", said):
        yield (
            "LSF does not know -gpu (LSB_GPU_NEW_SYNTAX): GPUs must be asked for by a template "
            "of the site's own."
        )
    unit = re.search(r"LSF_UNIT_FOR_LIMITS\s*=\s*(\w+)", said)
    yield f"LSF counts memory limits in {unit[1] if unit else 'KB'}, if a number has no unit."


# Hosts


def _nodes(
    name: str,
    values: Mapping[str, str],
    slots: Mapping[str, Mapping[str, str]],
    cards: dict[str, int],
) -> Iterator[SurveyedNode]:
    """The host; once for each model of cards, if it has several."""
    of_batch = slots.get(name, {})
    node = SurveyedNode(
        name=name,
        cores=least(_number(values.get("ncpus")), _number(of_batch.get("MAX"))),
        memory=size_in_bytes(values.get("maxmem"), "m"),
        works=of_batch.get("STATUS", "ok").lower() in _WORKS,
    )
    for model, number in sorted(cards.items()):
        yield node._replace(gpus=number, gpu_type=model, words=(model,))
    if not cards:
        yield node


def _cards(text: str) -> dict[str, dict[str, int]]:
    """The number of cards by host and model; a host's name stands on its first line alone."""
    found: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    host = ""
    for line in text.splitlines()[1:]:
        words = line.split()
        if not line[:1].isspace():
            host, words = words[0] if words else "", words[1:]
        if len(words) > 1 and words[0].isdecimal():
            found[host][words[1]] += 1
    return {name: dict(cards) for name, cards in found.items()}


def _number(value: str | None) -> int | None:
    return int(value) if value and value.isdecimal() else None


def _groups(text: str, everybody: list[str]) -> dict[str, list[str]]:
    found = {"all": everybody, "allremote": []}
    for line in text.splitlines()[1:]:
        name, *hosts = line.split() or [""]
        found[name.rstrip("/")] = everybody if hosts == ["all"] else hosts
    return found


# Queues


def _partition(
    name: str,
    text: str,
    nodes: Mapping[str, list[SurveyedNode]],
    groups: Mapping[str, list[str]],
) -> SurveyedPartition:
    of_default, _, of_most = text.partition("MAXIMUM LIMITS:")
    policies = _after("SCHEDULING POLICIES", text)
    users, hosts = _after("USERS", text), _after("HOSTS", text)
    status = re.search(r"\b(Open|Closed)(?::(Active|Inact)\w*)?", text)
    closed = status is not None and (status[1] == "Closed" or status[2] == "Inact")
    some = users not in ([], ["all"], ["all", "users"])
    gives_way = any("PREEMPTABLE" in word for word in policies)
    why = "It is closed, or does not start jobs." if closed else ""
    return SurveyedPartition(
        name=name,
        nodes=tuple(node for host in _named(hosts, groups) for node in nodes.get(host, [])),
        seconds=_run_limit(of_most),
        default_seconds=_run_limit(of_default.partition("DEFAULT LIMITS:")[2]),
        is_default="default queue" in text,
        gives_way=gives_way,
        not_by_itself=why or (f"It is for these users alone: {' '.join(users)}." if some else ""),
        notes=("Other queues may stop its jobs, so this comes last.",) if gives_way else (),
    )


def _run_limit(text: str) -> int | None:
    """The seconds below the heading RUNLIMIT, which may stand beside others.

    >>> _run_limit(" CPULIMIT             RUNLIMIT\\n 100.0 min of n1      2880.0 min of n1\\n")
    172800
    """
    found = []
    for headings, values in _LIMITS.findall(text):
        columns = (re.split(r"\s{2,}", line.strip()) for line in (headings, values))
        value = dict(zip(*columns, strict=False)).get("RUNLIMIT", "")
        if minutes := re.match(r"([\d.]+) min", value):
            found.append(int(float(minutes[1]) * 60))
    return least(*found)


def _after(title: str, text: str) -> list[str]:
    found = re.search(rf"^{title}:(.*(?:\n[ \t]+\S.*)*)", text, re.MULTILINE)
    return found[1].split() if found else []


def _named(words: list[str], groups: Mapping[str, list[str]]) -> list[str]:
    """The hosts of such a list: ``all ~n3``, ``gpu_hosts/ n1+2``."""
    chosen: list[str] = []
    for word in words:
        bare = re.sub(r"/?(\+\d*)?$", "", word.lstrip("~"))
        hosts = groups.get(bare, [bare])
        if word.startswith("~"):
            chosen = [host for host in chosen if host not in hosts]
        else:
            chosen += [host for host in hosts if host not in chosen]
    return sorted(chosen)
