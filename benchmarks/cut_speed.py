"""What a cut costs a job that goes on, beside the iteration that was being computed.

Run with the Python that `deploy/python_environment.sh test` prints; see benchmarks/README.md.

The hook writes the job script of a refinement, and the script runs with programs in the places of
Apptainer and of Slurm's: the first waits, the second says that the time limit is near. The script
is told to end, and started again. The files of the iterations are as long as RELION's for so many
particles.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import quantiles

from benchmark_project import Job, clear_job, make_job, make_site, user_environment

from tests.refinement_files import write_iteration, write_map

ROOT = Path(__file__).parents[1]
TARGET_S = 10
ITERATIONS = 25
ROW = "1 " * 40 + "000001@Extract/job006/Movies/micrograph.mrcs\n"  # bytes of a particle: 125
SCONTROL = """#!/bin/sh
[ "$1" = show ] || exit 0
echo "JobState=RUNNING Restarts=0 EndTime=$(date -d '+60 seconds' +%FT%T) PreemptTime=None"
"""


def write_iterations(folder: Path, particles: int, box: int) -> None:
    """The files of all iterations; of the last one in their full length."""
    for number in range(ITERATIONS + 1):
        write_iteration(folder, number)
    last = folder / f"run_it{ITERATIONS:03}"
    for half in (1, 2):
        write_map(Path(f"{last}_half{half}_class001.mrc"), box)
    head, end = Path(f"{last}_data.star").read_text().split("1\n2\n")
    Path(f"{last}_data.star").write_text(head + ROW * particles + end)


def start(
    job: Job, project: Path, environment: dict[str, str]
) -> tuple[float, subprocess.Popen[bytes]]:
    """Start the job's script; the seconds until its program has begun."""
    begun = project / job.folder / "begun"
    begun.unlink(missing_ok=True)
    at = time.perf_counter()
    script = subprocess.Popen(
        ["bash", f"{job.script}.run"], cwd=project, env=environment, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    while not begun.exists():
        if script.poll() is not None:
            raise RuntimeError(f"the script ended: {list((project / job.folder).iterdir())}")
        time.sleep(0.001)
    return time.perf_counter() - at, script


def cut(script: subprocess.Popen[bytes]) -> float:
    """Warn the script of its time limit; the seconds until it has ended."""
    at = time.perf_counter()
    script.send_signal(signal.SIGTERM)
    script.wait()
    return time.perf_counter() - at


def measure(folder: Path, runs: int, particles: int, box: int) -> dict[str, list[float]]:
    """The seconds of each step."""
    project = folder / "project"
    project.mkdir()
    make_site(folder / "site")
    site = folder / "site" / "site.json"
    wishes = {"mps": False, "goes_on": True}
    site.write_text(json.dumps({**json.loads(site.read_text()), **wishes}))
    job = make_job(project, 101, "3.0", 100)
    (folder / "bin").mkdir()
    waits = f"#!/bin/sh\ntouch {project / job.folder}/begun\nexec sleep 600\n"
    for name, text in (("apptainer", waits), ("scontrol", SCONTROL)):
        program = folder / "bin" / name
        program.write_text(text)
        program.chmod(0o755)
    environment = {
        **user_environment(folder),
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "SLURM_JOB_ID": "4711",
    }
    times: dict[str, list[float]] = {"first start": [], "cut": [], "start of the next run": []}
    for _ in range(runs):
        clear_job(project, job)
        for left in (project / job.folder).glob("run_it*"):
            left.unlink()
        (project / job.script).touch()
        hook = [sys.executable, "-I", str(ROOT / "deploy" / "relion_dispatch.py"), str(job.script)]
        subprocess.run(hook, cwd=project, env=environment, check=True, capture_output=True)
        took, script = start(job, project, environment)
        times["first start"].append(took)
        write_iterations(project / job.folder, particles, box)
        times["cut"].append(cut(script))
        took, script = start(job, project, environment)
        times["start of the next run"].append(took)
        cut(script)
    return times


def main() -> None:
    """Make the files, run everything, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=5, help="of each (default: 5)")
    parser.add_argument("--particles", type=int, default=1_000_000)
    parser.add_argument("--box", type=int, default=256, help="pixels (default: 256)")
    wanted = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="relion-dispatch-benchmark-"))
    try:
        times = measure(folder, wanted.runs, wanted.particles, wanted.box)
    finally:
        shutil.rmtree(folder)
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {wanted.runs} runs each,")
    print(f"{wanted.particles} particles, box {wanted.box}, {ITERATIONS} iterations.")
    print(f"Medians (and quartiles) in s; cut and next start together at most {TARGET_S}.\n")
    for what, each in times.items():
        low, middle, high = quantiles(each, n=4, method="inclusive")
        print(f"{what:<30}{middle:6.2f} ({low:.2f}-{high:.2f})")


if __name__ == "__main__":
    main()
