"""A small Refine3D, submitted by RELION's own pipeliner through the hook to this machine.

Usage: python -m deploy.demo FOLDER IMAGE [--apptainer PROGRAM]      in the checkout's folder

FOLDER becomes a site (site/), a RELION project (project/) and the command relion-dispatch for the
two; IMAGE is a SIF made by containers/build.sh. deploy/demo.sh sees to everything this needs.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from .demo_particles import make_particles, run_to_end
from .demo_picture import draw

CHECKOUT = Path(__file__).resolve().parent.parent
PARTICLES = 200

REFINE = {
    "fn_img": "particles.star",
    "fn_ref": "reference.mrc",
    "ref_correct_greyscale": "No",  # the particles are normalised, the map is not
    "ini_high": 30,
    "sym_name": "C1",
    "do_ctf_correction": "No",  # projections of a map, no micrographs
    "particle_diameter": 110,
    # Coarse steps and early local searches: minutes become half a minute.
    "sampling": '"15 degrees"',
    "auto_local_sampling": '"7.5 degrees"',
    "offset_range": 3,
    "offset_step": 1,
    "nr_mpi": 1,
    "nr_threads": 1,
    "use_gpu": "Yes",  # as most users leave it; what becomes of it is the dispatcher's to decide
    "do_queue": "Yes",
    "min_dedicated": 1,
}

# RELION 3.1 numbers in its files what RELION 4 and later name.
REFINE3D_LABEL_3 = 10
STATUS_NAMES_3 = {"0": "Running", "1": "Scheduled", "2": "Succeeded", "3": "Failed", "4": "Aborted"}

ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Seconds for the job to end when the user has had enough:
TO_ABORT = 20.0  # by itself, as RELION looks for the order to abort now and then
TO_END = 10.0  # by signals


def main() -> int:
    """Run the demo; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("image", type=Path)
    parser.add_argument("--apptainer", default="apptainer")
    wanted = parser.parse_args()
    folder = wanted.folder.resolve()
    project = folder / "project"
    for number in ENDING_SIGNALS:
        signal.signal(number, _interrupt)
    try:
        version = relion_version(wanted.image)
        say(f"Making {PARTICLES} particles of a few blobs with RELION {version}")
        dispatch = make_site(folder, wanted.image.resolve(), version, wanted.apptainer)
        make_project(project)
        make_particles(project, wanted.image.resolve(), PARTICLES, wanted.apptainer)
        say("Adding a Refine3D to the project, and letting RELION's pipeliner run it")
        job = add_refine3d(project, dispatch, version)
        seconds = run_and_follow(project, dispatch, job)
        if status(project, job) != "Succeeded":
            return tell_failure(project, job)
        tell_result(project, job, seconds)
    except subprocess.CalledProcessError as error:
        print(f"{error.stdout}\n{shlex.join(map(str, error.cmd))} failed.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\nStopped; nothing of it runs any more. What there is so far is in {folder}.")
        return 130
    return 0


def say(sentence: str) -> None:
    """Print a step of the demo."""
    print(f"{sentence} ...", flush=True)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def relion_version(image: Path) -> str:
    """'relion-5.1.0-cpu-0123456789ab.sif' -> '5.1.0'"""
    found = re.match(r"relion-(\d[\d.]*)-", image.name)
    if not found:
        sys.exit(f"{image.name} is not named as containers/build.sh does: relion-VERSION-….sif")
    return found[1]


