"""The forms of a report: page, spreadsheet, Prometheus, text; with names that would do harm."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from xml.etree import ElementTree

import pytest

from dispatcher.commands.report_text import report_text
from dispatcher.config.configuration import load_configuration
from dispatcher.errors import InputError
from dispatcher.report.figures import Figures
from dispatcher.report.files import write_report
from dispatcher.report.findings import findings
from dispatcher.report.job_folders import Passed
from dispatcher.report.job_row import JobRow
from dispatcher.report.names import Known, Names
from dispatcher.report.page import MARK, page
from dispatcher.report.pictures import pictures
from dispatcher.report.prometheus import FIRST_LINE, metrics
from dispatcher.report.report import Covered, Report
from dispatcher.report.spreadsheet import HEADS, line

from .rows import HOUR, MONDAY, job_row

KNOWN = Known(
    frozenset({"refine", 'a"b\\c\nd'}), frozenset({"relion 5.0.1"}), frozenset({"", "gpu"})
)
SCRIPT = "<script>alert(1)</script>"
HOSTILE = [
    SCRIPT,
    '"><img src=x>',
    "a\nb\x1b[2J",
    "$x_{$",
    "=1+1",
    "\udcff",
    "&amp;",
    "%s",
    "{{7*7}}",
]


def report_of(*rows: JobRow, anonymous: bool = False, notes: tuple[str, ...] = ()) -> Report:
    names, figures, nameless = Names(anonymous, KNOWN), Figures(), Figures()
    for row in rows:
        figures.add(names.given(row))
        nameless.add(names.labelled(names.given(row)))
    covered = Covered([Path("/data/p1")], MONDAY - 86400, MONDAY + 30 * 86400, anonymous, True)
    found = tuple(findings(figures, {}, covered.when))
    return Report(covered, figures, Passed({"closed jobs": 3}), notes, found, nameless)


def hostile_report() -> Report:
    rows = [
        job_row(
            user=name,
            project=name,
            type=name,
            version=name,
            partition=name,
            outcome=outcome,
            cause=name if outcome == "failed" else None,
            started=MONDAY + HOUR + week * 7 * 86400,
        )
        for week, name in enumerate(HOSTILE)
        for outcome in ("failed", "failed", "succeeded")
    ]
    return report_of(*rows, notes=(SCRIPT,))


class Page(HTMLParser):
    """The elements of a page, and its text; each element that is opened is closed in its place."""

    EMPTY = ("meta", "path", "use", "br", "rect")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: Counter[str] = Counter()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements[tag] += 1
        self.attributes |= {name for name, _ in attrs}
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements[tag] += 1
        self.attributes |= {name for name, _ in attrs}

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_is_well_formed_and_needs_nothing_else() -> None:
    shown = page(report_of(job_row(), job_row(started=MONDAY + 9 * 86400)))
    found = Page(shown)

    assert found.open == []
    assert found.elements["h1"] == 1
    assert found.elements["svg"] == 5
    assert not found.elements.keys() & {"script", "link", "img", "iframe", "object"}
    assert not [name for name in found.attributes if name.startswith("on")]
    assert not re.search(r'(src|href)="(?!#)', shown)
    assert "url(http" not in shown
    assert "@import" not in shown


def test_names_on_the_page_are_text() -> None:
    found = Page(page(hostile_report()))

    assert not found.elements.keys() & {"script", "img"}
    assert SCRIPT in found.text
    assert "\x1b" not in found.text
    assert r"a\nb\x1b[2J" in found.text
    assert "{{7*7}}" in found.text


def test_pictures_are_svg_whose_text_is_text() -> None:
    drawn = pictures(hostile_report().figures)

    assert list(drawn) == ["weeks", "users", "types", "waits", "time"]
    for name, svg in drawn.items():
        root = ElementTree.fromstring(re.sub(r" xlink:href", " href", svg))
        ids = [each.get("id") for each in root.iter() if each.get("id")]
        assert len(ids) == len(set(ids))
        assert all(each.startswith(f"{name}-") for each in ids if each)
        texts = {"".join(each.itertext()) for each in root.iter() if each.tag.endswith("text")}
        if name != "weeks":
            assert {SCRIPT, "$x_{$", "=1+1"} <= texts


def test_nothing_to_tell_is_a_page_too() -> None:
    assert "There is no job to tell of." in Page(page(report_of())).text
    only_refused = report_of(job_row(outcome="refused", gpus=0, seconds=None, started=None))
    assert Page(page(only_refused)).elements["svg"] == 0


def test_a_page_of_many_names_stays_small() -> None:
    rows = [job_row(user=f"user{n}", project=f"/data/{n}", type=f"t{n}") for n in range(1000)]

    shown = page(report_of(*rows))

    assert len(shown.encode()) < 500_000
    assert "The first 100 of 1000 are shown" in shown


def test_the_spreadsheet_has_a_line_for_each_job_and_no_formula() -> None:
    rows = [job_row(user=name) for name in [*HOSTILE, "+x", "-x", "@x", "  =x", "\t=x"]]
    text = line(None) + "".join(map(line, rows))

    heads, *cells = csv.reader(StringIO(text))

    assert heads == list(HEADS)
    assert len(cells) == len(rows) == len(text.splitlines()) - 1
    users = [cell[0] for cell in cells]
    assert users[-5:] == ["'+x", "'-x", "'@x", "'  =x", r"\t=x"]
    assert users[4] == "'=1+1"
    first = dict(zip(heads, cells[0], strict=True))
    assert (first["gpu_hours"], first["wasted_gpu_hours"], first["waited_seconds"]) == (
        "4.0",
        "0",
        "3600",
    )


def samples(text: str) -> dict[str, list[tuple[dict[str, str], float]]]:
    """The metrics of Prometheus's text format, read as its specification has it."""
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    helped: set[str] = set()
    typed: set[str] = set()
    for each in text.splitlines():
        if comment := re.fullmatch(r"# (HELP|TYPE) ([a-z_]+) (.*)", each):
            (helped if comment[1] == "HELP" else typed).add(comment[2])
            assert comment[1] == "HELP" or comment[3] == "gauge"
            continue
        if each.startswith("#"):
            continue
        sample = re.fullmatch(r'([a-z_]+)(?:\{((?:[a-z]+="(?:[^"\\]|\\.)*",?)*)\})? (\S+)', each)
        assert sample, each
        assert sample[1] in helped & typed
        labels = dict(re.findall(r'([a-z]+)="((?:[^"\\]|\\.)*)"', sample[2] or ""))
        found.setdefault(sample[1], []).append((labels, float(sample[3])))
    return found


