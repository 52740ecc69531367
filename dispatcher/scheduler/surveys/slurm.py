"""What Slurm tells of its cluster: ``scontrol show`` of nodes, partitions and configuration.

Its answers have a line for each node and partition, of ``NAME=VALUE`` words (22.05 to 26.05).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping

from ..surveyed import Ask, Surveyed, SurveyedNode, SurveyedPartition, least, size_in_bytes

__all__ = ["survey"]

_SHOW = ("scontrol", "--all", "--oneliner", "show")
_WORD = re.compile(r"(?:^|(?<= ))([A-Za-z]\w*)=(\S*)")
_TIME = re.compile(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?")
_OUT = {"DOWN", "DRAIN", "DRAINED", "DRAINING", "ERROR", "FAIL", "FAILING", "FUTURE", "INVAL",
        "INVALID_REG", "NOT_RESPONDING", "UNKNOWN"}  # fmt: skip
_MIB = 2**20


def survey(ask: Ask) -> Surveyed | None:
    """The cluster that the commands reach; None if they do not answer."""
    shown = ask([*_SHOW, "partition"])
    if shown is None:
        return None
    nodes: dict[str, list[SurveyedNode]] = defaultdict(list)
    threads: dict[str, int] = defaultdict(lambda: 1)
    for line in (ask([*_SHOW, "node"]) or "").splitlines():
        values = dict(_WORD.findall(line))
        for partition in filter(None, values.get("Partitions", "").split(",")):
            nodes[partition] += _node(values)
            threads[partition] = max(threads[partition], _number(values, "ThreadsPerCore") or 1)
    every = [dict(_WORD.findall(line)) for line in shown.splitlines()]
    hosts = {name: {node.name for node in each} for name, each in nodes.items()}
    partitions = []
    for values in every:
        name = values.get("PartitionName")
        if name and values.get("RootOnly") != "YES":
            before = _served_before(values, every, hosts)
            partitions.append(_partition(values, nodes[name], threads[name], before))
    config = dict(re.findall(r"^(\w+)\s*=\s*(.*?)\s*$", ask(_config_command()) or "", re.MULTILINE))
    return Surveyed(
        title=f"Slurm {config.get('SLURM_VERSION', '')}".strip(),
        partitions=tuple(sorted(partitions)),
        notes=tuple(_notes(config, ask)),
        unknown=tuple(_unknown(config)),
    )


def _config_command() -> list[str]:
    return ["scontrol", "show", "config"]


# Nodes


def _node(values: Mapping[str, str]) -> Iterator[SurveyedNode]:
    """The node; once for each kind of cards, if it has several."""
    reserved = (_number(values, "MemSpecLimit") or 0) * _MIB
    memory = size_in_bytes(values.get("RealMemory"), "m")
    state = set(re.split(r"[+*]", re.sub(r"[~#!%$@^-]+$", "", values.get("State", ""))))
    features = tuple(_words(values.get("ActiveFeatures") or values.get("AvailableFeatures")))
    node = SurveyedNode(
        name=values.get("NodeName", ""),
        cores=_number(values, "CPUEfctv") or _number(values, "CPUTot"),
        memory=memory and memory - reserved,
        features=features,
        words=features,
        works=state.isdisjoint(_OUT),
    )
    cards = _cards(values.get("Gres", ""))
    for kind, number in sorted(cards.items()):
        words = tuple(filter(None, (kind, *features)))
        yield node._replace(gpus=number, gpu_type=kind, words=words)
    if not cards:
        yield node


def _cards(gres: str) -> dict[str, int]:
    """The number of GPUs by type ("" for none): ``gpu:4``, ``gpu:a100:4(S:0-1)``, ``gpu``.

    >>> _cards("gpu:a100:2(S:0),gpu:v100:4(S:0,1),shard:8,gpu:1")
    {'a100': 2, 'v100': 4, '': 1}
    """
    found: dict[str, int] = {}
    for each in re.sub(r"\([^)]*\)", "", gres).split(","):
        name, *rest = each.split(":")
        if name != "gpu":
            continue
        number = int(rest.pop()) if rest and rest[-1].isdecimal() else 1
        kind = next((word for word in rest if word != "no_consume"), "")
        if number:
            found[kind] = found.get(kind, 0) + number
    return found


# Partitions


def _partition(
    values: Mapping[str, str], nodes: list[SurveyedNode], threads: int, before: list[str]
) -> SurveyedPartition:
    cores = _number(values, "MaxCPUsPerNode")
    memory = size_in_bytes(values.get("MaxMemPerNode"), "m")
    notes = []
    if threads > 1:
        notes.append(f"Slurm counts hyperthreads here: {threads} of its cores are one.")
    if denied := _words(values.get("DenyAccounts")):
        notes.append(f"Jobs of these accounts are not taken: {', '.join(denied)}.")
    if before:
        notes.append(
            f"Jobs of {', '.join(before)} may stop jobs here (PriorityTier, and "
            f"PreemptMode={values['PreemptMode']}), so this comes last."
        )
    elif _may_be_stopped(values):
        notes.append(f"Other jobs may stop jobs here (PreemptMode={values['PreemptMode']}).")
    if values.get("OverSubscribe") == "EXCLUSIVE":
        notes.append("A job gets whole nodes here, whatever it asks for.")
    return SurveyedPartition(
        name=values["PartitionName"],
        nodes=tuple(
            node._replace(cores=least(node.cores, cores), memory=least(node.memory, memory or None))
            for node in nodes
        ),
        seconds=_seconds(values.get("MaxTime", "")),
        default_seconds=_seconds(values.get("DefaultTime", "")),
        is_default=values.get("Default") == "YES",
        groups=tuple(_words(values.get("AllowGroups"))),
        accounts=tuple(_words(values.get("AllowAccounts"))),
        qos=tuple(_words(values.get("AllowQos"))),
        gives_way=bool(before),
        not_by_itself=_why_not(values),
        notes=tuple(notes),
    )


def _may_be_stopped(values: Mapping[str, str]) -> bool:
    return values.get("PreemptMode", "OFF") not in ("OFF", "GANG")


def _served_before(
    values: Mapping[str, str], every: list[dict[str, str]], hosts: Mapping[str, set[str]]
) -> list[str]:
    """The partitions of a higher tier on the same nodes, whose jobs stop those of this one.

    The mode alone does not tell: where it is the cluster's, all partitions show it.
    """
    own, tier = hosts.get(values["PartitionName"], set()), _number(values, "PriorityTier")
    if tier is None or not _may_be_stopped(values):
        return []
    return sorted(
        name
        for each in every
        if (name := each.get("PartitionName", "")) in hosts
        and (_number(each, "PriorityTier") or 0) > tier
        and own & hosts[name]
    )


def _why_not(values: Mapping[str, str]) -> str:
    least_nodes = _number(values, "MinNodes") or 0
    if values.get("State", "UP") != "UP":
        return f"Its state is {values['State']}."
    if values.get("Hidden") == "YES":
        return "It is hidden."
    if values.get("ReqResv") == "YES":
        return "It takes jobs with a reservation alone."
    return f"It takes jobs on {least_nodes} nodes and more." if least_nodes > 1 else ""


def _words(value: str | None) -> list[str]:
    known = value not in (None, "", "ALL", "(null)", "N/A", "NONE")
    return [word for word in (value or "").split(",") if word] if known else []


def _number(values: Mapping[str, str], key: str) -> int | None:
    value = values.get(key, "")
    return int(value) if value.isdecimal() else None


def _seconds(time: str) -> int | None:
    """Of ``1-00:00:00``, ``12:00:00``, ``30:00``; None for ``UNLIMITED`` and ``INFINITE``."""
    found = _TIME.fullmatch(time)
    if found is None:
        return None
    days, first, second, third = (int(each or 0) for each in found.groups())
    if found[1] or found[4]:
        return ((days * 24 + first) * 60 + second) * 60 + third
    return first * 60 + second


# The cluster


def _notes(config: Mapping[str, str], ask: Ask) -> Iterator[str]:
    kinds = ask(["srun", "--mpi=list"]) or ""
    if kinds and "pmix" not in kinds:
        yield (
            "srun knows no PMIx (`srun --mpi=list`), so RELION in a container runs on one node "
            "only, unless the admin of Slurm adds it."
        )
    if config.get("AccountingStorageType", "").endswith(("/none", "(null)")):
        yield (
            f"Slurm keeps no accounts, and forgets a job {config.get('MinJobAge', '300 sec')} "
            "after its end (MinJobAge)."
        )
    parameters = config.get("SelectTypeParameters", "")
    if parameters and "MEMORY" not in parameters.upper():
        yield f"Slurm does not count memory (SelectTypeParameters={parameters})."


def _unknown(config: Mapping[str, str]) -> Iterator[str]:
    enforced = config.get("AccountingStorageEnforce", "none")
    if "associations" in enforced:
        yield (
            "Which account pays: a job has its user's default account. If accounts go by project "
            'or partition, write rules under "accounts" (docs/site.md).'
        )
