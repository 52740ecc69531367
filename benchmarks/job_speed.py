"""What a job script adds to the time of the program that it runs.

Run with the Python that `deploy/python_environment.sh test` prints; see benchmarks/README.md.

The hook writes a job script of a refinement on one node, and the script runs with a program in
Apptainer's place that ends at once, in turns with that program alone. No
container, GPU or scheduler is needed: what is left is the time of the script itself. `--root`
measures another checkout of the dispatcher as well, in the same turns.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import quantiles

from benchmark_project import Job, clear_job, make_job, make_site

ROOT = Path(__file__).parents[1]
TARGET_MS = 400
NOTHING = "#!/bin/sh\nexit 0\n"


def seconds(argv: list[str], cwd: Path, environment: dict[str, str]) -> float:
    """How long a program takes that must succeed."""
    begun = time.perf_counter()
    subprocess.run(argv, cwd=cwd, env=environment, check=True, capture_output=True)
    return time.perf_counter() - begun


def run_job(root: Path, folder: Path, job: Job, environment: dict[str, str]) -> float:
    """Dispatch the job with the dispatcher at `root`; the seconds that its script takes."""
    project = folder / "project"
    clear_job(project, job)
    for left in [*(project / job.folder).glob("RELION_JOB_*")]:
        left.unlink()
    (project / job.script).touch()  # RELION writes it anew for each run
    hook = [sys.executable, "-I", str(root / "deploy" / "relion_dispatch.py"), str(job.script)]
    seconds(hook, project, environment)
    took = seconds(["bash", f"{job.script}.run"], project, environment)
    if not (project / job.folder / "RELION_JOB_EXIT_SUCCESS").exists():
        raise RuntimeError((project / job.folder / "run.err").read_text())
    return took


def spread(times: list[float]) -> str:
    """Median and quartiles in ms: '121 (118-125)'."""
    low, middle, high = (each * 1000 for each in quantiles(times, n=4, method="inclusive"))
    return f"{middle:.0f} ({low:.0f}-{high:.0f})"


def main() -> None:
    """Make the files, run everything in turns, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=15, help="of each (default: 15)")
    parser.add_argument("--root", type=Path, help="another checkout, to compare with")
    wanted = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="relion-dispatch-benchmark-"))
    try:
        measure(folder, wanted.runs, [ROOT, *([wanted.root.resolve()] if wanted.root else [])])
    finally:
        shutil.rmtree(folder)


def measure(folder: Path, runs: int, roots: list[Path]) -> None:
    """Run all cases and print the report."""
    (folder / "project").mkdir()
    make_site(folder / "site")
    site = folder / "site" / "site.json"
    site.write_text(json.dumps({**json.loads(site.read_text()), "mps": False}))
    job = make_job(folder / "project", 101, "3.1", 100)
    (folder / "bin").mkdir()
    program = folder / "bin" / "apptainer"
    program.write_text(NOTHING)
    program.chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "RELION_DISPATCH_SITE": str(folder / "site"),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "RELION_DISPATCH_PYTHON": sys.executable,
    }
    times: dict[str, list[float]] = {}
    for _ in range(runs):
        alone = seconds([str(program)], folder, environment)
        times.setdefault("the program alone", []).append(alone)
        for root in roots:
            took = run_job(root, folder, job, environment) - alone
            times.setdefault(f"added by the script of {root.name}", []).append(took)
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {runs} runs each, in turns.")
    print(f"Medians (and quartiles) in ms; at most {TARGET_MS} are to be added.\n")
    for what, each in times.items():
        print(f"{what:<40}{spread(each):>20}")


if __name__ == "__main__":
    main()
