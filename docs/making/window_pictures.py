"""The pictures of RELION's window with the site's fields: docs/pictures/window-5.png and -3.png.

    deploy/ordinary_user.sh python -m docs.making.window_pictures NAME=IMAGE… [--output FOLDER]

NAME is 5 or 3; IMAGE is the file that ``containers/build.sh relion-5-cpu-gui``, or the same with
relion-3.1-cpu-gui, prints. Needs Apptainer, and Debian's packages xvfb, xdotool, tesseract-ocr.
RELION runs in its container, started by ``relion-dispatch relion``; its window is on a screen in
memory.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import time
from pathlib import Path

from PIL import Image

from tests.system.project import Project
from tests.system.relion_window import JOB_TYPES, Area, RelionWindow, a_window

SITE = {
    "scheduler": "slurm",
    "partitions": {"gpu": {"cores": 64, "gpus": 4, "gpu_memory": "48G"}},
    "job_parameters": {"submit": {"partition": "gpu"}},
    "scratch": {"folder": "/scratch"},
}
TABS = Area(200, 2, 790, 28)
JOB = Area(0, 0, 800, 424)  # the upper half: what a job is, and its buttons
_LOOKS = 20
COLOURS = 48  # enough for letters with soft edges


def main() -> None:
    """Make the pictures that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images", nargs="+", metavar="NAME=IMAGE")
    parser.add_argument("--output", type=Path, default=Path("docs/pictures"))
    given = parser.parse_args()
    given.output.mkdir(exist_ok=True)
    for each in given.images:
        name, _, image = each.partition("=")
        with tempfile.TemporaryDirectory() as folder:
            picture = _picture(_project(Path(folder), name, Path(image)), given.output)
        path = given.output / f"window-{name}.png"
        picture.quantize(COLOURS).save(path, optimize=True)
        print(f"{path}: {path.stat().st_size} bytes")


def _project(folder: Path, name: str, image: Path) -> Project:
    """An empty project whose image is that one."""
    site, project, runtime = folder / "site", folder / "ribosome", folder / "runtime"
    for each in (site, project, runtime):
        each.mkdir(mode=0o700)
    version = image.name.split("-")[1]
    build = {"variant": "cpu-gui", "path": str(image)}
    catalogue = {"relion": {"default": version, "versions": {version: [build]}}}
    (site / "images.json").write_text(json.dumps(catalogue))
    program = shutil.which("apptainer") or "apptainer"
    (site / "site.json").write_text(json.dumps({**SITE, "apptainer": {"program": program}}))
    (project / "default_pipeline.star").write_text(
        "\n# version 30001\n\ndata_pipeline_general\n\n_rlnPipeLineJobCounter 1\n\n"
    )
    bare = {key: value for key, value in os.environ.items() if not key.startswith("RELION_")}
    environment = {
        **bare,
        "RELION_DISPATCH_SITE": str(site),
        "RELION_DISPATCH_RUNTIME": str(runtime),
        "RELION_DISPATCH_PYTHON": os.environ.get("RELION_DISPATCH_PYTHON", "python3"),
    }
    return Project(project, name, environment)


def _picture(project: Project, output: Path) -> Image.Image:
    """The Running tab of an auto-refinement, as RELION's user sees it."""
    with a_window(project, output) as window:
        window.click_on("3D auto-refine", JOB_TYPES)
        window.click_on("Running", TABS)
        window.wait_to_read(JOB, "Queue name")
        return _settled(window)


def _settled(window: RelionWindow) -> Image.Image:
    """What is seen once nothing of the window changes any more."""
    before = None
    for _ in range(_LOOKS):
        time.sleep(0.3)
        now = window.screenshot(JOB)
        if before is not None and now.tobytes() == before.tobytes():
            break
        before = now
    return now


if __name__ == "__main__":
    main()
