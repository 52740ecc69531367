"""Set-up and tear-down of MPS, and the cost of sampling, as the job script does them.

Run with the Python that `deploy/python_environment.sh test` prints, with NVIDIA's control daemon on
PATH (`tests/system/mps_control.sh` prints a folder with one); see benchmarks/README.md.

A job script is rendered with the shipped templates for a refinement whose ranks share GPUs, and run
with a program in Apptainer's place that notes the time and ends. Times without MPS are measured in
turns with those with it, so that what the rest of the script takes is not counted. No GPU is
needed; with none, nvidia-smi is a stand-in, and what its own queries take is not in the figures.
"""

from __future__ import annotations

import argparse
import os
import resource
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median, quantiles

from benchmark_project import make_job, make_site

ROOT = Path(__file__).parents[1]
TARGET_MS = 1000
TARGET_PERCENT = 1

RANKS = """#!/bin/bash
date +%s%N > "$NOTED"
date +%s%N >> "$NOTED"
"""


def program(path: Path, text: str) -> None:
    """Write an executable."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def render(folder: Path, mps: bool) -> Path:
    """A job script for a refinement with two followers on a GPU; returns its path."""
    sys.path.insert(0, str(ROOT))
    from dispatcher.config.configuration import load_configuration
    from dispatcher.job_script.library import LIBRARY, read_library
    from dispatcher.job_script.variables import job_script
    from dispatcher.planning.make_plan import plan_script

    os.environ["RELION_DISPATCH_SITE"] = str(folder / "site")
    job = folder / "project" / "Refine3D/job101"
    plan = plan_script(job / "run_submit.script", load_configuration())
    if not plan.mps:
        raise RuntimeError(f"the plan has no MPS: {plan.reasons}")
    script = folder / f"job_script_{'with' if mps else 'without'}"
    library = read_library(plan.directives)
    (job / LIBRARY).write_text(library.text)
    plan = plan._replace(mps=mps, site=replace(plan.site, watch_gpus=True))
    script.write_text(job_script(plan, secrets.token_hex(6), library))
    return script


def timed(folder: Path, script: Path) -> tuple[float, float]:
    """Milliseconds before the ranks, and after them."""
    noted = folder / "noted"
    environment = {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "NOTED": str(noted)}
    begun = time.time()
    with (folder / "output").open("w") as output:
        subprocess.run(
            ["bash", script], cwd=folder / "project", env=environment, check=True, stdout=output
        )
    ended = time.time()
    first, last = (int(line) / 1e9 for line in noted.read_text().split())
    logs = list((folder / "project").glob("Refine3D/job101/mps_log*"))
    if logs or "MPS did not start" in (folder / "output").read_text():
        raise RuntimeError(f"MPS failed: {logs}")
    return (first - begun) * 1e3, (ended - last) * 1e3


def summing_up(hours: int = 1) -> float:
    """Percent of a core that summing up the samples of 8 GPUs takes, one per GPU every 5 s."""
    line = "GPU-{at:08d}-0000-0000-0000-000000000000, 20480, 93\n"
    samples = "".join(line.format(at=at) for at in range(8)) * (hours * 720)
    function = f"source {ROOT}/job_template/library/keeper.sh; sum_up_samples"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        ["bash", "-c", function], input=samples, text=True, capture_output=True, check=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.stdout.count(" 720 ") != 8:
        raise RuntimeError(done.stdout + done.stderr)
    used = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return used / (hours * 3600) * 100


def main() -> None:
    """Make the files, run everything in turns, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=20, help="with MPS, and without (default: 20)")
    wanted = parser.parse_args()
    if wanted.runs < 2:
        parser.error("--runs: at least 2")
    if not shutil.which("nvidia-cuda-mps-control"):
        parser.error("nvidia-cuda-mps-control is not on PATH")
    folder = Path(tempfile.mkdtemp(prefix="relion-dispatch-benchmark-"))
    try:
        measure(folder, wanted.runs)
    finally:
        shutil.rmtree(folder)


def measure(folder: Path, runs: int) -> None:
    """Run all cases and print the report."""
    (folder / "project").mkdir()
    make_site(folder / "site")
    make_job(folder / "project", 101, "3.0", 100)
    program(folder / "bin" / "apptainer", RANKS)
    (folder / "bin" / "nvidia-smi").symlink_to(ROOT / "tests/stand_ins/gpu/eight/nvidia-smi")
    scripts = {mps: render(folder, mps) for mps in (True, False)}
    times: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
    for _ in range(runs):
        for mps, script in scripts.items():
            times[mps].append(timed(folder, script))
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {runs} runs each, in turns.")
    print("Medians (and quartiles) in ms.\n")
    print(f"{'':<14}{'before the ranks':>22}{'after them':>22}")
    for mps, rows in times.items():
        cells = "".join(f"{spread([row[at] for row in rows]):>22}" for at in (0, 1))
        print(f"{'with MPS' if mps else 'without':<14}{cells}")
    for at, what in enumerate(("set-up", "tear-down")):
        most = max(row[at] for row in times[True]) - median(row[at] for row in times[False])
        verdict = "reached" if most < TARGET_MS else "MISSED"
        print(f"{what} of MPS, slowest: {most:.0f} ms, less than {TARGET_MS}: {verdict}")
    cpu = summing_up()
    verdict = "reached" if cpu <= TARGET_PERCENT else "MISSED"
    print(f"samples of 8 GPUs: {cpu:.3f} % of a core beside nvidia-smi's own work: {verdict}")


def spread(times: list[float]) -> str:
    """Median and quartiles: '121 (118-125)'."""
    low, middle, high = quantiles(times, n=4, method="inclusive")
    return f"{middle:.0f} ({low:.0f}-{high:.0f})"


if __name__ == "__main__":
    main()
