"""What Grid Engine tells of its cluster: ``qhost`` and ``qconf`` (8.1.9, and its kin).

A site chooses the names of what jobs ask for. They are guessed from what hosts and queues offer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import unescape

from ..surveyed import (
    Ask,
    Setting,
    Surveyed,
    SurveyedNode,
    SurveyedPartition,
    least,
    size_in_bytes,
)
from ._gridengine_names import Names, complexes_of, names_of
from ._gridengine_values import (
    Groups,
    Table,
    every_value,
    groups_in,
    offers,
    value_on,
    words,
)

__all__ = ["survey"]

_EACH = ("sh", "-c", 'option=$1; shift; for each; do qconf "$option" "$each"; done', "sh")
_OF_HOSTS = ("complex_values", "pe_list")  # what a host, or a group of hosts, may have otherwise
_AT_ONCE = 200  # hosts, so that an answer comes within the scheduler's time
_HOST = re.compile(r"<host name=['\"]([^'\"]+)['\"]>(.*?)</host>", re.DOTALL)
_QUEUE = re.compile(r"<queue name=['\"]([^'\"]+)['\"]>(.*?)</queue>", re.DOTALL)
_VALUE = re.compile(r"name=['\"](slots|state_string)['\"]>([^<]*)<")


def survey(ask: Ask) -> Surveyed | None:
    """The cluster that the commands reach; None if they do not answer."""
    shown, hosts = ask(["qconf", "-sq", "*"]), ask(["qhost", "-q", "-xml"])
    if shown is None or hosts is None:
        return None
    queues = {table["qname"]: table for table in _tables(shown, "qname")}
    instances = {
        unescape(host): dict(_instances(block))
        for host, block in _HOST.findall(hosts)
        if host != "global"
    }
    described = {table["hostname"]: table for table in _of_each(ask, "-se", list(instances))}
    complexes = complexes_of(ask(["qconf", "-sc"]) or "")
    environments = list(_of_each(ask, "-sp", (ask(["qconf", "-spl"]) or "").split()))
    names = names_of(complexes, list(described.values()), environments, list(queues.values()))
    groups = _groups(queues.values(), ask)
    suspended = _suspended(queues.values())
    partitions = []
    for name, queue in sorted(queues.items()):
        on = {host: _on(host, queue, groups) for host in sorted(instances)}
        its_hosts = [host for host, of_host in sorted(instances.items()) if name in of_host]
        taking = [host for host in its_hosts if _takes(on[host]["pe_list"], names)]
        nodes = tuple(
            _node(host, described.get(host, {}), on[host], *instances[host][name], names)
            for host in taking or its_hosts
        )
        closed = _why_not(queue, names)
        partitions.append(_partition(name, queue, nodes, closed, name in suspended, ask))
    version = (ask(["qconf", "-help"]) or "").partition("\n")[0]
    return Surveyed(
        title=f"Grid Engine ({version})" if re.search(r"\d", version) else "Grid Engine",
        partitions=tuple(partitions),
        settings=(*_settings(names, complexes), *_of_queues(queues.values())),
        unknown=tuple(_unknown(names)),
    )


# Reading


def _tables(text: str, first: str) -> list[dict[str, str]]:
    """Blocks of lines "key value" that begin with the key `first`."""
    found: list[dict[str, str]] = []
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        key, _, value = line.partition(" ")
        if key == first:
            found.append({})
        if found and key:
            found[-1][key] = value.strip()
    return found


def _of_each(ask: Ask, option: str, names: Sequence[str]) -> Iterator[dict[str, str]]:
    """What qconf shows of each, which begins with the name's own key."""
    first = {"-se": "hostname", "-sp": "pe_name", "-su": "name"}[option]
    for start in range(0, len(names), _AT_ONCE):
        answer = ask([*_EACH, option, *names[start : start + _AT_ONCE]])
        yield from _tables(answer or "", first)


def _instances(block: str) -> Iterator[tuple[str, tuple[int, str]]]:
    """By queue: the slots on the host, and the state."""
    for queue, inside in _QUEUE.findall(block):
        values = dict(_VALUE.findall(inside))
        slots = values.get("slots", "")
        yield (
            unescape(queue),
            (int(slots) if slots.isdecimal() else 0, values.get("state_string", "")),
        )


def _settings(names: Names, complexes: Mapping[str, list[str]]) -> Iterator[Setting]:
    if names.environment:
        why = "Of the environments whose slots are on one host, the one that most queues have."
        yield Setting("names.parallel_environment", names.environment, why)
    if names.gpus:
        yield Setting("names.gpus", names.gpus, "By its name, this complex counts GPUs.")
        if complexes[names.gpus][4] == "YES":
            why = f'"{names.gpus}" counts for each slot (consumable YES in `qconf -sc`).'
            yield Setting("gpus_per", "core", why)
    if names.gpu_type:
        yield Setting("names.gpu_type", names.gpu_type, "By its name, it tells the GPUs' type.")
    if names.memory:
        per = "core" if complexes[names.memory][4] == "YES" else "node"
        yield Setting("names.memory", names.memory, "By its name and size, it counts memory.")
        why = f"`qconf -sc` says consumable {complexes[names.memory][4]} of {names.memory}."
        yield Setting("memory_per", per, why)