def make_site(folder: Path, image: Path, version: str, apptainer: str) -> Path:
    """Write a site of this machine alone, and a command that uses it; the command's path."""
    site = folder / "site"
    site.mkdir(parents=True)
    machine = {"gpus": 0}  # none that a CPU image could use
    settings = {
        "scheduler": "local",
        "apptainer": {"program": apptainer},
        "partitions": {"this-machine": machine},
        "job_parameters": {
            "submit": {"partition": "this-machine", "mem": "2G"},
            "refine": {"nproc": 3, "nthread": 1, "mem": "2G"},
        },
    }
    builds = {version: [{"variant": "cpu", "path": str(image)}]}
    catalogue = {"relion": {"default": version, "versions": builds}}
    (site / "site.json").write_text(json.dumps(settings, indent=2) + "\n")
    (site / "images.json").write_text(json.dumps(catalogue, indent=2) + "\n")
    command = folder / "relion-dispatch"
    command.write_text(
        "#!/bin/sh\n# relion-dispatch with this demo's site and the Python made for it.\n"
        f"export RELION_DISPATCH_SITE={shlex.quote(str(site))}\n"
        f"export RELION_DISPATCH_PYTHON={shlex.quote(sys.executable)}\n"
        f'exec {shlex.quote(str(CHECKOUT / "deploy" / "relion-dispatch"))} "$@"\n'
    )
    command.chmod(0o755)
    return command


def make_project(project: Path) -> None:
    """Make a folder that RELION takes for a project."""
    project.mkdir()
    (project / "default_pipeline.star").write_text(
        "\n# version 30001\n\ndata_pipeline_general\n\n_rlnPipeLineJobCounter 1\n\n"
    )


def add_refine3d(project: Path, dispatch: Path, version: str) -> Path:
    """Add the job as RELION's window would; its folder."""
    old = version.startswith("3.")
    label = (
        f"_rlnJobType {REFINE3D_LABEL_3}"
        if old
        else "_rlnJobTypeLabel relion.refine3d\n_rlnJobIsTomo 0"
    )
    (project / "refine3d_job.star").write_text(
        f"\ndata_job\n\n{label}\n_rlnJobIsContinue 0\n\ndata_joboptions_values\n\n"
        "loop_\n_rlnJobOptionVariable #1\n_rlnJobOptionValue #2\n"
        + "".join(f"{name} {value}\n" for name, value in REFINE.items())
    )
    command = [str(dispatch), "relion", "relion_pipeliner", "--addJobFromStar", "refine3d_job.star"]
    added = run_to_end(command, project)
    jobs = list(project.glob("Refine3D/job*"))
    if len(jobs) != 1:
        raise subprocess.CalledProcessError(1, command, added)
    return jobs[0]


