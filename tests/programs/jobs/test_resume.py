"""``relion-dispatch resume`` and ``watch`` on a machine that was switched off.

The jobs are scripts of a few lines that claim and renew as the library does;
tests/programs/job_script has whole ones.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dispatcher.cli import main
from dispatcher.jobs import start_run
from dispatcher.jobs.record import load_record
from dispatcher.jobs.seal import text_digest

from ...fixture_types import WriteSite
from ..stand_in_scheduler import StandIn
from .pipeline_jobs import TOKEN, AddJob, status

pytestmark = pytest.mark.usefixtures("quickly")
JOB = "Refine3D/job019"
RUN = f"{JOB}/run_submit.script.run"
GOES_ON = {"after": ["lost_node"], "at_most": 10, "gives_up_after": 2}
# Claims the next number, as the run before has its record, and runs until it may end.
SCRIPT = f"""\
dispatch_token={TOKEN}
cd {JOB}
number=1
while [ -e dispatch.run.{TOKEN}.$number ]; do number=$((number + 1)); done
[ $number = 1 ] || after=.$number
ln -sT "$(uname -n), process $$, now, job $$" .dispatch_claim.{TOKEN}${{after:-}} || exit 1
echo $number >> began
printf 'run %s\\nscheduler_job_id %s\\n' $number $$ > .dispatch_lease.{TOKEN}.$number
until [ -e go ]; do sleep 0.05; done
"""


@pytest.fixture(autouse=True)
def local(site: WriteSite) -> None:
    """This machine alone."""
    site("site.json", {"scheduler": "local"})


@pytest.fixture
def add_local(add_job: AddJob) -> Iterator[AddJob]:
    """Add a job whose first run was cut an hour ago; its script ends when the test does."""
    folders = []

    def add(**keys: Any) -> Path:
        known = {
            "scheduler": "local", "goes_on": GOES_ON, "job_script_sha256": text_digest(SCRIPT),
            "submit_command": ["bash", RUN, TOKEN], "job_id": "4194303", **keys,
        }  # fmt: skip
        folder = add_job(JOB, **known)
        folders.append(folder)
        (folder / "run_submit.script.run").write_text(SCRIPT)
        cut(folder)
        return folder

    yield add
    for folder in folders:
        (folder / "go").touch()


def cut(folder: Path, number: int = 1, seconds: float = 3600) -> None:
    """What a run leaves that was cut so long ago, in its eighth iteration."""
    after = f".{number}" if number > 1 else ""
    claim = folder / f".dispatch_claim.{TOKEN}{after}"
    claim.symlink_to(f"{os.uname().nodename}, process 4194303, then, job 4194303")
    lease = folder / f".dispatch_lease.{TOKEN}.{number}"
    lease.write_text(
        f"token {TOKEN}\nrun {number}\nstarted 2026-11-28T05:00:00+00:00\nhost desk1\n"
        "scheduler_job_id 4194303\nprocess 4194303 1 pid:[1] 6f0c\ndone 0\nreached 0\nidle 0\n"
        "reached 3\nranks 9\n"
    )
    (folder / "run_it007_optimiser.star").touch()
    then = time.time() - seconds
    os.utime(lease, (then, then))


def began(folder: Path) -> list[str]:
    """The numbers of the runs that the script has begun."""
    until = time.monotonic() + 10
    while not (folder / "began").exists() and time.monotonic() < until:
        time.sleep(0.02)
    return (folder / "began").read_text().split()


def relion_was_told(folder: Path) -> bool:
    return bool(list(folder.glob("RELION_JOB_EXIT_*")))


def test_a_job_that_a_power_cut_has_ended_goes_on(
    add_local: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = add_local()

    assert main(["resume", JOB]) == 0

    said = capsys.readouterr().out
    assert said.startswith(f"{JOB}: run 2 starts, as job ")
    assert began(folder) == ["2"]
    lost = dict(
        line.split(" ", 1) for line in (folder / f"dispatch.run.{TOKEN}.1").read_text().splitlines()
    )
    assert lost.pop("ended") > "2026"
    assert lost.pop("reason").endswith(".")
    assert lost == {
        "token": TOKEN, "run": "1", "started": "2026-11-28T05:00:00+00:00", "host": "desk1",
        "scheduler_job_id": "4194303", "ranks": "9", "done": "0", "reached": "3", "idle": "0",
        "to_iteration": "7", "ending": "GOES_ON", "why": "lost_node",
    }  # fmt: skip
    assert not (folder / f".dispatch_lease.{TOKEN}.1").exists()
    (row,) = status(capsys)
    assert [(run["run"], run["ending"]) for run in row["runs"]] == [(1, "GOES_ON"), (2, None)]
    assert (row["relion"], row["next_run"], row["reason"]) == ("Running", None, None)
    assert row["job_id"] == said.split()[6] == row["runs"][1]["job_id"]
    assert not relion_was_told(folder)


def test_status_tells_what_to_do_and_tells_relion_nothing(
    add_local: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = add_local()

    (row,) = status(capsys)

    assert row["reason"] == (
        "it was cut on desk1: go on with `relion-dispatch resume Refine3D/job019`, or leave "
        "`relion-dispatch watch` running."
    )
    assert (row["relion"], row["next_run"], row["iteration"]) == ("Running", 2, 7)
    assert not relion_was_told(folder)
    assert main(["explain", JOB]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "State Waits. It was cut on desk1: go on with `relion-dispatch resume Refine3D/job019`" \
        in shown  # fmt: skip


@pytest.mark.parametrize("goes_on", [None, {**GOES_ON, "after": ["time_limit"]}])
def test_relion_is_told_of_a_job_that_does_not_survive_this(
    goes_on: Any, add_local: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = add_local(goes_on=goes_on)

    (row,) = status(capsys)

    assert row["relion"] == "Failed"
    assert (folder / "RELION_JOB_EXIT_FAILURE").exists()
    assert not (folder / f".dispatch_lease.{TOKEN}.1").exists()


def test_watch_goes_on_by_itself(add_local: AddJob, capsys: pytest.CaptureFixture[str]) -> None:
    folder = add_local()

    assert main(["watch", "--once"]) == 0

    assert f"{JOB}: run 2 starts, as job " in capsys.readouterr().out
    assert began(folder) == ["2"]
    assert main(["watch", "--once"]) == 0
    assert capsys.readouterr().out == "" and began(folder) == ["2"]


def test_a_run_that_was_there_a_moment_ago_is_left_alone(
    add_local: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its programs may still run: nobody has seen its machine switched off."""
    folder = add_local()
    os.utime(folder / f".dispatch_lease.{TOKEN}.1")

    assert main(["resume", JOB]) == 1
    assert main(["watch", "--once"]) == 0

    out, said = capsys.readouterr()
    assert f"{JOB} may still run: its run 1 was there " in said and "Try again in 1" in said
    assert out == "" and not (folder / "began").exists()
    assert (folder / f".dispatch_lease.{TOKEN}.1").exists() and not relion_was_told(folder)


