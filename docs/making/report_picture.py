"""Draws docs/pictures/report.png: the page of `relion-dispatch report`, as a browser shows it.

The facility is one that never was (benchmarks/synthetic_facility.py). Chromium and the Python that
`deploy/python_environment.sh test` prints are needed.

Usage: python -m docs.making.report_picture [CHROMIUM]
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

__all__ = ["PICTURE", "report_picture"]

ROOT = Path(__file__).parents[2]
PICTURE = ROOT / "docs" / "pictures" / "report.png"
WIDTH, HEIGHT = 1100, 2060  # pixels
COLOURS = 160


def report_picture(chromium: str, picture: Path = PICTURE) -> None:
    """Make the facility and its page, and take the picture.

    Raises:
        subprocess.CalledProcessError: one of the programs failed.
    """
    from PIL import Image

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        facility, page = folder / "facility", folder / "report.html"
        _run(
            sys.executable, str(ROOT / "benchmarks" / "synthetic_facility.py"), str(facility),
            "--users", "25", "--jobs", "1200", "--end", "2026-11-27",
        )  # fmt: skip
        os.environ["RELION_DISPATCH_SITE"] = str(facility / "site")
        report = ("report", "--since", "2026-08-01", "--no-accounting", "--html", str(page))
        _run(sys.executable, "-m", "dispatcher", *report)
        shot = folder / "report.png"
        _run(
            chromium, "--headless", "--no-sandbox", "--hide-scrollbars", f"--screenshot={shot}",
            f"--window-size={WIDTH},{HEIGHT}", f"--user-data-dir={folder / 'profile'}",
            page.as_uri(),
        )  # fmt: skip
        picture.parent.mkdir(exist_ok=True)
        with Image.open(shot) as image:
            image.convert("RGB").quantize(COLOURS).save(picture, optimize=True)


def _run(*command: str) -> None:
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)


if __name__ == "__main__":
    report_picture(sys.argv[1] if len(sys.argv) > 1 else "chromium")
