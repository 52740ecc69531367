"""The pictures of a report: SVG by matplotlib, to stand in an HTML page in light and in dark.

Text stays text, in the page's own colour (`currentColor`). The other colours are of Okabe and Ito's
(https://jfly.uni-koeln.de/color/), which people who see few colours tell apart, chosen so that each
can be seen on white and on black.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from io import StringIO
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import ConfigError
from ..printable import printable
from .figures import Figures, Group, by_hours
from .job_row import USES, Use
from .spread import Spread
from .words import span

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["COLOURS", "NAMES", "pictures"]

_Shown = TypeVar("_Shown")

NAMES: Mapping[Use, str] = {
    "used": "used",
    "not_measured": "successful, not measured",
    "little_used": "little used",
    "idle": "idle",
    "failed": "failed",
    "aborted": "aborted",
    "running": "running",
    "unknown": "end not known",
}
COLOURS: Mapping[Use, str] = {
    "used": "#0083c4",
    "not_measured": "#7cb8dc",
    "little_used": "#e69f00",
    "idle": "#b07800",
    "failed": "#d55e00",
    "aborted": "#b16a94",
    "running": "#009e73",
    "unknown": "#8a8a8a",
}
_INK = "#010203"  # a colour that stands for the page's own
_MOST = 12  # bars
_WEEKS = 53
_LONGEST = 26  # characters of a name


def pictures(figures: Figures) -> dict[str, str]:
    """The pictures of these figures, as SVG, by name; those without anything to show are missing.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise ConfigError(
            "--html needs the library matplotlib, which is not installed here: run `pip install "
            "--require-hashes -r deploy/requirements.txt` in relion-dispatch's Python environment."
        ) from error
    settings: dict[Any, Any] = {
        "svg.fonttype": "none",
        "font.family": "sans-serif",
        "font.size": 10,
        "text.parse_math": False,
        **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor"), _INK),
        **dict.fromkeys(("xtick.color", "ytick.color"), _INK),
    }
    with matplotlib.rc_context(settings):
        return dict(_drawings(figures))


def _drawings(figures: Figures) -> Iterator[tuple[str, str]]:
    if len(figures.weeks) > 1 and figures.total.gpu_hours:
        yield "weeks", _drawn("weeks", 3.0, _weeks, figures.weeks)
    for name, groups in (("users", figures.users), ("types", figures.types)):
        shown = [each for each in by_hours(groups) if each[1].gpu_hours][:_MOST]
        if shown:
            yield name, _drawn(name, 1.2 + 0.3 * len(shown), _bars, shown)
    if waits := sorted(figures.waits.items())[:_MOST]:
        yield "waits", _drawn("waits", 0.9 + 0.32 * len(waits), _waits, waits)
    types = [name for name, _ in by_hours(figures.types) if name in figures.time_used]
    if used := [(name, figures.time_used[name]) for name in types[:_MOST]]:
        yield "time", _drawn("time", 0.9 + 0.32 * len(used), _parts, used)


