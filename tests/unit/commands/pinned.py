"""Projects with pins, and the catalogue of their images."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from dispatcher.images.pins import PIN_FILE

# As RELION wrote them: 3.1.3 and 5.1.0 run on a project with one job; 4.0.2 by its pipeliner.cpp.
GENERAL = "\n# version {}\n\ndata_pipeline_general\n\n_rlnPipeLineJobCounter            2\n \n"
PROCESSES = (
    "\n# version {}\n\ndata_pipeline_processes\n\nloop_ \n_rlnPipeLineProcessName #1 \n"
    "_rlnPipeLineProcessAlias #2 \n"
)
NUMBERS = "_rlnPipeLineProcessType #3 \n_rlnPipeLineProcessStatus #4 \n"
LABELS = "_rlnPipeLineProcessTypeLabel #3 \n_rlnPipeLineProcessStatusLabel #4 \n"
BY_NUMBER = "MaskCreate/job001/       None           12            1 \n \n"
BY_LABEL = "MaskCreate/job001/       None relion.maskcreate  Scheduled \n \n"
PIPELINES = {
    "3.1": GENERAL.format(30001) + PROCESSES.format(30001) + NUMBERS + BY_NUMBER,
    "4.0": GENERAL.format(30001) + PROCESSES.format(30001) + LABELS + BY_LABEL,
    "5.1": GENERAL.format(50001) + PROCESSES.format(50001) + LABELS + BY_LABEL,
    "of tests": GENERAL.format(30001),
    "3.0": GENERAL.replace("\n# version {}\n", ""),
    "empty": "",
}


class Said(NamedTuple):
    status: int
    out: str
    err: str


PinCommand = Callable[..., Said]


def write_pins(project: Path, **versions: Any) -> None:
    entries = {
        name: {"version": version, "sha256": {}} if isinstance(version, str) else version
        for name, version in versions.items()
    }
    (project / PIN_FILE).write_text(json.dumps({"images": entries}))


def catalogue(images: Path) -> dict[str, Any]:
    return dict(json.loads(images.read_text()))
