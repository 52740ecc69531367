"""Draws docs/status.svg: what `relion-dispatch status` shows on a terminal, of a made-up project.

Usage: python -m docs.making.status_picture      (docs/update.sh calls it)
"""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any, cast

from rich.console import Console

from dispatcher.commands.job_screen import Screen, job_screen
from dispatcher.config.places import shipped_folder
from dispatcher.config.site import Site, checked_site
from dispatcher.jobs.status import JobStatus
from dispatcher.scheduler.waiting import in_plain_words

__all__ = ["PICTURE", "status_picture"]

PICTURE = Path(__file__).parents[2] / "docs" / "status.svg"
COLUMNS = 118
NOW = datetime(2026, 11, 28, 14, 40)
OTHERS = Counter({"Succeeded": 212, "Failed": 9, "Aborted": 3})


def status_picture() -> str:
    """The picture, as SVG that names no file elsewhere."""
    lines = job_screen(_jobs(), "", [], Screen(COLUMNS), OTHERS, NOW)
    console = Console(record=True, width=COLUMNS, file=StringIO(), highlight=False)
    for line in lines:
        console.print(line, soft_wrap=True)
    drawn = console.export_svg(title="relion-dispatch status", unique_id="status")
    # What the fonts are fetched from; without it a reader's own fixed-width font is used.
    return re.sub(r"\s*@font-face \{.*?\}", "", drawn, flags=re.DOTALL)


def _jobs() -> list[JobStatus]:
    image = "relion 5.0.1"
    ranks: dict[str, Any] = {"nproc": 9, "ngpu": 4, "image": image}
    full = "The job failed after 0:12:03, because the disk is full: free space there."
    return [
        _job("Refine3D/job219", state="RUNNING", job_id="4711", node="gpu1", run_time="3:02:33",
             iteration=12, minutes_per_iteration=11.4, **ranks),
        _job("Class3D/job221", state="RUNNING", job_id="4713", node="gpu3", run_time="2:10:05",
             iteration=17, iterations=25, minutes_per_iteration=7.5, expected_end=_at(15, 41),
             **ranks),
        _job("Class3D/job222", state="PENDING", job_id="4715", waiting_since=_at(11, 52),
             **_waits("AssocGrpGRES"), **ranks),
        _job("Refine3D/job223", state="PENDING", job_id="4716", waiting_since=_at(14, 31),
             **_waits("ReqNodeNotAvail, UnavailableNodes:gpu[5-6]"), **ranks),
        _job("CtfRefine/job220", "Failed", job_id="4712", node="gpu2", seconds=723, nproc=8,
             ngpu=0, image=image, reason=full),
        _job("Extract/job218", "Succeeded", job_id="4702", node="cpu7", seconds=251, nproc=8,
             ngpu=0, image=image),
    ]  # fmt: skip


def _job(name: str, relion: str = "Running", **known: Any) -> JobStatus:
    entries: dict[str, Any] = dict.fromkeys(JobStatus.__annotations__)
    return cast(JobStatus, entries | {"job": name, "relion": relion} | known)


def _waits(reason: str) -> dict[str, Any]:
    """The reason with the words of the shipped file of Slurm."""
    site: Site = checked_site({}, shipped_folder() / "config" / "site.json")
    says = in_plain_words(site.schedulers["slurm"], reason, "4716")
    return {"reason": reason, "waits_for": says}


def _at(hour: int, minute: int) -> str:
    """That time today, as in a record, in whichever zone this machine is."""
    local = NOW.replace(hour=hour, minute=minute).astimezone()
    return local.astimezone(UTC).isoformat(timespec="seconds")


if __name__ == "__main__":
    PICTURE.write_text(status_picture())
