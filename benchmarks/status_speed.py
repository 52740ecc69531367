"""Processor time and peak memory of `relion-dispatch status` in a project of 10,000 jobs.

Run with the Python that `deploy/python_environment.sh test` prints; see benchmarks/README.md.

Twenty jobs run or wait; of the others nine of ten succeeded. The queue is a file: what squeue
takes comes on top.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path
from statistics import median
from typing import NamedTuple

from benchmark_project import user_environment
from status_project import make_project

COMMAND = Path(__file__).parents[1] / "deploy" / "relion-dispatch"
TARGET = 1.0  # seconds of processor time
CASES = ((), ("--all",), ("--json",), ("Refine3D/job{last}",))


class Run(NamedTuple):
    """What one run took."""

    processor: float  # seconds, of the command and of what it called
    wall: float  # seconds
    memory: float  # MB (10^6 bytes)
    lines: int


def run(command: Path, project: Path, environment: dict[str, str], words: tuple[str, ...]) -> Run:
    """One call of the command; RuntimeError if it fails."""
    with tempfile.TemporaryFile() as output:
        began = os.times().elapsed
        process = subprocess.Popen(
            [command, "status", *words], cwd=project, env=environment, stdout=output, stderr=output
        )
        _, status, used = os.wait4(process.pid, 0)
        wall = os.times().elapsed - began
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        said = output.read().decode(errors="replace")
    if process.returncode:
        raise RuntimeError(f"status {' '.join(words)} failed ({process.returncode}):\n{said}")
    return Run(used.ru_utime + used.ru_stime, wall, used.ru_maxrss * 1024 / 1e6, said.count("\n"))


def main() -> None:
    """Make the project, run all cases in turns, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=7, help="of each case (default: 7)")
    parser.add_argument("--jobs", type=int, default=10_000, help="of the project (default: 10000)")
    parser.add_argument("--keep", action="store_true", help="leave the project, and say where")
    parser.add_argument(
        "--command", type=Path, default=COMMAND, help="another version's deploy/relion-dispatch"
    )
    parser.add_argument("--only", nargs="*", help="one case: the words after status, or none")
    wanted = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="relion-dispatch-benchmark-"))
    try:
        measure(folder, wanted)
    finally:
        if wanted.keep:
            print(f"The project is left in {folder}.")
        else:
            shutil.rmtree(folder)


def measure(folder: Path, wanted: argparse.Namespace) -> None:
    """Make the project below `folder`, and time the cases there."""
    jobs = make_project(folder, wanted.jobs)
    site = json.loads((folder / "site/site.json").read_text())
    site["schedulers"]["slurm"]["queue_command"] = ["cat", str(folder / "site/queue")]
    (folder / "site/site.json").write_text(json.dumps(site))
    environment = user_environment(folder)
    project = folder / "project"
    last = next(job for job in reversed(jobs) if job.name.startswith("Refine3D"))
    cases = [tuple(word.format(last=f"{last.number:03}") for word in words) for words in CASES]
    if wanted.only is not None:
        cases = [tuple(word for word in wanted.only if word)]
    found: dict[tuple[str, ...], list[Run]] = {words: [] for words in cases}
    run(wanted.command, project, environment, cases[0])  # the cache of the configuration is filled
    for turn in range(wanted.runs):
        for words in cases if turn % 2 else reversed(cases):
            found[words].append(run(wanted.command, project, environment, words))
    report(found, wanted.jobs)


def report(found: dict[tuple[str, ...], list[Run]], jobs: int) -> None:
    """Print the medians."""
    print(
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, "
        f"Python {platform.python_version()}; {jobs} jobs, medians, in turns.\n"
    )
    line = "{:<28}{:>12}{:>10}{:>10}{:>8}"
    print(line.format("", "processor s", "wall s", "MB", "lines"))
    for words, runs in found.items():
        processor = median(each.processor for each in runs)
        figures = f"{processor:.2f}", f"{median(each.wall for each in runs):.2f}"
        memory = f"{max(each.memory for each in runs):.0f}"
        print(line.format(f"status {' '.join(words)}", *figures, memory, runs[0].lines))
    processor = median(each.processor for each in next(iter(found.values())))
    verdict = "reached" if processor <= TARGET else "MISSED"
    print(f"\nTarget: {TARGET:g} s of processor time: {verdict}")


if __name__ == "__main__":
    main()
