"""The doctor's report as lines: one for each check, coloured on a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from ..doctor.report import PlaceReport, Report
from ..printable import printable
from .coloured import print_lines

__all__ = ["print_report", "report_lines"]

_COLOURS = {"ok": "green", "warning": "yellow", "failure": "bold red", "skipped": "dim"}


def report_lines(report: Report) -> Iterator[tuple[str, str]]:
    """The lines, each with the status that colours it ("" for none)."""
    for place in report.places:
        with_image = f", with {place.asked.image}" if place.asked.image else ""
        yield "", f"{place.asked.place}{with_image}:"
        width = max((len(each.check) for each in place.findings), default=0)
        for each in place.findings:
            yield (
                each.status,
                f"{each.status:<9}{each.check:<{width + 2}}{printable(each.sentence)}",
            )
        yield from (("", line) for line in _measured(place))
        yield "", ""
    counts = [each.status for place in report.places for each in place.findings]
    told = ", ".join(f"{counts.count(status)} {status}" for status in _COLOURS if status in counts)
    yield "", f"{told}."


def _measured(place: PlaceReport) -> Iterator[str]:
    said = {key: getattr(place.asked.shape, key) for key in place.measured}
    new = {key: value for key, value in place.measured.items() if said[key] is None}
    if new:
        listed = ", ".join(f'"{key}": {value!r}'.replace("'", '"') for key, value in new.items())
        several = "one of its kinds of nodes, each of which site.json describes by itself"
        how = several if place.asked.shape.nodes else "not in site.json (--write adds it)"
        yield f"measured, and {how}: {place.asked.place}: {listed}"


def print_report(report: Report) -> None:
    """Print the report."""
    from rich.text import Text

    texts = []
    for status, line in report_lines(report):
        text = Text(printable(line))
        text.stylize(_COLOURS.get(status, ""), 0, len(status))
        texts.append(text)
    print_lines(texts)