def run_and_follow(project: Path, dispatch: Path, job: Path) -> float:
    """Let the pipeliner run the job, show how it goes, and wait for its end; the seconds it took.

    Whatever interrupts this, neither pipeliner nor job is left running.
    """
    log = project / "pipeliner.log"
    command = [str(dispatch), "relion", "relion_pipeliner", "--RunJobs", f"Refine3D/{job.name}/",
               "--schedule", "demo", "--sec_wait_after", "1"]  # fmt: skip
    start = time.monotonic()
    with log.open("w") as output:
        # In a session of its own: Ctrl-C is for us, who end the job first.
        pipeliner = subprocess.Popen(
            command,
            cwd=project,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        follow(pipeliner, job, log)
    finally:
        if pipeliner.poll() is None or status(project, job) == "Running":
            stop(pipeliner, project, job)
    return time.monotonic() - start


def follow(pipeliner: subprocess.Popen[bytes], job: Path, log: Path) -> None:
    """Show the hook's answer, then iteration and resolution, until the pipeliner has ended."""
    while pipeliner.poll() is None and not hook_answer(log):
        time.sleep(0.1)
    for line in hook_answer(log):
        print(f"    {line}", flush=True)
    with display() as show:
        shown = None
        while pipeliner.poll() is None:
            time.sleep(0.3)
            reached = progress(job)
            if reached != shown:
                show(reached)
                shown = reached


def hook_answer(log: Path) -> list[str]:
    """What the hook told RELION, once it has told all of it."""
    found = re.search(r"^\S+/job\d+: .*?^submitted to .*?$", log.read_text(), re.M | re.S)
    return found[0].splitlines() if found else []


def progress(job: Path) -> str:
    """'iteration  4, 21.3 Å' by the last model that RELION has written."""
    for model in sorted(job.glob("run_it*_half1_model.star"), reverse=True):
        if resolution := current_resolution(model):
            return f"iteration {int(model.name[6:9]):2}, {resolution:.1f} Å"
    output = job / "run.out"
    started = output.exists() and output.stat().st_size > 0
    return "RELION is starting" if started else "waiting: one job at a time runs here"


def current_resolution(model: Path) -> float | None:
    """A model's resolution in Å; None where there is none yet, or the file is not whole."""
    found = re.search(r"^_rlnCurrentResolution\s+([\d.]+)\s*$", model.read_text(), re.MULTILINE)
    return float(found[1]) if found else None


def status(project: Path, job: Path) -> str:
    """The job's status in RELION's own pipeline."""
    pipeline = (project / "default_pipeline.star").read_text()
    row = re.search(rf"^\s*Refine3D/{job.name}/\s+\S+\s+\S+\s+(\S+)", pipeline, re.MULTILINE)
    return STATUS_NAMES_3.get(row[1], row[1]) if row else "unknown"


@contextmanager
def display() -> Iterator[Callable[[str], None]]:
    """A line that moves on a terminal; a plain one per iteration elsewhere, as in CI's logs."""
    console = Console()
    if not console.is_terminal or console.is_dumb_terminal:
        yield lambda text: print(f"    {text}", flush=True)
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda text: bar.update(task, description=text)


def stop(pipeliner: subprocess.Popen[bytes], project: Path, job: Path) -> None:
    """End the job, as RELION's own "Abort" does or else by signals, and then the pipeliner."""
    for number in ENDING_SIGNALS:
        signal.signal(number, signal.SIG_IGN)  # the second Ctrl-C of the impatient
    with suppress(OSError):  # the terminal may be closed
        print("Stopping the job ...", flush=True)
    give_up = time.monotonic() + TO_ABORT
    while pipeliner.poll() is None and time.monotonic() < give_up:
        (job / "RELION_JOB_ABORT_NOW").touch()  # again, as submitting the job removes it
        time.sleep(0.2)
    if status(project, job) == "Running":
        # The hook started the job in a session, and so a process group, of its own.
        with suppress(OSError, KeyError, TypeError, ValueError):
            record = json.loads((job / "dispatch.json").read_text())
            os.killpg(int(record["job_id"]), signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            pipeliner.wait(TO_END)  # it ends soon after the job
    if pipeliner.poll() is None:
        pipeliner.terminate()
        pipeliner.wait()


def tell_failure(project: Path, job: Path) -> int:
    """Print what a user would look at first; the exit status."""
    print(f"RELION's pipeline says {status(project, job)}.", file=sys.stderr)
    for file in (project / "pipeliner.log", job / "run.out", job / "run.err"):
        if file.exists():
            # RELION's progress bars return to the start of their line.
            lines = file.read_text(errors="replace").rstrip().split("\n")
            last = [line.rstrip("\r").rpartition("\r")[2] for line in lines[-20:]]
            print(f"==> the end of {file} <==", *last, sep="\n", file=sys.stderr)
    return 1


def tell_result(project: Path, job: Path, seconds: float) -> None:
    """Name what came out, and why it ran as it did."""
    iterations = len(list(job.glob("run_it*_half1_model.star"))) - 1  # number 0 is the start
    resolution = current_resolution(job / "run_model.star")
    picture = project.parent / "result.png"
    draw(job, picture)
    record = json.loads((job / "dispatch.json").read_text())
    print(
        f"RELION's pipeline says Succeeded: {iterations} iterations, {seconds:.0f} s.\n\n"
        f"resolution  {resolution:.1f} Å\n"
        f"map         {job / 'run_class001.mrc'}\n"
        f"picture     {picture}\n"
        "            (three slices of the map, and the FSC of its half maps from run_model.star)\n"
        f"job script  {project / record['job_script']}\n"
        f"record      {job / 'dispatch.json'}"
    )
    print("\nWhy it ran like this, from the record:")
    for reason in record["reasons"]:
        print(f"    {reason}")
    print(
        f"\nNext:  cd {shlex.quote(str(project))}\n"
        f"       ../relion-dispatch explain Refine3D/{job.name}\n"
        "       ../relion-dispatch check"
    )


if __name__ == "__main__":
    sys.exit(main())
