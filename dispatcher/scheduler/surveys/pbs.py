"""What OpenPBS and PBS Professional tell of their cluster: ``pbsnodes`` and ``qstat`` in JSON.

A queue has the nodes that name it, or those with the resources that its ``default_chunk`` asks for
(such as ``Qlist``), or all.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from ...units import count
from ..surveyed import (
    Ask,
    Setting,
    Surveyed,
    SurveyedNode,
    SurveyedPartition,
    least,
    size_in_bytes,
)

__all__ = ["survey"]

_COUNTS_GPUS = re.compile(r"n?_?gpus?", re.IGNORECASE)
_GPU_TYPE = re.compile(r"(gpu|accelerator)_?(type|model|name|arch|card|kind)", re.IGNORECASE)
_OUT = ("down", "offline", "unknown", "state-unknown", "stale", "unresolvable")
_OF_RESERVATION = re.compile(r"[RSM]\d+")  # as PBS names such a queue, which goes with it

_Values = Mapping[str, Any]


def survey(ask: Ask) -> Surveyed | None:
    """The cluster that the commands reach; None if they do not answer."""
    queues = _inside(ask(["qstat", "-Q", "-f", "-F", "json"]), "Queue")
    vnodes = _inside(ask(["pbsnodes", "-a", "-v", "-F", "json"]), "nodes")
    if not queues or not vnodes:
        return None
    (server, *_) = _inside(ask(["qstat", "-B", "-f", "-F", "json"]), "Server").values() or [{}]
    resources = {name for each in vnodes.values() for name in _table(each, "resources_available")}
    counter = min(filter(_COUNTS_GPUS.fullmatch, resources), default="ngpus")
    kind = min(filter(_GPU_TYPE.fullmatch, resources), default="")
    hosts = _hosts(vnodes)
    partitions = tuple(
        _partition(name, queue, queues, hosts, (counter, kind), server)
        for name, queue in sorted(queues.items())
        if not (_OF_RESERVATION.fullmatch(name) and _is_true(queue.get("acl_user_enable")))
    )
    version = str(server.get("pbs_version", "")).strip()
    return Surveyed(
        title=f"PBS {version}".strip(),
        partitions=partitions,
        settings=tuple(_settings(counter, kind)),
        notes=tuple(_notes(server)),
    )


def _inside(text: str | None, key: str) -> dict[str, dict[str, Any]]:
    """The objects by name below a key of the answer; none if that is not there, or no JSON."""
    try:
        found = json.loads(text or "{}", strict=False).get(key)
    except (ValueError, AttributeError):
        return {}
    objects = found if isinstance(found, dict) else {}
    return {name: each for name, each in objects.items() if isinstance(each, dict)}


def _table(values: _Values, key: str) -> dict[str, Any]:
    found = values.get(key)
    return found if isinstance(found, dict) else {}


def _settings(counter: str, kind: str) -> Iterator[Setting]:
    if counter != "ngpus":
        yield Setting("names.gpus", counter, "By its name, this resource of nodes counts GPUs.")
    if kind and kind != "gpu_type":
        yield Setting("names.gpu_type", kind, "By its name, it tells the GPUs' type.")


def _notes(server: _Values) -> Iterator[str]:
    if not _is_true(server.get("job_history_enable")):
        yield (
            "PBS keeps no history (job_history_enable), so that nobody can tell how a job ended "
            "whose script could not."
        )


def _is_true(value: object) -> bool:
    return str(value).lower() in ("true", "1", "t", "y", "yes")


# Nodes


def _hosts(vnodes: Mapping[str, dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The vnodes of each host: a host may have several."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for name, each in sorted(vnodes.items()):
        found[str(_table(each, "resources_available").get("host") or name)].append(each)
    return dict(found)


def _node(host: str, vnodes: list[dict[str, Any]], counter: str, kind: str) -> SurveyedNode:
    offers = [_table(each, "resources_available") for each in vnodes]
    types = sorted({str(each[kind]) for each in offers if kind and each.get(kind)})
    sizes = [size_in_bytes(each.get("mem"), "b") for each in offers]
    word = types[0] if len(types) == 1 else ""
    states = {state for each in vnodes for state in str(each.get("state", "")).split(",")}
    return SurveyedNode(
        name=host,
        cores=sum(_number(each.get("ncpus")) or 0 for each in offers) or None,
        memory=sum(size or 0 for size in sizes) or None,
        gpus=sum(_number(each.get(counter)) or 0 for each in offers),
        gpu_type=word if re.fullmatch(r"[\w.+-]+", word) else "",
        words=tuple(types),
        works=not any(state.strip().startswith(_OUT) for state in states),
    )


def _number(value: object) -> int | None:
    return int(str(value)) if str(value).isdecimal() else None


# Queues


def _partition(
    name: str,
    queue: _Values,
    queues: Mapping[str, _Values],
    hosts: Mapping[str, list[dict[str, Any]]],
    names: tuple[str, str],
    server: _Values,
) -> SurveyedPartition:
    behind = [each.partition("@")[0] for each in _list(queue.get("route_destinations"))]
    ends = [each for each in behind if each in queues] or [name]
    own = {host for each in ends for host in _hosts_of(each, queues, hosts)}
    limits, usual = (
        {**_table(server, key), **_table(queue, key)}
        for key in ("resources_max", "resources_default")
    )
    gpus = _number(limits.get(names[0]))
    cores, memory = _number(limits.get("ncpus")), size_in_bytes(limits.get("mem"), "b")
    nodes = (_node(host, hosts[host], *names) for host in sorted(own))
    users = [each.partition("@")[0] for each in _list(queue.get("acl_users"))]
    return SurveyedPartition(
        name=name,
        nodes=tuple(
            node._replace(cores=least(node.cores, cores), memory=least(node.memory, memory))
            for node in nodes
        ),
        seconds=_seconds(str(limits.get("walltime", ""))),
        default_seconds=_seconds(str(usual.get("walltime", ""))),
        gpus_per_job=gpus,
        is_default=str(server.get("default_queue", "")) == name,
        users=tuple(users) if _is_true(queue.get("acl_user_enable")) else (),
        groups=tuple(_list(queue.get("acl_groups")))
        if _is_true(queue.get("acl_group_enable"))
        else (),
        not_by_itself=_why_not(queue),
        notes=()
        if gpus is None
        else (f"A job may have {count(gpus, 'GPU')} here, on all its nodes together.",),
    )


def _hosts_of(
    name: str, queues: Mapping[str, _Values], hosts: Mapping[str, list[dict[str, Any]]]
) -> Iterator[str]:
    wanted = _table(queues[name], "default_chunk")
    bound = {
        host: {str(each["queue"]) for each in vnodes if each.get("queue")}
        for host, vnodes in hosts.items()
    }
    has_own = any(name in each for each in bound.values())
    for host, vnodes in hosts.items():
        if has_own or bound[host]:
            if name in bound[host]:
                yield host
        elif all(_fits(key, value, vnodes) for key, value in wanted.items()):
            yield host


def _fits(resource: str, wanted: object, vnodes: list[dict[str, Any]]) -> bool:
    """Whether nodes have what each chunk of the queue's jobs asks for, unless it is a number."""
    if resource in ("ncpus", "mem", "ngpus", "mpiprocs", "ompthreads"):
        return True
    there = [str(_table(each, "resources_available").get(resource, "")) for each in vnodes]
    return any(str(wanted).lower() in each.lower().split(",") for each in there)


def _why_not(queue: _Values) -> str:
    if not _is_true(queue.get("enabled")) or not _is_true(queue.get("started")):
        return "It is closed, or does not start jobs."
    if _is_true(queue.get("from_route_only")):
        return "It takes jobs from other queues alone."
    return "It takes jobs of some machines alone." if _is_true(queue.get("acl_host_enable")) else ""


def _list(value: object) -> list[str]:
    return [each.strip() for each in str(value or "").split(",") if each.strip()]


def _seconds(time: str) -> int | None:
    if not re.fullmatch(r"[\d:]+", time):
        return None
    parts = [int(each) for each in time.split(":") if each]
    return sum(part * 60**at for at, part in enumerate(reversed(parts))) or None