def test_metrics_for_prometheus() -> None:
    text = metrics(
        report_of(job_row(), job_row(means=(90, 0)), job_row(outcome="failed", cause="c"))
    )

    assert text.startswith(FIRST_LINE)
    assert text.endswith("\n")
    found = samples(text)
    cell = {"type": "refine", "version": "relion 5.0.1", "partition": "gpu"}
    assert found["relion_dispatch_jobs"] == [
        ({**cell, "outcome": "failed"}, 1),
        ({**cell, "outcome": "succeeded"}, 2),
    ]
    assert found["relion_dispatch_gpu_hours"] == [
        ({**cell, "outcome": "used"}, 6),
        ({**cell, "outcome": "idle"}, 2),
        ({**cell, "outcome": "failed"}, 4),
    ]
    assert found["relion_dispatch_gpu_hours_wasted"] == [
        ({**cell, "outcome": "failed"}, 4),
        ({**cell, "outcome": "idle"}, 2),
    ]
    assert found["relion_dispatch_failed_jobs"] == [({"cause": "c"}, 1)]
    assert found["relion_dispatch_wait_seconds"][0] == ({"partition": "gpu", "part": "0.5"}, 3600)
    assert found["relion_dispatch_passed_over"] == [({"what": "closed jobs"}, 3)]


