"""Time and peak memory of `relion-dispatch report` over a facility that never was.

Run with the Python that `deploy/python_environment.sh test` prints; see benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[1]
TARGET_SECONDS, TARGET_MB, OF_JOBS = 30, 300, 100_000
TARGET_KB, OF_PAGE = 500, 1_000  # of the page, for so many jobs


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure relion-dispatch report.")
    parser.add_argument("--jobs", type=int, nargs="+", default=[1_000, 20_000, OF_JOBS])
    parser.add_argument("--runs", type=int, default=3)
    asked = parser.parse_args()
    print("| jobs | wall time | processor time | memory | page |\n|---:|---:|---:|---:|---:|")
    for jobs in asked.jobs:
        with tempfile.TemporaryDirectory() as temporary:
            print(_measured(Path(temporary), jobs, asked.runs), flush=True)
    print(
        f"\nTargets: {OF_JOBS:,} jobs in less than {TARGET_SECONDS} s and {TARGET_MB} MB; a page "
        f"below {TARGET_KB} kB for {OF_PAGE:,} jobs."
    )


def _measured(folder: Path, jobs: int, runs: int) -> str:
    """A row: medians of the runs, after one that is not counted."""
    facility, page = folder / "facility", folder / "report.html"
    script = str(ROOT / "benchmarks" / "synthetic_facility.py")
    subprocess.run([sys.executable, script, str(facility), "--jobs", str(jobs)], check=True)
    report = [sys.executable, "-m", "dispatcher", "report", "--no-accounting", "--html", str(page)]
    found = [_run(report, facility / "site") for _ in range(runs + 1)][1:]
    wall, processor, memory = (median(each) for each in zip(*found, strict=True))
    size = page.stat().st_size / 1e3
    return f"| {jobs:,} | {wall:.1f} s | {processor:.1f} s | {memory:.0f} MB | {size:.0f} kB |"


def _run(command: list[str], site: Path) -> tuple[float, float, float]:
    """Seconds by the clock, seconds of processors, and the peak of memory in MB (10^6 bytes)."""
    environment = {**os.environ, "RELION_DISPATCH_SITE": str(site)}
    began = time.monotonic()
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, used = os.wait4(process.pid, 0)
    took = time.monotonic() - began
    if status:
        raise RuntimeError(f"{' '.join(command)} failed ({status})")
    return took, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / 1e6


if __name__ == "__main__":
    main()