def test_a_job_goes_on_again_and_again(add_local: AddJob) -> None:
    folder = add_local()
    assert main(["resume", JOB]) == 0
    assert began(folder) == ["2"]
    (job_id,) = {str(load_record(folder / "dispatch.json").job_id)}
    os.killpg(int(job_id), signal.SIGKILL)
    old = time.time() - 600
    for name in (f".dispatch_lease.{TOKEN}.2", f".dispatch_id.{TOKEN}.2"):
        os.utime(folder / name, (old, old))

    wait_for_end(int(job_id))
    (folder / "began").unlink()
    assert main(["resume", JOB]) == 0

    assert began(folder) == ["3"]
    runs = load_record(folder / "dispatch.json").runs
    assert [(run.number, run.why) for run in runs] == [
        (1, "lost_node"),
        (2, "lost_node"),
        (3, None),
    ]


def wait_for_end(process: int) -> None:
    until = time.monotonic() + 10
    while time.monotonic() < until:
        state = Path(f"/proc/{process}/stat")
        if not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z":
            return
        time.sleep(0.02)


def test_of_several_that_start_a_run_one_does(add_local: AddJob) -> None:
    folder = add_local()
    words = [sys.executable, "-m", "dispatcher"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    both = [
        subprocess.Popen([*words, *each], env=environment, stderr=subprocess.DEVNULL)
        for each in (["resume", JOB], ["watch", "--once"], ["resume", JOB])
    ]

    assert 0 in [each.wait(60) for each in both]
    time.sleep(0.5)
    assert began(folder) == ["2"]


def test_the_watcher_of_the_new_run_is_submitted(add_local: AddJob) -> None:
    script = 'echo "$1" > Refine3D/job019/watched\n'
    folder = add_local(watcher_script=text_digest(script))
    (folder / "run_submit.script.watch").write_text(script)
    (folder / f".dispatch_watcher.{TOKEN}").write_text("4194302\n")

    assert main(["resume", JOB]) == 0

    record = load_record(folder / "dispatch.json")
    assert record.merged["watcher"]["job_id"] not in (None, "4194302")
    until = time.monotonic() + 10
    while not (folder / "watched").exists() and time.monotonic() < until:
        time.sleep(0.02)
    assert (folder / "watched").read_text().split() == [record.job_id]


def by_another(folder: Path) -> None:
    content = json.loads((folder / "dispatch.json").read_text())
    content["submit_command"] = ["touch", str(folder / "canary")]
    (folder / "dispatch.json").write_text(json.dumps(content))


def changed(folder: Path) -> None:
    (folder / "run_submit.script.run").write_text(f"{SCRIPT}touch canary\n")


def linked(folder: Path) -> None:
    (folder / "run_submit.script.run").rename(folder / "elsewhere")
    (folder / "run_submit.script.run").symlink_to("elsewhere")


def aborted(folder: Path) -> None:
    (folder / "RELION_JOB_ABORT_NOW").touch()


def given_up(folder: Path) -> None:
    (folder / f".dispatch_claim.{TOKEN}.2").symlink_to("desk1, process 5, gave the submission up")


def failed(folder: Path) -> None:
    (folder / "RELION_JOB_EXIT_FAILURE").touch()


def succeeded(folder: Path) -> None:
    (folder / "RELION_JOB_EXIT_SUCCESS").touch()


@pytest.mark.parametrize(
    ("change", "keys", "says"),
    [
        (by_another, {}, "was not written here by your own relion-dispatch"),
        (changed, {}, "its script Refine3D/job019/run_submit.script.run is not the one that was"),
        (linked, {}, "its script Refine3D/job019/run_submit.script.run is not the one that was"),
        (aborted, {}, "is to be aborted: `relion-dispatch cancel Refine3D/job019` ends the job"),
        (given_up, {}, "its submission was given up"),
        (failed, {}, "(Failed): continue the job in RELION from Refine3D/job019/run_it007_optimis"),
        (succeeded, {}, "Refine3D/job019 has ended, and RELION knows it (Succeeded)."),
        (None, {"goes_on": None}, 'it was submitted without "goes_on"'),
        (None, {"host": "desk2"}, "ran on desk2, and can go on only there"),
        (None, {"seal": "0" * 64}, "was not written here by your own relion-dispatch"),
        (None, {"job_script_sha256": None}, "was not written here by your own relion-dispatch"),
        (None, {"refused": "There is no room."}, "was never submitted: There is no room."),
        (None, {"scheduler": "ferry"}, "site.json no longer has its scheduler ferry"),
    ],
)
def test_what_cannot_go_on_is_refused(
    change: Any, keys: Any, says: str, add_local: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = add_local(**keys)
    if change:
        change(folder)

    assert main(["resume", JOB]) == 1

    assert says in capsys.readouterr().err
    assert not (folder / "began").exists() and not (folder / "canary").exists()
    assert not (folder / f"dispatch.run.{TOKEN}.1").exists()


def test_a_job_without_a_record_is_refused(
    add_job: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    add_job(JOB, record=False)

    assert main(["resume", JOB]) == 1

    assert "did not submit it" in capsys.readouterr().err


def test_a_job_that_runs_is_not_started_again(
    add_local: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = add_local()
    assert main(["resume", JOB]) == 0
    assert began(folder) == ["2"]

    assert main(["resume", JOB]) == 1

    assert "runs (job " in capsys.readouterr().err and began(folder) == ["2"]


def test_cancel_ends_a_job_that_was_cut(
    add_local: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = add_local()

    assert main(["cancel", JOB]) == 0

    assert (folder / "RELION_JOB_EXIT_ABORTED").exists()
    assert "while it waited to go on." in (folder / "run.err").read_text()


@pytest.fixture
def slurm(tmp_path: Path, site: WriteSite) -> StandIn:
    """A scheduler that has lost the job."""
    return StandIn(tmp_path / "slurm", site)


def queued_job(slurm: StandIn, add_job: AddJob) -> Path:
    folder = add_job(
        JOB, goes_on=GOES_ON, job_script_sha256=text_digest(SCRIPT),
        submit_command=[str(slurm.folder / "sbatch"), f"--comment=relion-dispatch:{TOKEN}", RUN],
    )  # fmt: skip
    (folder / "run_submit.script.run").write_text(SCRIPT)
    cut(folder)
    return folder


def test_a_job_that_its_scheduler_has_lost_is_submitted_again(
    slurm: StandIn, add_job: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = queued_job(slurm, add_job)
    slurm.submits("take 18 PENDING; echo 18")

    assert main(["resume", JOB]) == 0

    assert slurm.calls("sbatch") == [f"--comment=relion-dispatch:{TOKEN} {RUN}"]
    assert capsys.readouterr().out == f"{JOB}: run 2 starts, as job 18 of slurm\n"
    (row,) = status(capsys)
    assert (row["job_id"], row["state"], row["next_run"]) == ("18", "PENDING", 2)
    assert main(["resume", JOB]) == 1
    assert "waits in the queue (job 18)" in capsys.readouterr().err
    assert not relion_was_told(folder)


def test_a_run_that_could_not_be_submitted_can_be_tried_again(
    slurm: StandIn, add_job: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = queued_job(slurm, add_job)
    slurm.submits("echo no such account >&2; exit 1")
    assert main(["resume", JOB]) == 1
    assert "no such account" in capsys.readouterr().err
    slurm.submits("take 18 PENDING; echo 18")

    assert main(["resume", JOB]) == 0

    assert "run 2 starts" in capsys.readouterr().out and not relion_was_told(folder)


@pytest.mark.parametrize("says", ["exit 1", "echo JobId=17 JobState=COMPLETING"])
def test_a_scheduler_that_may_have_the_job_is_asked_again(
    says: str, slurm: StandIn, add_job: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    queued_job(slurm, add_job)
    slurm.says_of_ends(says)
    if says == "exit 1":
        slurm.queue_answers("exit 1")

    assert main(["resume", JOB]) == 1

    assert "was not started again, because its scheduler does not " in capsys.readouterr().err
    assert not slurm.calls("sbatch")


def test_of_a_job_that_was_to_go_on_and_is_lost_relion_is_told_so(
    slurm: StandIn, add_job: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = queued_job(slurm, add_job)
    (folder / f".dispatch_lease.{TOKEN}.1").unlink()
    (folder / f"dispatch.run.{TOKEN}.1").write_text(
        f"token {TOKEN}\nrun 1\nending GOES_ON\nwhy preemption\n"
    )
    slurm.says_of_ends("echo JobId=17 JobState=CANCELLED")

    (row,) = status(capsys)

    assert row["relion"] == "Failed"
    said = (folder / "run.err").read_text()
    assert (
        "The job was to go on with run 2, but the scheduler has lost it: it was cancelled" in said
    )
    assert (folder / f".dispatch_claim.{TOKEN}.2").is_symlink(), "no late copy begins"


def test_a_job_between_two_runs_waits_to_go_on(
    slurm: StandIn, add_job: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = queued_job(slurm, add_job)
    (folder / f".dispatch_lease.{TOKEN}.1").unlink()
    (folder / f"dispatch.run.{TOKEN}.1").write_text(
        f"token {TOKEN}\nrun 1\nstarted 2026-11-28T05:00:00+00:00\n"
        "ended 2026-11-28T06:00:00+00:00\nhost gpu1\nending GOES_ON\nwhy preemption\n"
        "to_iteration 7\nranks 9\n"
    )
    slurm.has("17", "PENDING", TOKEN, "BeginTime", since="2026-11-28T06:00:05")

    (row,) = status(capsys)
    assert (row["next_run"], row["waiting_since"]) == (2, "2026-11-28T06:00:00+00:00")
    assert (row["iteration"], row["expected_end"]) == (7, None)
    assert main(["status", JOB]) == 0
    card = capsys.readouterr().out
    assert "on gpu1, 9 ranks, to iteration 7: it was preempted\n" in card
    assert "waits to go on with run 2 since" in " ".join(card.split())
    assert main(["explain", JOB]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "State Waits. It waits to go on with run 2 as job 17 of slurm, since 2026-11-28" in shown
    assert (
        "Runs Run 1: 2026-11-28 05:00 UTC to 2026-11-28 06:00 UTC on gpu1, 9 ranks, to iteration "
        "7: it was preempted."
    ) in shown
    assert main(["cancel", JOB]) == 0
    assert (
        "cancelled with `relion-dispatch cancel` while it waited to go on."
        in (folder / "run.err").read_text()
    )


def test_the_age_of_a_lease_is_that_of_its_file_system(
    add_local: AddJob, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The clock of the machine may be wrong."""
    add_local()
    monkeypatch.setattr(start_run.SharedFolder, "status", _an_hour_behind)

    assert main(["resume", JOB]) == 1
    assert "may still run: its run 1 was there 0 s ago" in capsys.readouterr().err


_real_status = start_run.SharedFolder.status


def _an_hour_behind(folder: Any, name: str = "") -> os.stat_result:
    found = _real_status(folder, name)
    if "dispatch_clock" not in name:
        return found
    return os.stat_result([*found[:8], found.st_mtime - 3600, *found[9:10]])
