"""The end of a job reaches RELION on a disk that has no room for one more file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ..appliance_form import DEPLOY

TELL = """
import sys
from pathlib import Path
from dispatcher.jobs.tell import tell
folder = Path(sys.argv[1])
sys.exit(not tell(folder, folder / "run.err", sys.argv[2], "The job was lost.", ""))
"""


@pytest.mark.parametrize("end", ["FAILURE", "ABORTED"])
def test_a_job_that_was_lost_is_told(end: str, tmp_path: Path) -> None:
    """As `status` does for a job whose script never ran, and so has kept no file to be renamed."""
    job, after = tmp_path / "Refine3D" / "job011", tmp_path / "after"
    job.mkdir(parents=True)
    shell = (
        f"mount -t tmpfs -o nr_inodes=2 none {job}; echo 'of RELION' > {job}/run_submit.script; "
        f'! touch {job}/more 2> {tmp_path}/full; {sys.executable} -c "$0" {job} {end}; '
        f"cp -a {job} {after}"
    )
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-ec", shell, TELL],
        cwd=DEPLOY.parent,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    assert (after / f"RELION_JOB_EXIT_{end}").exists()
