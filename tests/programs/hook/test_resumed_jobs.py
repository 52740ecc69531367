"""A refinement on this machine alone, cut as by a power cut, goes on from its last iteration."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dispatcher.cli import main
from dispatcher.jobs.record import Record, read_record

from ...fixture_types import CorpusJob, WriteSite
from ...refinement_files import write_iteration
from ...stand_in_programs import link_stand_in
from ...waiting import processes_of, wait_for, wait_for_end
from ..hook_calls import call_hook
from ..jobs.pipeline_jobs import HEADS, WORDS

JOB = "Refine3D/job011"
# The refinement of this run, until it may end.
REFINES = (
    'echo x >> began; until [ -e go ]; do sleep 0.1; done; touch "$CONTROL/RELION_JOB_EXIT_SUCCESS"'
)


@pytest.fixture
def folder(
    tmp_path: Path, project: Path, images: Path, site: WriteSite, corpus_job: CorpusJob,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Path]:  # fmt: skip
    """The folder of a refinement whose first run computes."""
    assert images.is_file()
    site("site.json", {"scheduler": "local", "goes_on": True})
    programs = tmp_path / "bin"
    programs.mkdir()
    link_stand_in("apptainer", programs)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("RECORDED", str(tmp_path / "recorded"))
    monkeypatch.setenv("ON_RUN", REFINES)
    monkeypatch.chdir(project)
    (project / "default_pipeline.star").write_text(
        f"{HEADS}{WORDS}{JOB}/ None relion.refine3d Running\n"
    )
    script = corpus_job("relion-5.0.1/Refine3D_job011")
    done = call_hook(script)
    assert done.returncode == 0, done
    wait_for((project / "began").exists)
    yield script.parent
    (project / "go").touch()


def record_of(folder: Path) -> Record:
    found = read_record(folder)
    assert found
    return found


def power_cut(folder: Path, seconds: float = 600) -> None:
    """End all processes of the job and of its watcher at once, so long ago."""
    record = record_of(folder)
    for session in (record.merged["watcher"]["job_id"], record.job_id):
        for what in (signal.SIGSTOP, signal.SIGKILL):
            for process in processes_of(int(session)):
                os.kill(process, what)
    (lease,) = folder.glob(".dispatch_lease.*")
    then = time.time() - seconds
    os.utime(lease, (then, then))


def test_a_refinement_goes_on_after_a_power_cut(
    folder: Path, project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in (1, 2, 3):
        write_iteration(folder, number)
    power_cut(folder)
    first = record_of(folder).job_id
    (project / "began").unlink()
    capsys.readouterr()

    assert main(["resume", JOB]) == 0

    assert ": run 2 starts, as job " in capsys.readouterr().out
    wait_for((project / "began").exists)
    record = record_of(folder)
    assert record.job_id != first and record.merged["watcher"]["job_id"]
    assert "Run 2 of the job goes on from iteration 3." in (folder / "run.out").read_text()
    words = (tmp_path / "recorded").read_text().splitlines()[-1].split("\0")
    assert words[words.index("--continue") + 1].endswith("run_it003_optimiser.star")
    (project / "go").touch()
    wait_for_end(folder, "SUCCESS", 30)
    lost, last = record_of(folder).runs
    assert (lost.why, lost.to_iteration, lost.job_id) == ("lost_node", 3, first)
    assert (last.number, last.ending, last.from_iteration) == (2, "SUCCESS", 3)
    assert main(["status", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["relion"], len(row["runs"]), row["next_run"]) == ("Succeeded", 2, None)
    wait_for(lambda: not list(folder.glob(".dispatch_lease.*")))


def test_the_watcher_of_the_next_run_looks_after_it(folder: Path, project: Path) -> None:
    """The script is killed, and with it what it started; the watcher alone is left."""
    write_iteration(folder, 1)
    power_cut(folder)
    (project / "began").unlink()
    # By a process that ends: the script's end is seen by the watcher once its parent knows it.
    subprocess.run([sys.executable, "-m", "dispatcher", "resume", JOB], check=True,
                   env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])})  # fmt: skip
    wait_for((project / "began").exists)

    session = int(record_of(folder).job_id or 0)
    for what in (signal.SIGSTOP, signal.SIGKILL):
        for process in processes_of(session):
            os.kill(process, what)

    wait_for((folder / "RELION_JOB_EXIT_FAILURE").exists)
    assert "The job ended before its script could report" in (folder / "run.err").read_text()
    wait_for(lambda: not list(folder.glob(".dispatch_control.*")))