def test_metrics_name_nobody_and_escape_what_they_name() -> None:
    rows = [job_row(user="ada-l", project="/data/secret", type='a"b\\c\nd')]

    text = metrics(report_of(*rows))

    assert "ada-l" not in text
    assert "secret" not in text
    assert samples(text)["relion_dispatch_jobs"][0][0]["type"] == r"a\"b\\c\\nd"


def test_an_anonymous_report_has_numbers_for_names() -> None:
    rows = [
        job_row(user=user, project=f"/data/{user}", outcome=outcome, cause="c")
        for user in ("ada-l", "ben-m")
        for outcome in ("failed", "failed", "succeeded")
    ]
    report = report_of(*rows, anonymous=True)

    for text in (
        json.dumps(report.as_json()), page(report), report_text(report, None), metrics(report),
        line(Names(True, KNOWN).given(rows[0])),
    ):  # fmt: skip
        assert "ada-l" not in text
        assert "ben-m" not in text
    assert "user 2" in report_text(report, None)
    assert "Failed jobs of user 1" in page(report)


def test_what_only_records_tell_names_nobody() -> None:
    keys = ("type", "version", "partition")
    rows = [
        job_row(job="ada_private_HIV/job019", **dict.fromkeys(keys, "of ada")),
        job_row(job="Refine3D/job020", type="HIV of ada"),
    ]
    hidden = report_of(*rows, anonymous=True)
    names = Names(True, KNOWN)
    table = "".join(line(names.given(row)) for row in rows)

    for text in (
        json.dumps(hidden.as_json()), page(hidden), report_text(hidden, None), table,
        metrics(hidden), metrics(report_of(*rows)),
    ):  # fmt: skip
        assert "of ada" not in text
        assert "HIV" not in text
    found = samples(metrics(report_of(*rows)))["relion_dispatch_jobs"]
    assert found[0][0] | {"outcome": ""} == {
        "type": "another type",
        "version": "another version",
        "partition": "another partition",
        "outcome": "",
    }
    assert "job 1," in table
    assert "Refine3D/job020," in table
    told = Names(True, KNOWN).given(job_row(partition="long", accounted=True))
    assert told.partition == "long"


def test_the_site_knows_its_types_versions_and_partitions() -> None:
    known = Known.of(load_configuration())

    assert {"refine", "unknown"} <= known.types
    assert "on the host" in known.versions
    assert "" in known.partitions


def test_the_text_fits_a_terminal_and_acts_on_none() -> None:
    report = hostile_report()

    shown = report_text(report, 60)

    assert max(map(len, shown.splitlines())) <= 60
    assert "\x1b" not in shown
    assert shown.splitlines()[0].startswith("RELION jobs since 2026-11-01: 27 submissions")
    assert "wasted: " in shown


def test_json_has_the_sums() -> None:
    found = report_of(job_row(), job_row(means=(90, 0), user="ben")).as_json()

    assert found["total"]["gpu_hours"] == 8
    assert found["total"]["wasted_gpu_hours"] == 2
    assert [each["user"] for each in found["by_user"]] == ["ada", "ben"]
    assert found["waiting_seconds"][0]["median"] == 3600
    assert found["asked_and_used"][0]["time_used_part"]["median"] == 0.2
    assert found["passed_over"] == {"closed jobs": 3}
    json.dumps(found)


def test_a_file_takes_the_place_of_an_earlier_report_alone(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_report(path, f"first {MARK}", MARK)
    write_report(path, f"second {MARK}", MARK)
    assert path.read_text() == f"second {MARK}"

    path.write_text("a letter")
    with pytest.raises(InputError, match="is no report of relion-dispatch: remove the file"):
        write_report(path, f"third {MARK}", MARK)
    assert path.read_text() == "a letter"


def test_a_file_does_not_follow_a_link(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text(MARK)
    (tmp_path / "report.html").symlink_to(other)

    with pytest.raises(InputError, match="already exists"):
        write_report(tmp_path / "report.html", MARK, MARK)
