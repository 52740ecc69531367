"""Time and peak memory of the hook, beside an empty Python and beside how it was done before.

Run with the Python that `deploy/python_environment.sh test` prints; see benchmarks/README.md.

The hook runs as RELION runs it, on one job per particle file. In the 3.1 style it is a Class2D job
with an optics table, and no MRC header is read; in the 3.0 style a Refine3D job without such a
table, and the headers of an image stack and of the reference are read. The runs of all cases take
turns, so that a noisy moment of the machine hits each alike.
The scheduler is a stand-in, `echo 4711`: what sbatch takes comes on top. The way before looks up
only the box size, with two programs of RELION, and is timed inside the image that --image names.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

from benchmark_project import BOX, Job, clear_job, make_job, make_site

ROOT = Path(__file__).parents[1]
HOOK = ROOT / "deploy" / "relion_dispatch.py"
ORDINARY_USER = ROOT / "deploy" / "ordinary_user.sh"
LAUNCHER = (Path(__file__).parent / "launcher.py").read_text()

# What the hook cannot do without: Python itself, and the library that renders job scripts.
BARE = ("pass", "import jinja2")
# The most that the hook may take, as a multiple of Python itself.
TARGET_MULTIPLE = {"3.1": 12, "3.0": 20}
TARGET_MB = 60
TARGET_GROWTH_PERCENT = 10


@dataclass(frozen=True)
class Run:
    """What one run of a command took; memory in MB (10^6 bytes)."""

    ms: float
    mb: float


@dataclass(frozen=True)
class Launcher:
    """A running launcher.py, and the file that the output of its commands goes to."""

    process: subprocess.Popen[str]
    output: Path

    def run(self, *argv: str | Path) -> Run:
        """Run one command; RuntimeError, with what it printed, if it fails."""
        assert self.process.stdin and self.process.stdout
        print("\t".join(map(str, argv)), file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline().split()
        if len(answer) != 3 or answer[2] != "0":
            said = self.output.read_text(errors="replace")[-2000:]
            raise RuntimeError(f"{' '.join(map(str, argv))} failed ({answer}):\n{said}")
        return Run(float(answer[0]) * 1e3, int(answer[1]) * 1024 / 1e6)


@contextmanager
def launcher(
    project: Path, *prefix: str, python: str = sys.executable, **environment: str
) -> Iterator[Launcher]:
    """A launcher with `project` as its working folder, started behind `prefix`."""
    output = project.parent / f"output-{len(list(project.parent.glob('output-*')))}"
    output.touch()
    output.chmod(0o666)  # the launcher in a container may be another user's
    argv = [*prefix, python, "-I", "-S", "-c", LAUNCHER, str(output)]
    with subprocess.Popen(
        argv,
        cwd=project,
        env={"PATH": os.environ["PATH"], **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Launcher(process, output)
        assert process.stdin
        process.stdin.close()


def run_hook(launch: Launcher, project: Path, job: Job) -> Run:
    """One call of the hook, checked: it must have found the box where this job has it."""
    clear_job(project, job)
    run = launch.run(HOOK, job.script)
    found = json.loads((project / job.folder / "dispatch.json").read_text())
    box = (found["gpu_fit"]["box_size"], found["gpu_fit"]["box_size_source"])
    if found["job_id"] != "4711" or box != (BOX, job.box_source):
        raise RuntimeError(f"{job.script}: job {found['job_id']}, box {box}")
    return run


def run_as_before(launch: Launcher, job: Job) -> Run:
    """The box size as it was found before: a list of all images, then the header of the first."""
    table = launch.run("relion_star_printtable", job.star, job.table, "_rlnImageName")
    image = launch.run("relion_image_handler", "--stats", "--i", job.first_image)
    return Run(table.ms + image.ms, max(table.mb, image.mb))


def container(image: Path, project: Path) -> list[str]:
    """What runs a program inside the image, as an ordinary user."""
    mount = f"--mount=type=bind,source={project.parent},destination={project.parent}"
    apptainer = ["apptainer", "--quiet", "exec", "--cleanenv", "--no-home", mount]
    return [str(ORDINARY_USER), *apptainer, f"--pwd={project}", str(image)]


def main() -> None:
    """Make the files, run everything, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=15, help="of each case (default: 15)")
    parser.add_argument("--image", type=Path, help="a RELION image (SIF): measures the way before")
    parser.add_argument(
        "--runs-before", type=int, default=3, help="of each case the way before (default: 3)"
    )
    parser.add_argument("--particles", type=int, nargs="+", default=[10**2, 10**4, 10**6])
    wanted = parser.parse_args()
    if wanted.runs < 2:
        parser.error("--runs: at least 2")
    folder = Path(tempfile.mkdtemp(prefix="relion-dispatch-benchmark-"))
    try:
        folder.chmod(0o755)
        measure(folder, wanted)
    finally:
        shutil.rmtree(folder)


