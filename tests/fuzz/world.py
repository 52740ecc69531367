"""A site, a project and what lies beside them, into which the files of a case are put."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import typer

from dispatcher import cli
from dispatcher.config.configuration import load_configuration

from ..corpus import copy_job, fill_project
from ..digest import sha256
from ..programs.hook_calls import call_hook
from ..programs.stand_in_scheduler import StandIn
from ..sif_file import write_sif
from ..stand_in_programs import link_stand_in

__all__ = ["CLASS3D", "REFINE", "ROOT", "Said", "Thing", "World"]

ROOT = Path(__file__).parents[2]
MRC = bytes([4, 0, 0, 0] * 3 + [2, 0, 0, 0]) + bytes(1008) + bytes(range(256))  # 4 x 4 x 4
REFINE, CLASS3D = "project/Refine3D/job011/", "project/Class3D/job010/"
LOGS = ("slurm/sbatch.calls", "slurm/squeue.calls", "slurm/scontrol.calls", "slurm/scancel.calls",
        "slurm/queue", "recorded")  # fmt: skip
JOBS = {
    "relion-5.0.1/Refine3D_job011": "Running",
    "relion-5.0.1/Class3D_job010": "Succeeded",
    "relion-5.0.1/MultiBody_job012": "Scheduled",
    "relion-5.0.1/PostProcess_job016": "Failed",
}
SITE = {
    "partitions": {
        "gpu": {"cores": 64, "memory": "500G", "gpus": 4, "gpu_memory": "24G"},
        "cpu": {"cores": 128, "memory": "500G", "gpus": 0},
    },
    "job_parameters": {
        "submit": {"partition": "cpu"},
        "gpu": {"partition": "gpu", "ngpu": 4, "nproc": 9, "nthread": 4},
    },
}
# What a terminal, or a person, takes for something else than text.
_RAW = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

Thing = bytes | str  # a file's content, or what is there in a file's place


class Said(NamedTuple):
    """The exit status of a command, and what it printed."""

    status: int
    out: bytes
    err: str

    def checked(self) -> Said:
        """Itself, if what people read is text, and a command that fails says why."""
        assert "Traceback" not in self.err, self.err
        assert not _RAW.search(self.err), repr(self.err)
        assert self.status in (0, 1), self
        assert self.status == 0 or self.err.strip(), "a refusal without a sentence"
        return self


class World:
    """``project``, ``site`` and ``outside``, put right after each case."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder, self.project = folder, folder / "project"
        for name in ("site", "outside", "empty", "bin"):
            (folder / name).mkdir()
        (folder / "outside/victim").write_text("kept\n")
        link_stand_in("apptainer", folder / "bin")
        self.slurm = StandIn(folder / "slurm", self._write_site)
        shutil.copyfile(ROOT / "config/dispatch_config.json", folder / "site/dispatch_config.json")
        write_sif(folder / "site/r.sif")
        build = {
            "variant": "cuda",
            "path": "r.sif",
            "gpu": "nvidia",
            "sha256": sha256(folder / "site/r.sif"),
        }
        catalogue = {"relion": {"default": "5.1.0", "versions": {"5.1.0": [build]}}}
        self._write_site("images.json", catalogue)
        self._write_site("site.json", {**json.loads(self.read("site/site.json")[0]), **SITE})
        self._fill_project()
        self.configuration = load_configuration()
        self._kept = self._seen()
        if isinstance(cli.app, typer.Typer):  # which would make its commands anew for each call
            cli.app = typer.main.get_command(cli.app)  # type: ignore[assignment]

    def _fill_project(self) -> None:
        fill_project(self.project, box=64)
        (self.project / "InitialModel/job009").mkdir(parents=True)
        for name in (
            "mask1.mrc",
            "mask2.mrc",
            "mask3.mrc",
            "InitialModel/job009/initial_model.mrc",
        ):
            (self.project / name).write_bytes(MRC)
        pipeline = "# version 50001\n\ndata_pipeline_processes\n\nloop_\n"
        for at, label in enumerate(("Name", "Alias", "TypeLabel", "StatusLabel"), 1):
            pipeline += f"_rlnPipeLineProcess{label} #{at}\n"
        for name, status in JOBS.items():
            script = copy_job(name, self.project)
            done = call_hook(script, self.project)
            assert done.returncode == 0, done.stderr
            job = f"{script.parent.parent.name}/{script.parent.name}"
            pipeline += f"{job}/ None relion.{job.split('/')[0].lower()} {status}\n"
        (self.project / "default_pipeline.star").write_text(pipeline)

    def _write_site(self, name: str, content: dict[str, Any] | str) -> Path:
        path = self.folder / "site" / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    def read(self, pattern: str) -> list[bytes]:
        """The files of a name or pattern, relative to this folder: what is damaged."""
        found = [path.read_bytes() for path in sorted(self.folder.glob(pattern)) if path.is_file()]
        assert found, pattern
        return found

    @contextlib.contextmanager
    def holding(self, things: Mapping[str, Thing], *, only_in: str | None = None) -> Iterator[None]:
        """Put things into this folder for as long as the block runs.

        With `only_in`, nothing outside of that folder may change meanwhile; then all is put right.
        Without, the block changes nothing but the things.
        """
        for name, thing in things.items():
            self._put(self.folder / name, thing)
        try:
            yield
            if only_in is not None:
                now, kept = self._seen(), self._kept
                changed = {name for name in now | kept if now.get(name) != kept.get(name)}
                changed = {name for name in changed - {*LOGS} if not name.startswith(only_in)}
                assert changed <= things.keys(), changed
        finally:
            self._put_right(None if only_in else things)

    def _put(self, path: Path, thing: Thing) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove(path)
        if isinstance(thing, bytes):
            path.write_bytes(thing)
        elif thing == "a pipe":
            os.mkfifo(path)
        elif thing == "a folder":
            path.mkdir()
        elif thing == "3 GB of nothing":
            path.touch()
            os.truncate(path, 3 << 30)
        else:  # a link that leads there
            path.symlink_to(thing.replace("OUTSIDE", str(self.folder / "outside")))

    def _seen(self) -> dict[str, tuple[int, str | bytes]]:
        """Type and mode of each file, and its content; of large ones the length."""
        found: dict[str, tuple[int, str | bytes]] = {}
        for at, folders, files in os.walk(self.folder):
            for name in (*folders, *files):
                path = Path(at, name)
                status = os.lstat(path)
                content: str | bytes = ""
                if stat.S_ISLNK(status.st_mode):
                    content = str(path.readlink())
                elif stat.S_ISREG(status.st_mode):
                    small = status.st_size < 1 << 22
                    content = path.read_bytes() if small else str(status.st_size)
                found[os.path.relpath(path, self.folder)] = (status.st_mode, content)
        return found

    def _put_right(self, names: Iterable[str] | None) -> None:
        """Of all, or of these names and of the folders that were made for them."""
        kept = self._kept
        if names is None:
            now = self._seen()
        else:
            now = {name: (0, "") for name in names}
            above = {str(folder) for name in now for folder in Path(name).parents[:-1]}
            now |= {name: kept.get(name, (0, "")) for name in above}
        for name in sorted(now.keys() - kept.keys(), reverse=True):
            _remove(self.folder / name)
        for name in sorted(kept if names is None else kept.keys() & now.keys()):
            if now.get(name) != kept[name]:
                self._put_back(self.folder / name, *kept[name])

    def _put_back(self, path: Path, mode: int, content: str | bytes) -> None:
        _remove(path)
        if stat.S_ISDIR(mode):
            path.mkdir()
        elif isinstance(content, str):
            path.symlink_to(content)
        else:
            path.write_bytes(content)
            path.chmod(stat.S_IMODE(mode))

    def with_stand_ins(self) -> dict[str, str]:
        """The environment of a job script: Apptainer notes the words that it is given."""
        path = f"{self.folder / 'bin'}:/usr/bin:/bin"
        return {"PATH": path, "RECORDED": str(self.folder / "recorded"), "HOME": "/h o/*"}

    def says(self, *arguments: str | Path) -> Said:
        """Call ``relion-dispatch`` in the project's folder, in this process."""
        out, err = io.BytesIO(), io.BytesIO()
        with (
            io.TextIOWrapper(out, "utf-8", "surrogateescape", write_through=True) as stdout,
            io.TextIOWrapper(err, "utf-8", "backslashreplace", write_through=True) as stderr,
            contextlib.redirect_stdout(stdout),
            contextlib.redirect_stderr(stderr),
        ):
            status = cli.main([str(each) for each in arguments])
            printed = (out.getvalue(), err.getvalue())
        return Said(status, printed[0], printed[1].decode()).checked()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
