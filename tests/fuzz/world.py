"""A site, a project and what lies beside them, into which the files of a case are put."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
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
from .tree import Tree

__all__ = ["CLASS3D", "PARTICLES", "REFINE", "STACK", "Said", "World"]

ROOT = Path(__file__).parents[2]
MRC = bytes([4, 0, 0, 0] * 3 + [2, 0, 0, 0]) + bytes(1008) + bytes(range(256))  # 4 x 4 x 4
STACK, PARTICLES = "Extract/job006/stack.mrcs", "project/Select/job007/particles.star"
REFINE, CLASS3D = "project/Refine3D/job011/", "project/Class3D/job010/"
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


class Said(NamedTuple):
    """The exit status of a command, and what it printed."""

    status: int
    out: bytes
    err: str


class World(Tree):
    """``project``, ``site`` and ``outside``, which nothing may touch."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.project = folder / "project"
        for name in ("site", "outside", "empty", "bin"):
            (folder / name).mkdir()
        (folder / "outside/victim").write_text("kept\n")
        link_stand_in("apptainer", folder / "bin")
        self.slurm = StandIn(folder / "slurm", self._write_site)
        shutil.copyfile(ROOT / "config/dispatch_config.json", folder / "site/dispatch_config.json")
        write_sif(folder / "site/r.sif")
        build = {"variant": "cuda", "path": "r.sif", "gpu": "nvidia"}
        build["sha256"] = sha256(folder / "site/r.sif")
        catalogue = {"relion": {"default": "5.1.0", "versions": {"5.1.0": [build]}}}
        self._write_site("images.json", catalogue)
        self._write_site("site.json", {**json.loads(self.read("site/site.json")[0]), **SITE})
        self._fill_project()
        self.configuration = load_configuration()
        self.keep()
        if isinstance(cli.app, typer.Typer):  # which would make its commands anew for each call
            cli.app = typer.main.get_command(cli.app)  # type: ignore[assignment]

    def _fill_project(self) -> None:
        fill_project(self.project, box=64)
        (self.project / "InitialModel/job009").mkdir(parents=True)
        for name in ("mask1", "mask2", "mask3", "InitialModel/job009/initial_model"):
            (self.project / f"{name}.mrc").write_bytes(MRC)
        (self.project / STACK).write_bytes(MRC)
        os.utime(self.project / STACK, (1, 1))  # older than the jobs that read it
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
        return [path.read_bytes() for path in sorted(self.folder.glob(pattern))]

    def with_stand_ins(self) -> dict[str, str]:
        """The environment of a job script: Apptainer notes the words that it is given."""
        path = f"{self.folder / 'bin'}:/usr/bin:/bin"
        return {"PATH": path, "RECORDED": str(self.folder / "recorded"), "HOME": "/h o/*"}

    def says(self, *arguments: str | Path) -> Said:
        """Call ``relion-dispatch`` in this process; what people read is text, and says why."""
        out, err = io.BytesIO(), io.BytesIO()
        with (
            io.TextIOWrapper(out, "utf-8", "surrogateescape", write_through=True) as stdout,
            io.TextIOWrapper(err, "utf-8", "backslashreplace", write_through=True) as stderr,
            contextlib.redirect_stdout(stdout),
            contextlib.redirect_stderr(stderr),
        ):
            status = cli.main([str(each) for each in arguments])
            said = Said(status, out.getvalue(), err.getvalue().decode())
        assert "Traceback" not in said.err, said.err
        assert not _RAW.search(said.err), repr(said.err)
        assert status == 0 or (status == 1 and said.err.strip()), said
        return said
