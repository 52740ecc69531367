"""An explanation as sections of text: one for each question that people ask about a job."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from ..jobs import entries
from ..units import count, gibibytes
from .command_lines import command_lines
from .explain import Explanation
from .lines import Line, Mark, Piece, Section, line, sentences
from .measured import measured
from .run_lines import run_lines

__all__ = ["sections"]

_NOUNS = {
    "partition": "partition", "nproc": "ranks", "nthread": "threads", "ngpu": "GPUs",
    "mem": "memory", "time": "time", "account": "account", "qos": "quality of service",
    "ranks_per_gpu": "ranks per GPU", "gpu_type": "type of GPU", "constraint": "feature",
}  # fmt: skip
_NOT_TOLD = "not told by the record"
_MOST = 2**63  # what sizes are counted with
_GOOD, _BAD = ("Succeeded", "Runs"), ("Failed", "Aborted", "Refused", "Unknown")

_Facts = Mapping[str, Any]


def sections(found: Explanation) -> list[Section]:
    """The sections in which there is something to say."""
    state = found.state
    mark: Mark = "good" if state.word in _GOOD else "bad" if state.word in _BAD else "strong"
    head = (Piece(f"{state.word}. ", mark), *(sentences(state.sentences) or ()))
    parts = [Section("State", (head,)), _section("Basis", lambda: map(line, found.notes))]
    plan, decided = found.plan, found.decisions or {}
    if plan is None:
        return [part for part in parts if part.lines]
    reasons = _by_topic(plan, found.decisions if found.decided == found.planned else None)
    for title, told in (
        ("Type", lambda: _type(plan, decided, reasons)),
        ("Ranks", lambda: _ranks(plan, decided, reasons)),
        ("GPU memory", lambda: _gpu_memory(plan, reasons)),
        ("Host memory", lambda: _host_memory(plan, reasons)),
        ("Image", lambda: _image(plan, decided, reasons)),
        ("Partition", lambda: _partition(plan, decided, reasons)),
        ("Queue", lambda: _queue(plan, reasons)),
        ("Runs", lambda: chain(_paragraph(reasons.get("goes_on", [])), run_lines(found))),
        ("Said by", lambda: _sources(decided, reasons)),
        ("Also", lambda: _paragraph(reasons.pop("", []))),
        ("Warning", lambda: map(line, entries.texts(plan, "warnings") or ())),
        ("Command", lambda: chain(command_lines(plan), _paragraph(reasons.get("command", [])))),
    ):
        parts.append(_section(title, told))
    return [part for part in parts if part.lines]


def _section(title: str, told: Callable[[], Iterable[Line]]) -> Section:
    """A section; what another has written into a record, in no form of ours, is only named."""
    lines: list[Line] = []
    try:
        lines.extend(told())
    except ValueError as error:
        lines.append(line(f"The record does not tell: {error}.", "bad"))
    return Section(title, tuple(lines))


def _by_topic(plan: _Facts, decided: _Facts | None) -> dict[str, list[str]]:
    """The reasons by their topics; those without one under ""."""
    found: dict[str, list[str]] = {}
    try:
        reasons = entries.texts(plan, "reasons") or ()
        topics = entries.texts(decided or {}, "topics") or ()
    except ValueError:
        return found
    if len(topics) != len(reasons):
        topics = ("",) * len(reasons)
    for topic, reason in zip(topics, reasons, strict=True):
        found.setdefault(topic, []).append(reason)
    return found


_Reasons = dict[str, list[str]]


def _paragraph(reasons: list[str]) -> Iterator[Line]:
    said = sentences(filter(None, reasons))
    if said:
        yield said


def _headed(head: str, reasons: list[str]) -> Line:
    """What was decided, and why."""
    text = " ".join(reasons)
    return (Piece(f"{head}{'. ' if text else '.'}", "strong"), Piece(text))


def _type(plan: _Facts, decided: _Facts, reasons: _Reasons) -> Iterator[Line]:
    lineage = " → ".join(entries.texts(plan, "lineage") or ())
    name = entries.text(plan, "job_type") or _NOT_TOLD
    said = reasons.get("type", [])
    if said and said[0].startswith(f"Job type {name} ("):
        said = said[1:]  # the same as this line
    takes = entries.text(decided, "takes")
    jobs = f", which takes {takes}" if takes else ""
    bases = f" ({lineage})" if lineage else ""
    yield (Piece(name, "strong"), Piece(f"{bases}{jobs}"))
    by_why: dict[str, list[str]] = {}
    for other in entries.objects_of(decided, "other_types") or []:
        names = by_why.setdefault(entries.text(other, "why") or "", [])
        names.append(entries.text(other, "name") or "")
    if by_why:
        others = "; ".join(f"{', '.join(names)} ({why})" for why, names in by_why.items())
        yield line(f"Not {others}.")
    yield from _paragraph(said)


def _ranks(plan: _Facts, decided: _Facts, reasons: _Reasons) -> Iterator[Line]:
    nproc, nthread, ngpu, nodes = (
        entries.number(plan, key) for key in ("nproc", "nthread", "ngpu", "nodes")
    )
    if nproc is not None:
        threads = "" if nthread is None else f" x {count(nthread, 'thread')}"
        gpus = f" on {count(ngpu, 'GPU')}" if ngpu else "" if ngpu is None else " without a GPU"
        over = f" of each of {nodes} nodes" if nodes and nodes > 1 else ""
        mps = ", shared through MPS" if entries.flag(plan, "mps") else ""
        head = f"{count(nproc, 'rank')}{threads}{gpus}{over}{mps}"
        yield _headed(head, reasons.get("ranks", []))
    more = entries.object_of(decided, "more_ranks")
    limits = entries.objects_of(more, "in_the_way") if more else None
    if more and limits:
        each = entries.number(more, "ranks_per_gpu")
        on_each = f" ({each} on each GPU)" if each else ""
        ranks = count(entries.number(more, "nproc") or 0, "rank")
        says = "; ".join(entries.text(limit, "says") or "" for limit in limits)
        yield line(f"Not {ranks}{on_each}: {says}.")


def _gpu_memory(plan: _Facts, reasons: _Reasons) -> Iterator[Line]:
    fit = entries.object_of(plan, "gpu_fit") or {}
    each = entries.number(fit, "bytes_per_rank", _MOST)
    ranks = entries.number(fit, "ranks_per_gpu")
    if each and ranks:
        head = f"{count(ranks, 'rank')} x {gibibytes(each)} on each GPU"
        yield _headed(head, reasons.get("gpu_memory", []))
    else:
        why = entries.text(fit, "not_done")
        head = f"Not counted: {why}." if why else ""
        yield from _paragraph([head, *reasons.get("gpu_memory", [])])
    if said := measured(entries.object_of(plan, "run") or {}):
        yield line(said)


def _host_memory(plan: _Facts, reasons: _Reasons) -> Iterator[Line]:
    asked_for = entries.object_of(plan, "job_parameters")
    mem = (asked_for or {}).get("mem")
    need = entries.number(entries.object_of(plan, "gpu_fit") or {}, "host_memory", _MOST)
    asked = f"{mem} asked for" if mem is not None else "None asked for"
    if asked_for is None:
        asked = _NOT_TOLD.capitalize()
    head = f"{asked}{f', {gibibytes(need)} needed' if need else ''}"
    yield _headed(head, reasons.get("host_memory", []))


def _image(plan: _Facts, decided: _Facts, reasons: _Reasons) -> Iterator[Line]:
    image = entries.object_of(plan, "image")
    if image is None:
        yield line("none: the job runs on the host" if "image" in plan else _NOT_TOLD, "strong")
        return
    name, version, variant = (entries.text(image, key) for key in ("name", "version", "variant"))
    why = entries.text(decided, "image")
    digest = entries.text(image, "sha256")
    file = [entries.text(image, "path"), f"sha256 {digest[:12]}…" if digest else None]
    words = [name, version, f"({variant})" if variant else None]
    yield (
        Piece(" ".join(filter(None, words)) or _NOT_TOLD, "strong"),
        Piece(f": {why}. " if why else ". "),
        Piece(", ".join(filter(None, file))),
    )


def _partition(plan: _Facts, decided: _Facts, reasons: _Reasons) -> Iterator[Line]:
    asked = entries.object_of(plan, "job_parameters")
    name = (asked or {}).get("partition")
    scheduler = entries.text(plan, "scheduler") or _NOT_TOLD
    node = entries.object_of(decided, "node") or {}
    has = [
        count(cores, "core") if (cores := entries.number(node, "cores", _MOST)) else "",
        gibibytes(memory) if (memory := entries.number(node, "memory", _MOST)) else "",
        count(gpus, "GPU") if (gpus := entries.number(node, "gpus")) else "",
    ]
    if (card := entries.number(node, "gpu_memory", _MOST)) and has[-1]:
        has[-1] += f" of {gibibytes(card)}"
    here = entries.flag(node, "is_this_machine")
    which = "this machine" if here else "a node"
    nodes = f": {which} has {', '.join(filter(None, has))}" if any(has) else ""
    where = _NOT_TOLD if asked is None else "none named" if name is None else f"{name}"
    yield (Piece(where, "strong"), Piece(f" (scheduler {scheduler}){nodes}"))
    for over in entries.objects_of(decided, "passed_over") or []:
        kind = entries.text(over, "kind")
        title = f"{entries.text(over, 'partition') or 'none named'}{f' ({kind})' if kind else ''}"
        yield line(f"Not {title}: {entries.text(over, 'why')}")
    if not decided:
        yield from _paragraph(reasons.get("partition", []))
    others = (
        ("Next in order, not needed", entries.texts(decided, "not_tried")),
        ("Not among the job's partitions", entries.texts(decided, "not_of_the_job")),
    )
    yield from _paragraph([f"{what}: {', '.join(names)}." for what, names in others if names])


def _queue(plan: _Facts, reasons: _Reasons) -> Iterator[Line]:
    asked = entries.object_of(plan, "job_parameters") or {}
    keys = [key for key in ("time", "account", "qos") if asked.get(key) is not None]
    if keys:
        head = ", ".join(f"{_NOUNS[key]} {asked[key]}" for key in keys)
        yield _headed(head, reasons.get("queue", []))
    else:
        yield from _paragraph(reasons.get("queue", []))


def _sources(decided: _Facts, reasons: _Reasons) -> Iterator[Line]:
    """What is from the window, what from the site, and what from the job type."""
    yield from _paragraph(reasons.get("window", []))
    by_where: dict[str, list[str]] = {}
    for each in entries.objects_of(decided, "sources") or []:
        key, where = entries.text(each, "key") or "", entries.text(each, "where") or ""
        by_where.setdefault(where, []).append(_NOUNS.get(key, key))
    pieces: list[Piece] = []
    for where, keys in by_where.items():
        pieces.append(Piece(f"{'; ' if pieces else ''}{', '.join(keys)}: "))
        pieces.append(Piece(where, "strong" if "window" in where else ""))
    if pieces:
        yield (*pieces, Piece("."))
