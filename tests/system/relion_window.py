"""RELION's own window on a screen that no monitor shows: read and clicked as its user would.

Xvfb is the screen, xdotool the mouse, tesseract reads. What is to be seen is waited for.
"""

from __future__ import annotations

import difflib
import io
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageGrab

from ..waiting import wait_for
from .project import Project

__all__ = ["ERRORS", "FINISHED", "OUTPUT", "RUNNING", "Area", "RelionWindow", "a_window"]

_ENLARGED = 3  # times: tesseract wants letters of 30 pixels, the window's have 12


class Area(NamedTuple):
    """A part of RELION's window, in pixels from its upper left corner."""

    left: int
    top: int
    right: int
    bottom: int


_FIELDS = json.loads((Path(__file__).parents[2] / "config" / "site.json").read_text())["window"]
# Each field of the site's behind the fourth makes the upper half longer (GUIEXTRA, gui_entries.h).
_GROWN = 20 * max(0, len(_FIELDS["fields"]) - 4)


def _below(left: int, top: int, right: int, bottom: int) -> Area:
    """A part of the lower half, which begins behind the last field."""
    return Area(left, top + _GROWN, right, bottom + _GROWN)


# Where things are in RELION 3.1 to 5.1 (src/gui_mainwindow.h, src/gui_entries.h, 5.0.1).
JOB_TYPES = Area(10, 36, 172, 364)
RUN = (740, 345 + _GROWN)
JOB_ACTIONS = (145, 385 + _GROWN)
FINISHED = _below(14, 440, 242, 622)
NEWEST = (60, 446 + _GROWN)  # the first row of the finished jobs
RUNNING = _below(277, 437, 520, 517)
OUTPUT = _below(12, 638, 788, 736)  # run.out
ERRORS = _below(12, 748, 788, 792)  # run.err


class Word(NamedTuple):
    """A word that was read, and the middle of it in pixels of the screen."""

    text: str
    x: int
    y: int


def _says(read: str, expected: str) -> bool:
    """Whether a text was read as it is, but for some letters that look alike (l and 1, O and 0)."""
    read, expected = " ".join(read.split()), " ".join(expected.split())
    return difflib.SequenceMatcher(None, read, expected, autojunk=False).ratio() > 0.95


