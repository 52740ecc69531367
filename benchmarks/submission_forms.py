"""Time of one submission in both forms of the dispatcher, and of the check on the node.

Run as an ordinary user, with the Python that `deploy/python_environment.sh test` prints and the
image that `deploy/build_appliance.sh` prints; see benchmarks/README.md. The scheduler is a
stand-in, `echo 4711`: what sbatch takes comes on top. Both forms take turns.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median, quantiles

from benchmark_project import Job, clear_job, make_job, make_site

DEPLOY = Path(__file__).parents[1] / "deploy"
TARGET_MS = {"appliance": 600, "check on the node": 50}
CHECK = (
    """found="$(stat -Lc %s "$1") $(od -An -tx1 -j48 -N16 "$1" | tr -d ' \\n')"; [ -n "$found" ]"""
)


def main() -> None:
    """Make a project, submit in turns, print medians and quartiles."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("appliance", type=Path, help="the dispatcher's image (SIF)")
    parser.add_argument("--runs", type=int, default=15, help="of each form (default: 15)")
    wanted = parser.parse_args()
    if os.getuid() == 0:
        parser.error("containers do not run well as root: deploy/ordinary_user.sh runs commands")
    with tempfile.TemporaryDirectory(prefix="relion-dispatch-benchmark-") as name:
        measure(Path(name), wanted.appliance.resolve(), wanted.runs)


def measure(folder: Path, appliance: Path, runs: int) -> None:
    """Run everything in turns in a new project below `folder`."""
    project = folder / "project"
    project.mkdir()
    make_site(folder / "site")
    job = make_job(project, 101, "3.1", 10_000)
    shim = folder / "bin" / "relion_dispatch.py"
    shim.parent.mkdir()
    shim.symlink_to(DEPLOY / "appliance.sh")
    environment = {
        **os.environ,
        "RELION_DISPATCH_SITE": str(folder / "site"),
        "RELION_DISPATCH_PYTHON": sys.executable,
        "RELION_DISPATCH_APPLIANCE": str(appliance),
    }
    commands: dict[str, list[str | Path]] = {
        "python": [DEPLOY / "relion_dispatch.py", job.script],
        "appliance": [shim, job.script],
        "container start alone": ["apptainer", "--quiet", "exec", appliance, "true"],
        "check on the node": ["bash", "-c", CHECK, "bash", folder / "site" / "relion.sif"],
    }
    times: dict[str, list[float]] = {what: [] for what in commands}
    for turn in range(runs + 1):
        for what, command in commands.items():
            clear_job(project, job)
            start = time.perf_counter()
            subprocess.run(command, cwd=project, env=environment, check=True, capture_output=True)
            if turn:  # the first fills caches
                times[what].append((time.perf_counter() - start) * 1000)
            if what in ("python", "appliance"):
                assert_submitted(project, job)
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {runs} runs of each, in turns.")
    for what, found in times.items():
        low, _, high = quantiles(found, n=4, method="inclusive")
        limit = TARGET_MS.get(what)
        verdict = "" if limit is None else f"  at most {limit}: "
        verdict += "" if limit is None else "reached" if median(found) <= limit else "MISSED"
        print(f"{what:24}{median(found):6.0f} ms ({low:.0f}-{high:.0f}){verdict}")


def assert_submitted(project: Path, job: Job) -> None:
    """The job was submitted and recorded."""
    record = json.loads((project / job.folder / "dispatch.json").read_text())
    if record["job_id"] != "4711":
        raise RuntimeError(f"{job.script} was not submitted")


if __name__ == "__main__":
    main()