def _drawn(name: str, height: float, draw: Callable[[Axes, _Shown], None], shown: _Shown) -> str:
    """The picture as SVG without what stands before its element."""
    import matplotlib
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, height), layout="constrained")
    figure.patch.set_alpha(0)
    axes = figure.add_subplot()
    axes.patch.set_alpha(0)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    draw(axes, shown)
    text = StringIO()
    with matplotlib.rc_context({"svg.hashsalt": name}):  # names in it are the picture's own
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    svg = text.getvalue()
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = re.sub(r"<defs>\s*<style[^>]*>.*?</style>\s*</defs>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\bid="([^"]*)"', rf'id="{name}-\1"', svg)
    svg = re.sub(r'(url\(|href=")#', rf"\1#{name}-", svg)
    svg = re.sub(
        r'<svg [^>]*?viewBox="([^"]*)"[^>]*>', r'<svg viewBox="\1" role="img">', svg, count=1
    )
    return svg.replace(_INK, "currentColor").replace("\n", " ").strip()


def _short(name: str) -> str:
    shown = printable(name)
    return shown if len(shown) <= _LONGEST else f"…{shown[1 - _LONGEST :]}"


def _bars(axes: Axes, groups: Sequence[tuple[str, Group]]) -> None:
    """GPU-hours of each, a bar of several parts, the longest on top."""
    names = [_short(name) for name, _ in groups]
    places = range(len(groups))
    left = [0.0] * len(groups)
    for use in _present(group for _, group in groups):
        lengths = [group.hours[use] for _, group in groups]
        axes.barh(places, lengths, left=left, color=COLOURS[use], label=NAMES[use], height=0.7)
        left = [a + b for a, b in zip(left, lengths, strict=True)]
    axes.set_yticks(places, names)
    axes.invert_yaxis()
    axes.set_xlabel("GPU-hours")
    axes.xaxis.set_major_formatter("{x:,.0f}" if max(left) >= 10 else "{x:.1f}")
    _legend(axes)


def _weeks(axes: Axes, weeks: Mapping[int, Group]) -> None:
    """GPU-hours by the week in which jobs started."""
    last = max(weeks)
    first = max(min(weeks), last - (_WEEKS - 1) * 7 * 86400)
    shown = list(range(first, last + 1, 7 * 86400))
    groups = [weeks.get(week, Group()) for week in shown]
    below = [0.0] * len(shown)
    for use in _present(groups):
        heights = [group.hours[use] for group in groups]
        axes.bar(range(len(shown)), heights, bottom=below, color=COLOURS[use], label=NAMES[use])
        below = [a + b for a, b in zip(below, heights, strict=True)]
    step = -(-len(shown) // 8)
    dates = [time.strftime("%Y-%m-%d", time.gmtime(week)) for week in shown[::step]]
    axes.set_xticks(range(0, len(shown), step), dates)
    axes.set_ylabel("GPU-hours")
    axes.set_xlabel("week that begins on")
    axes.yaxis.set_major_formatter("{x:,.0f}" if max(below) >= 10 else "{x:.1f}")
    _legend(axes)


def _present(groups: Iterable[Group]) -> list[Use]:
    together = list(groups)
    return [use for use in USES if any(group.hours[use] for group in together)]


def _legend(axes: Axes) -> None:
    place: Any = " ".join(("outside", "upper", "left"))  # no sentence for docs/errors.md
    axes.figure.legend(loc=place, ncols=4, frameon=False, fontsize=9)


def _waits(axes: Axes, waits: Sequence[tuple[str, Spread]]) -> None:
    """Waiting times by partition, on a scale of powers; no wait counts as a second."""
    _ranges(axes, [(name or "not known", spread) for name, spread in waits], least=1.0)
    axes.set_xscale("log")
    ticks = [1, 10, 60, 600, 3600, 6 * 3600, 86400, 7 * 86400, 30 * 86400]
    most = max(max(1.0, spread.at(0.9)) for _, spread in waits)
    shown = [tick for tick in ticks if tick <= most * 3] or [1]
    axes.set_xticks(shown, [span(tick) for tick in shown])
    axes.minorticks_off()
    axes.set_xlim(0.8, max(shown[-1], most) * 1.3)
    axes.set_xlabel("waited: 10 % to 90 % of the jobs, point at the middle one")


def _parts(axes: Axes, used: Sequence[tuple[str, Spread]]) -> None:
    """Which part of the time asked for was used, by type."""
    _ranges(axes, used, scale=100)
    axes.set_xlim(0, max(105.0, *(100 * spread.at(0.9) + 5 for _, spread in used)))
    axes.set_xlabel("% of the time asked for: 10 % to 90 % of the jobs, point at the middle one")


def _ranges(
    axes: Axes, spreads: Sequence[tuple[str, Spread]], scale: float = 1, least: float = 0
) -> None:
    places = range(len(spreads))
    low, middle, high = (
        [max(least, scale * spread.at(part)) for _, spread in spreads] for part in (0.1, 0.5, 0.9)
    )
    axes.hlines(places, low, high, color=COLOURS["not_measured"], linewidth=6)
    axes.plot(middle, places, "o", color=COLOURS["used"], markersize=7)
    axes.set_yticks(places, [_short(name) for name, _ in spreads])
    axes.set_ylim(len(spreads) - 0.4, -0.6)
    axes.grid(axis="x", alpha=0.3)