def measure(folder: Path, wanted: argparse.Namespace) -> None:
    """Run all cases in turn and print the report; files are made in `folder`."""
    project = folder / "project"
    project.mkdir()
    make_site(folder / "site")
    cases = [(style, particles) for style in ("3.1", "3.0") for particles in wanted.particles]
    jobs = [make_job(project, 101 + at, *case) for at, case in enumerate(cases)]
    hook: dict[Job, list[Run]] = {job: [] for job in jobs}
    before: dict[Job, list[Run]] = {job: [] for job in jobs}
    bare: dict[str, list[Run]] = {code: [] for code in BARE}
    starts: list[Run] = []
    with ExitStack() as stack:
        here = stack.enter_context(
            launcher(
                project,
                HOME=str(folder / "home"),
                USER="benchmark",
                RELION_DISPATCH_SITE=str(folder / "site"),
                RELION_DISPATCH_PYTHON=sys.executable,
            )
        )
        first = run_hook(here, project, jobs[0])
        for turn in range(wanted.runs):
            for code, runs in bare.items():
                runs.append(here.run(sys.executable, "-c", code))
            for job in jobs if turn % 2 else reversed(jobs):
                hook[job].append(run_hook(here, project, job))
        if wanted.image:
            prefix = container(wanted.image, project)
            inside = stack.enter_context(launcher(project, *prefix, python="python3"))
            outside = stack.enter_context(launcher(project))
            for _ in range(wanted.runs_before):
                starts.append(outside.run(*prefix, "true"))
                for job in jobs:
                    before[job].append(run_as_before(inside, job))
    report(project, hook, before, bare, starts, first)


def report(
    project: Path,
    hook: dict[Job, list[Run]],
    before: dict[Job, list[Run]],
    bare: dict[str, list[Run]],
    starts: list[Run],
    first: Run,
) -> None:
    """Print the table, and each target with what was reached."""
    print(
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, "
        f"Python {platform.python_version()}; {len(bare['pass'])} runs of each case, in turns."
    )
    print("Medians (and quartiles) of the whole wall time, largest peak of memory.\n")
    line = "{:<26}{:>9}  {:>20}{:>8}  {:>18}{:>8}"
    print(line.format("", "STAR", "hook", "memory", "the way before", "memory"))
    print(line.format("", "MB", "ms", "MB", "ms", "MB"))
    for code, runs in bare.items():
        print(line.format(f"python -c '{code}'", "", spread(runs), f"{peak(runs):.0f}", "", ""))
    for job, runs in hook.items():
        name = f"{job.style} style, {job.particles} particles"
        size = f"{(project / job.star).stat().st_size / 1e6:.2f}"
        old = before[job]
        figures = (spread(old), f"{peak(old):.0f}") if old else ("not measured", "")
        print(line.format(name, size, spread(runs), f"{peak(runs):.0f}", *figures))
    print(f"\nFirst call, nothing in the cache: {first.ms:.0f} ms, {first.mb:.0f} MB.")
    print("The scheduler is a stand-in (echo 4711): what sbatch takes comes on top of the hook.")
    if starts:
        print(f"Starting a container, not counted to the way before: {spread(starts)} ms.")
    print("\nTargets:")
    for style, limit in TARGET_MULTIPLE.items():
        mine = {job: runs for job, runs in hook.items() if job.style == style}
        slowest = max(multiple(runs, bare["pass"]) for runs in mine.values())
        print_target(f"{style} style, slowest", slowest, limit, "times python -c 'pass'")
        largest = max(peak(runs) for runs in mine.values())
        print_target(f"{style} style, largest", largest, TARGET_MB, "MB")
        least, most = (pick(mine, key=lambda job: job.particles) for pick in (min, max))
        ratio = median(a.ms / b.ms for a, b in zip(mine[most], mine[least], strict=True))
        what = f"{style} style, {most.particles} against {least.particles} particles"
        print_target(what, (ratio - 1) * 100, TARGET_GROWTH_PERCENT, "% more time")


def multiple(runs: list[Run], python: list[Run]) -> float:
    """How often Python itself runs meanwhile, turn by turn: a noisy machine slows both alike."""
    return median(run.ms / other.ms for run, other in zip(runs, python, strict=True))


def print_target(what: str, found: float, limit: float, unit: str) -> None:
    """One line: what was found, the limit, and whether it holds."""
    verdict = "reached" if found <= limit else "MISSED"
    print(f"  {what}: {found:.1f} {unit}, at most {limit}: {verdict}")


def spread(runs: list[Run]) -> str:
    """Median and quartiles of the time: '121 (118-125)'."""
    times = [run.ms for run in runs]
    low, middle, high = quantiles(times, n=4, method="inclusive") if len(times) > 1 else times * 3
    return f"{middle:.0f} ({low:.0f}-{high:.0f})"


def peak(runs: list[Run]) -> float:
    """The largest memory of all runs, in MB."""
    return max(run.mb for run in runs)


if __name__ == "__main__":
    main()
