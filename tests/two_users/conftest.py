"""A victim, a colleague of the same group, and a project that both may write."""

from __future__ import annotations

import fcntl
import grp
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ..corpus import copy_job, fill_project
from ..sif_file import write_sif
from .people import GROUP, Person, meet

ROOT = Path(__file__).parents[2]
PARTS = ("dispatcher", "config", "job_template", "containers", "deploy")
JOB = "relion-5.0.1/PostProcess_job016"

MakeJob = Callable[[], Path]


@pytest.fixture(autouse=True)
def as_root() -> None:
    if os.getuid() != 0:
        pytest.skip("only root runs programs as two users")


@pytest.fixture(scope="session")
def installation() -> Iterator[Path]:
    """The checkout and its libraries where every user can read them; root's own are closed."""
    if os.getuid() != 0:
        pytest.skip("only root runs programs as two users")
    folder = Path(tempfile.mkdtemp(prefix="relion-dispatch-two-users-", dir="/var/tmp"))
    before = os.umask(0o022)
    try:
        folder.chmod(0o755)
        for part in PARTS:
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("*.pyc"))
        python = Path(sys.executable).resolve()
        subprocess.run(
            [python, "-m", "venv", "--without-pip", "--symlinks", folder / "python"], check=True
        )
        here = Path(sysconfig.get_paths()["purelib"])
        there = folder / "python" / here.relative_to(sys.prefix)
        shutil.copytree(here, there, dirs_exist_ok=True, copy_function=_link_or_copy)
        os.umask(before)
        yield folder
    finally:
        os.umask(before)
        shutil.rmtree(folder)


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


@pytest.fixture(scope="session")
def victim(installation: Path, worker_id: str) -> Person:
    """Tests that run beside this one have another."""
    person = meet(f"rd-victim-{worker_id}", installation)
    asked = person.runs([person.python, "-I", "-c", "import pydantic, jinja2"], Path("/"))
    if asked.returncode != 0:
        pytest.skip(f"no other user can run {sys.executable} here: {asked.stderr[-200:]}")
    return person


@pytest.fixture(scope="session")
def colleague(installation: Path, worker_id: str) -> Person:
    return meet(f"rd-colleague-{worker_id}", installation)


@pytest.fixture
def place(victim: Person, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that all may enter, with a site of root's."""
    folder = Path(tempfile.mkdtemp(prefix="relion-dispatch-two-users-", dir="/var/tmp"))
    before = os.umask(0o022)
    try:
        folder.chmod(0o755)
        _write_site(folder / "site")
        victim.forgets()
        yield folder
    finally:
        os.umask(before)
        shutil.rmtree(folder)
        victim.forgets()


def _write_site(folder: Path) -> None:
    """The queue takes every job as number 17, and knows of none afterwards."""
    folder.mkdir()
    for name, does in (("sbatch", "echo 17"), ("squeue", "exit 0"), ("scontrol", "exit 1")):
        (folder / name).write_text(f"#!/bin/sh\n{does}\n")
        (folder / name).chmod(0o755)
    slurm = {
        "submit_command": [str(folder / "sbatch")],
        "queue_command": [str(folder / "squeue")],
        "end_command": [str(folder / "scontrol"), "{job_id}"],
        "watcher": None,
    }
    site = {"scheduler": "slurm", "schedulers": {"slurm": slurm}}
    (folder / "site.json").write_text(json.dumps(site))
    versions = {}
    for version in ("5.1.0", "3.1.3"):
        versions[version] = [{"variant": "cpu", "path": f"relion-{version}.sif"}]
        write_sif(folder / f"relion-{version}.sif")
    images = {"relion": {"default": "5.1.0", "versions": versions}}
    (folder / "images.json").write_text(json.dumps(images))


@pytest.fixture
def variables(place: Path) -> dict[str, str]:
    return {"RELION_DISPATCH_SITE": str(place / "site")}


@pytest.fixture
def own(place: Path, victim: Person) -> Path:
    """The victim's own file, which an attack is to change."""
    file = place / "own" / ".bashrc"
    file.parent.mkdir()
    file.write_text("# mine\n")
    file.chmod(0o640)
    for path in (file.parent, file):
        shutil.chown(path, victim.name, victim.name)
    return file


@pytest.fixture(params=["of a group", "sticky"])
def project(request: pytest.FixtureRequest, place: Path, victim: Person) -> Path:
    """The victim's project, in which the colleague may write."""
    folder = place / "project"
    fill_project(folder)
    (folder / "default_pipeline.star").write_text(
        "\n# version 50001\n\ndata_pipeline_processes\n\nloop_ \n_rlnPipeLineProcessName #1 \n"
        "_rlnPipeLineProcessAlias #2 \n_rlnPipeLineProcessTypeLabel #3 \n"
        "_rlnPipeLineProcessStatusLabel #4 \n"
    )
    give(folder, victim, 0o2775 if request.param == "of a group" else 0o1777)
    return folder


def give(folder: Path, person: Person, mode: int) -> None:
    """Give a tree to a person and the group."""
    group = grp.getgrnam(GROUP).gr_gid
    for path in (folder, *folder.rglob("*")):
        if path.is_dir() or path.is_file():
            os.chown(path, person.uid, group)
            path.chmod(mode if path.is_dir() else 0o664)


@pytest.fixture
def make_job(project: Path, victim: Person) -> MakeJob:
    """Add a job that runs for RELION; returns its submission script."""
    numbers = iter(range(100, 1000))

    def make() -> Path:
        name = f"PostProcess/job{next(numbers)}"
        copied = copy_job(JOB, project)
        script = copied.read_text().replace("PostProcess/job016", name)
        folder = project / name
        copied.parent.rename(folder)
        (folder / "run_submit.script").write_text(script)
        with (project / "default_pipeline.star").open("a") as stream:
            stream.write(f"{name}/ None relion.postprocess Running\n")
        mode = project.stat().st_mode & 0o7777
        os.chown(folder.parent, victim.uid, project.stat().st_gid)
        folder.parent.chmod(mode)
        give(folder, victim, mode)
        return folder / "run_submit.script"

    return make


@pytest.fixture
def hard_links() -> Iterator[None]:
    """Kernels can be told to keep users from linking to others' files; the test is without that."""
    setting = Path("/proc/sys/fs/protected_hardlinks")
    with open("/var/tmp/relion-dispatch-two-users.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = setting.read_text()
        try:
            setting.write_text("0")
        except OSError:
            pytest.skip("the kernel's setting cannot be changed here")
        try:
            yield
        finally:
            setting.write_text(before)
