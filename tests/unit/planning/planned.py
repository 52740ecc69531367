"""Plans of submissions, and a site's file in the FMI format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from dispatcher.config.configuration import load_configuration
from dispatcher.planning.make_plan import plan_script
from dispatcher.planning.plan import Plan

SHAPE = {"cores": 64, "gpus": 4, "gpu_memory": "24G", "memory": "256G"}
Typed = Callable[..., Plan]

REFINE, CLASS3D = "relion-5.0.1/Refine3D_job011", "relion-5.0.1/Class3D_job010"
CLASSIC: dict[str, Any] = {
    "__comment__": "a site's file in the FMI format",
    "submit": {"match_command": "None", "job_parameters": {"nthread": 1, "nproc": 1}},
    "gpu": {
        "inherits": "submit",
        "match_command": "None",
        "image": "relion",
        "relion_remove_parameter": ["gpu", "j"],
        "relion_add_parameter": {"gpu": '""'},
        "job_parameters": {"ngpu": 4, "nproc": 21, "submit_command": "sbatch"},
    },
    "refine": {
        "inherits": "gpu",
        "match_command": "relion_refine",
        "adjust_GPU_nproc_to_mem": [4, 32212254720],
    },
}


def plan(script: Path) -> Plan:
    return plan_script(script, load_configuration())


def launched(planned: Plan, command: int = 0) -> list[str]:
    """The words before the program of that command, as the record keeps them."""
    return [str(word) for word in planned.as_json()["commands"][command]["prefix"]]