def _of_queues(queues: Iterable[Table]) -> Iterator[Setting]:
    if any(
        words(q.get(key, "")) for q in queues for key in ("subordinate_list", "suspend_thresholds")
    ):
        why = "Some queues suspend jobs, and -notify would end what runs in a container then."
        yield Setting("names.notify", "", why)


def _unknown(names: Names) -> Iterator[str]:
    place = "of the scheduler in site.json"
    if not names.environment:
        yield (
            "Which parallel environment has all slots of a job on one host ($pe_slots): set "
            f'"names.parallel_environment" {place}.'
        )
    if not names.gpus:
        yield f'How jobs ask for GPUs: no complex looks like it. Set "names.gpus" {place}.'
    if not names.memory:
        yield (
            "How jobs ask for memory: no host offers memory that is counted (h_vmem limits virtual "
            "memory, of which CUDA maps far more than it uses). Jobs ask for none, "
            f'unless you set "names.memory" {place}.'
        )


# Queues


def _groups(queues: Iterable[Table], ask: Ask) -> Groups:
    """The hosts of the groups that have values of their own."""
    values = (queue.get(key, "") for queue in queues for key in _OF_HOSTS)
    named = {name for value in values for name in groups_in(value)}
    return {name: (ask(["qconf", "-shgrp_resolved", name]) or "").split() for name in sorted(named)}


def _on(host: str, queue: Table, groups: Groups) -> Table:
    """The queue as it is on a host."""
    return {**queue, **{key: value_on(host, queue.get(key, ""), groups) for key in _OF_HOSTS}}


def _takes(environments: str, names: Names) -> bool:
    return not names.environment or names.environment in words(environments)


def _suspended(queues: Iterable[Table]) -> set[str]:
    """The queues whose jobs stop while others have jobs: ``low.q=1``, ``slots=2(low.q:1:sr)``."""
    lists = (each for q in queues for each in every_value(q.get("subordinate_list", "")))
    return {name for each in lists for name in re.findall(r"(?:^|[\s,(])([^\s,=:()]+)", each)}


def _node(
    host: str, described: Table, queue: Table, slots: int, state: str, names: Names
) -> SurveyedNode:
    loads = offers(described.get("load_values", ""))
    offered = (offers(each.get("complex_values", "")) for each in (queue, described))
    has = {name: value for each in offered for name, value in each.items()}
    gpus = re.match(r"\d+", has.get(names.gpus, "")) if names.gpus else None
    kind = has.get(names.gpu_type, "") if names.gpu_type else ""
    processors = has.get("slots") or loads.get("num_proc", "")
    return SurveyedNode(
        name=host,
        cores=least(slots or None, int(processors) if processors.isdecimal() else None),
        memory=size_in_bytes(has.get(names.memory, "")) or size_in_bytes(loads.get("mem_total")),
        gpus=int(gpus[0]) if gpus else 0,
        gpu_type=kind if re.fullmatch(r"[\w.+-]+", kind) else "",
        words=tuple(filter(None, (kind, queue["qname"]))),
        works=not set(state) & set("duEs"),
    )


def _partition(
    name: str,
    queue: Table,
    nodes: tuple[SurveyedNode, ...],
    closed: str,
    gives_way: bool,
    ask: Ask,
) -> SurveyedPartition:
    lists = _of_each(ask, "-su", words(queue.get("user_lists", "")))
    entries = [entry for each in lists for entry in words(each.get("entries", ""))]
    return SurveyedPartition(
        name=name,
        nodes=nodes,
        seconds=least(*(_seconds(time) for time in re.findall(r"[\d:]+", _times(queue)))),
        users=tuple(entry for entry in entries if not entry.startswith("@")),
        groups=tuple(entry[1:] for entry in entries if entry.startswith("@")),
        accounts=tuple(words(queue.get("projects", ""))),
        gives_way=gives_way,
        not_by_itself=closed,
        notes=("Other queues suspend its jobs, so this comes last.",) if gives_way else (),
    )


def _why_not(queue: Table, names: Names) -> str:
    if "BATCH" not in queue.get("qtype", "BATCH"):
        return "It takes no batch jobs."
    if any(_takes(each, names) for each in every_value(queue.get("pe_list", ""))):
        return ""
    return f"It does not take the parallel environment {names.environment}."


def _times(queue: Table) -> str:
    """The queue's own limit, and those of single hosts."""
    return re.sub(r"\[[^=\]]*=", "[", queue.get("h_rt", ""))


def _seconds(time: str) -> int | None:
    parts = [int(each) for each in time.split(":") if each]
    return sum(part * 60**at for at, part in enumerate(reversed(parts))) or None
