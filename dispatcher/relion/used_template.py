"""Which template did RELION use for a job, and which one is to be chosen in its window?

RELION remembers the template for each project and type of job (``.gui_*job.star``), and looks at
RELION_QSUB_TEMPLATE only where it remembers none (``initialisePipeline`` and ``readInput``,
src/pipeline_jobs.cpp, 3.1 to 5.0). ``JOB/job.star`` names the one that was used: ``qsubscript``.
"""

from __future__ import annotations

from pathlib import Path

from . import job_star

__all__ = ["FIELD", "OUR_TEMPLATE", "another_template"]

_LABEL = "Standard submission script"
FIELD = f'"{_LABEL}" in the Running tab of RELION\'s window'
OUR_TEMPLATE = "relion_template.sh of relion-dispatch"  # where its path is not known


def another_template(job: Path, template: str = OUR_TEMPLATE) -> str:
    """What to do about a script of another template, without the full stop.

    `job` is the job's folder, `template` the path of ours.
    """
    gui = job_star.read(job / "job.star")
    used = gui.options.get("qsubscript") if gui else None
    if used == template:
        return f"RELION used {used}: ask your admin to put that file of relion-dispatch back"
    choose = f'choose {template} in the Running tab ("{_LABEL}"), and submit the job again'
    return f"RELION used {used}: {choose}" if used else choose