class RelionWindow:
    """The window of a project, on a display of its own."""

    def __init__(self, display: str, screenshots: Path, relion: subprocess.Popen[bytes]) -> None:
        self._display = display
        self._screenshots = screenshots
        self._seen: dict[bytes, list[Word]] = {}
        wait_for(lambda: self._place() or relion.poll() is not None, 60, "RELION's window")
        found = self._place()
        assert found, "RELION has ended"
        self._left, self._top = found
        wait_for(lambda: "Mask creation" in self.read(JOB_TYPES), 60, "the window's list of jobs")

    def _xdotool(self, *words: str) -> str:
        done = subprocess.run(
            ["xdotool", *words],
            env={**os.environ, "DISPLAY": self._display},
            capture_output=True,
            text=True,
        )
        return done.stdout

    def _place(self) -> tuple[int, int] | None:
        """Where on the screen the window begins."""
        said = self._xdotool(
            "search", "--onlyvisible", "--name", "^RELION", "getwindowgeometry", "--shell"
        )
        values = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
        return (int(values["X"]), int(values["Y"])) if "X" in values else None

    def screenshot(self, area: Area | None = None) -> Image.Image:
        """The screen, or a part of the window, as it is now."""
        screen = ImageGrab.grab(xdisplay=self._display)
        if area is None:
            return screen
        left, top = self._left, self._top
        return screen.crop((area.left + left, area.top + top, area.right + left, area.bottom + top))

    def keep(self, name: str) -> None:
        """Keep a screenshot for who wants to judge the window by eye."""
        self._screenshots.mkdir(parents=True, exist_ok=True)
        self.screenshot().save(self._screenshots / f"{name}.png")

    def _words(self, area: Area | None = None) -> list[Word]:
        """The words in a part of the window, or on the whole screen. A picture is read once."""
        picture = self.screenshot(area).convert("L")
        left, top = (area.left + self._left, area.top + self._top) if area else (0, 0)
        enlarged = picture.resize((picture.width * _ENLARGED, picture.height * _ENLARGED))
        file = io.BytesIO()
        enlarged.save(file, "png")
        key = file.getvalue() + repr(area).encode()
        if key not in self._seen:
            layout = "6" if area else "11"  # a block of text; words anywhere
            table = subprocess.run(
                ["tesseract", "stdin", "stdout", "--psm", layout, "tsv"],
                input=file.getvalue(),
                env={**os.environ, "OMP_THREAD_LIMIT": "1"},
                capture_output=True,
                check=True,
            ).stdout.decode()
            rows = [line.split("\t") for line in table.splitlines()[1:]]
            self._seen[key] = [
                Word(
                    row[11],
                    left + (int(row[6]) + int(row[8]) // 2) // _ENLARGED,
                    top + (int(row[7]) + int(row[9]) // 2) // _ENLARGED,
                )
                for row in rows
                if len(row) > 11 and row[11].strip()
            ]
        return self._seen[key]

    def read(self, area: Area | None = None) -> str:
        """The text that is seen in a part of the window, or on the whole screen."""
        return " ".join(word.text for word in self._words(area))

    def _wait_to_see(self, condition: Callable[[], object], what: str) -> None:
        try:
            wait_for(condition, 60, what)
        except AssertionError as error:
            self.keep("not_seen")
            raise AssertionError(f"{error}; what is seen: {self.read()}") from None

    def colours(self, area: Area) -> set[object]:
        """The colours in a part of the window, as (red, green, blue) from 0 to 255."""
        picture = self.screenshot(area).convert("RGB")
        return {colour for _, colour in picture.getcolors(picture.width * picture.height) or []}

    def wait_to_read(self, area: Area, text: str) -> None:
        """Wait until a text is seen."""
        self._wait_to_see(lambda: text in self.read(area), repr(text))

    def click(self, x: int, y: int, *, window: bool = True) -> None:
        """Click at a place of the window, or of the screen."""
        left, top = (self._left, self._top) if window else (0, 0)
        self._xdotool("mousemove", str(x + left), str(y + top))
        self._xdotool("click", "1")

    def _places(self, text: str, area: Area | None) -> list[Word]:
        """The first words of a text, wherever it is seen in an area or on the screen."""
        first, *more = text.split()
        words = self._words(area)
        return [
            word
            for at, word in enumerate(words)
            if word.text == first
            and [each.text for each in words[at + 1 : at + 1 + len(more)]] == more
        ]

    def click_if_seen(self, text: str, area: Area | None = None) -> bool:
        """Click on the first word of a text, if it is seen; whether it was."""
        places = self._places(text, area)
        if places:
            self.click(places[-1].x, places[-1].y, window=False)
        return bool(places)

    def click_on(self, text: str, area: Area | None = None) -> None:
        """Click on the first word of a text, once it is seen."""
        self._wait_to_see(lambda: self.click_if_seen(text, area), f"{text!r} to click on")

    def run(self, job_type: str) -> None:
        """Choose a type of job and click on Run!: RELION has remembered its fields."""
        self._xdotool("mousemove", str(self._left + 60), str(self._top + 100))
        for _ in range(20):  # to the end of the list, and back until the type is seen
            self._xdotool("click", "5")
        for _ in range(20):
            if job_type in self.read(JOB_TYPES):
                break
            self._xdotool("click", "4")
        self.click_on(job_type, JOB_TYPES)
        self.click(*RUN)

    def wait_for_end(self, job: str) -> None:
        """Click on a running job until it is among the finished ones: RELION looks only then.

        The name of an aborted job is struck through there, and cannot be read.
        """

        def is_finished() -> bool:
            self.click_if_seen(job, RUNNING)
            return len(self.colours(FINISHED)) > 1

        self._wait_to_see(is_finished, f"{job} among the finished jobs")

    def wait_to_read_why(self, reason: Callable[[], str], area: Area = ERRORS) -> None:
        """Click on the newest finished job until a field shows all of a sentence, and only that.

        `reason` gives the sentence as it is now: it is written just after RELION was told.
        """

        def is_read() -> bool:
            if _says(self.read(area), reason()):
                return True
            self.click(*NEWEST)
            return False

        self._wait_to_see(is_read, "the whole sentence")

    def abort(self, job: str) -> None:
        """Abort a running job by the menu below the list of types."""
        self.click_on(job, RUNNING)
        self.click(*JOB_ACTIONS)
        self.click_on("Abort running")
        self._wait_to_see(lambda: "want to abort" in self.read(), "RELION's question")
        self._xdotool("key", "Return")  # Abort! is the default


@contextmanager
def a_window(project: Project, screenshots: Path) -> Iterator[RelionWindow]:
    """RELION's window of the project, started as its user does, on a screen of its own."""
    (project.folder / ".gui_projectdir").touch()  # else RELION asks whether this is a project
    read, write = os.pipe()
    # Without -noreset the screen begins anew whenever its last client ends, as xdotool does.
    screen = subprocess.Popen(
        [
            "Xvfb",
            "-displayfd",
            str(write),
            "-screen",
            "0",
            "1024x900x24",
            "-nolisten",
            "tcp",
            "-noreset",
        ],
        pass_fds=[write],
        stderr=subprocess.DEVNULL,
    )
    os.close(write)
    with os.fdopen(read) as told:
        display = f":{told.readline().strip()}"  # comes when the screen can be used
    relion = subprocess.Popen(
        [project.command, "relion"],
        cwd=project.folder,
        env={**project.environment, "DISPLAY": display},
    )
    try:
        yield RelionWindow(display, screenshots, relion)
    finally:
        screen.terminate()  # RELION's window goes with it
        screen.wait(30)
        try:
            relion.wait(60)
        finally:
            relion.kill()
