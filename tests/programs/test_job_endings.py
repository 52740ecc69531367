"""How job scripts end, whatever happens: one exit file, one sentence, nothing left behind.

bash, coreutils, signals and processes are real; programs that stand in for RELION's are only asked
to end in some way, and to write what the real ones write.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ..waiting import wait_for
from .running_job import RunningJob, exit_files

pytestmark = pytest.mark.usefixtures("images")

CorpusJob = Callable[[str], Path]
WriteSite = Callable[..., Path]
TOKEN = "0123456789ab"


def written_run(script: Path, token: str) -> dict[str, str]:
    """What the job script has written about its run."""
    lines = (script.parent / f"dispatch.run.{token}").read_text().splitlines()
    return dict(line.split(" ", 1) for line in lines)


def last_line(script: Path) -> str:
    """The last line of the job's run.err."""
    return (script.parent / "run.err").read_text(errors="replace").splitlines()[-1]


@pytest.fixture
def job(corpus_job: CorpusJob) -> Path:
    """A job of one command."""
    return corpus_job("relion-5.0.1/PostProcess_job016")


@pytest.fixture
def refinement(corpus_job: CorpusJob, site: WriteSite) -> Path:
    """A refinement that wants a scratch folder, without MPS."""
    site("site.json", {"mps": False})
    return corpus_job("relion-5.0.1/Refine3D_job011")


# Exit files


def test_relions_programs_write_their_exit_files_where_relion_does_not_look(
    corpus_job: CorpusJob, running_job: RunningJob, tmp_path: Path
) -> None:
    """The second program finds no SUCCESS in the job's folder that the first would have left."""
    script = corpus_job("relion-4.0.2/MultiBody_job005")
    seen = tmp_path / "seen"

    running_job.run(
        script,
        ON_RUN=f"ls MultiBody/job005 | grep EXIT >> {seen}; "
        'touch "${CONTROL}RELION_JOB_EXIT_SUCCESS"',
    )

    assert len((tmp_path / "recorded").read_text().split("\0\n")) == 3
    assert seen.read_text() == ""
    assert exit_files(script) == {"SUCCESS"}


def test_a_middle_command_that_fails_ends_the_job(
    corpus_job: CorpusJob, running_job: RunningJob, tmp_path: Path
) -> None:
    script = corpus_job("relion-4.0.2/MultiBody_job005")

    done = running_job.run(script, ON_RUN='touch "${CONTROL}RELION_JOB_EXIT_FAILURE"; exit 3')

    assert done.returncode == 3
    assert exit_files(script) == {"FAILURE"}
    assert (tmp_path / "recorded").read_text().count("relion_") == 1


@pytest.mark.parametrize(
    ("writes", "status", "left"),
    [
        ("", 0, "SUCCESS"),
        ("SUCCESS", 0, "SUCCESS"),
        ("FAILURE", 0, "FAILURE"),
        ("SUCCESS FAILURE", 0, "FAILURE"),
        ("SUCCESS", 9, "FAILURE"),
        ("ABORTED", 0, "ABORTED"),
        ("ABORTED FAILURE", 1, "ABORTED"),
    ],
)
@pytest.mark.parametrize("where", ["${CONTROL}", "PostProcess/job016/"])
def test_exactly_one_exit_file_is_left(
    where: str, writes: str, status: int, left: str, job: Path, running_job: RunningJob
) -> None:
    """Also where a program writes into the job's folder itself, as External jobs do."""
    files = " ".join(f'"{where}RELION_JOB_EXIT_{each}"' for each in writes.split())

    done = running_job.run(job, ON_RUN=f"{f'touch {files};' if files else ''} exit {status}")

    assert exit_files(job) == {left}
    assert (done.returncode == 0) == (left == "SUCCESS" or (left, status) == ("ABORTED", 0))
    assert not list(job.parent.glob(".dispatch_control*"))


def test_success_says_nothing(job: Path, running_job: RunningJob) -> None:
    running_job.run(job)

    assert (job.parent / "run.err").read_text() == ""


# Reasons

MPI_KILL = "mpirun noticed that process rank 1 with PID 0 on node gpu1 exited on signal 9 (Killed)."


@pytest.mark.parametrize(
    ("text", "because"),
    [
        ("ERROR: CudaCustomAllocator out of memory", "a GPU ran out of memory: use fewer ranks"),
        (
            "ERROR: out of memory in /x/custom_allocator.cuh at line 436 (error-code 2)",
            "a GPU ran out of memory",
        ),
        ("slurmstepd: error: Detected 1 oom_kill event in StepId=5.batch.", "the memory of the"),
        ("terminate called after throwing an instance of 'std::bad_alloc'", "the memory of the"),
        (MPI_KILL, "one of its processes was killed (signal 9)"),
        ("Number of MPI processes             = 1", "its ranks started as single processes"),
        ("fwrite: No space left on device", "the disk is full"),
        ('FATAL:   "relion_x": executable file not found in $PATH', "a program is missing"),
        ("relion: error while loading shared libraries: libx.so.1: …", "a library is missing"),
        ("open(run.star): Permission denied", "it may not read or write"),
        (
            "rwMRC: error in reading header of image x.mrc",
            "an image or map that it reads is damaged",
        ),
        ("something else", "relion_postprocess ended with status 1: its last lines, above and"),
    ],
)
@pytest.mark.parametrize("stream", [1, 2])
def test_a_known_cause_is_told_with_what_helps(
    stream: int, text: str, because: str, job: Path, running_job: RunningJob
) -> None:
    running_job.run(job, ON_RUN=f'echo "$SAYS" >&{stream}; exit 1', SAYS=text)

    assert re.match(
        r"relion-dispatch: The job failed after 0:0\d:\d\d, because " + re.escape(because),
        last_line(job),
    )


def test_a_cause_is_found_beside_what_is_no_text(job: Path, running_job: RunningJob) -> None:
    running_job.run(
        job, ON_RUN=r"printf 'a \xff bar: No space left on device\n\xc3\0\n' >&2; exit 1"
    )

    assert "because the disk is full" in last_line(job)
    assert "binary file" not in (job.parent / "run.err").read_bytes().decode(errors="replace")


def test_what_an_earlier_run_wrote_is_no_cause(job: Path, running_job: RunningJob) -> None:
    (job.parent / "run.err").write_text("ERROR: CudaCustomAllocator out of memory\n")

    running_job.run(job, ON_RUN="exit 1")

    assert "its last lines, above" in last_line(job)


def test_a_sites_own_cause_is_tried_first(
    job: Path, running_job: RunningJob, site: WriteSite
) -> None:
    own = {"pattern": "licence [0-9]+", "cause": 'it\'s "full" `of` $x', "advice": "ask again"}
    site("endings.json", {"licence": own})

    running_job.run(job, ON_RUN='echo "no licence 5: No space left on device" >&2; exit 1')

    assert last_line(job).endswith('because it\'s "full" `of` $x: ask again.')


# The record


def test_how_it_went_stands_in_a_file_of_the_runs_own(job: Path, running_job: RunningJob) -> None:
    running_job.run(job, TOKEN, ON_RUN='printf "a \\"b\\" \\\\ \\t c\\n" >&2; exit 4')

    run = written_run(job, TOKEN)
    assert list(run) == [
        *("token", "started", "ended", "host", "scheduler_job_id"),
        *("exit_status", "ending", "reason"),
    ]
    assert (run["token"], run["exit_status"], run["ending"]) == (TOKEN, "4", "FAILURE")
    assert run["host"] == os.uname().nodename
    assert run["scheduler_job_id"].isdigit()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", run["started"])
    assert run["started"] <= run["ended"]
    assert f"relion-dispatch: {run['reason']}" == last_line(job)


def test_awkward_texts_stand_in_it_as_they_are(
    job: Path, running_job: RunningJob, site: WriteSite
) -> None:
    own = {"pattern": "odd", "cause": 'a "quote", a \\ and a ☃', "advice": "nothing"}
    site("endings.json", {"odd": own})

    running_job.run(job, TOKEN, ON_RUN="echo odd; exit 1")

    assert 'a "quote", a \\ and a ☃' in written_run(job, TOKEN)["reason"]


def test_the_job_leaves_the_hooks_record_alone(job: Path, running_job: RunningJob) -> None:
    record = job.parent / "dispatch.json"
    record.write_text('{\n  "job": 1')

    assert running_job.run(job, TOKEN).returncode == 0

    assert record.read_text() == '{\n  "job": 1'
    assert written_run(job, TOKEN)["ending"] == "SUCCESS"


def test_what_a_killed_hook_has_left_half_written_goes(job: Path, running_job: RunningJob) -> None:
    left = [".dispatch.json.17", ".run_submit.script.run.17", ".run_submit.script.lib.17"]
    for name in [*left, ".dispatch.json.lock"]:
        (job.parent / name).touch()

    running_job.run(job, TOKEN)

    assert not any((job.parent / name).exists() for name in left)


# Aborts


def test_an_abort_reaches_the_program_and_its_aborted_is_left(
    job: Path, running_job: RunningJob, project: Path
) -> None:
    waits = (
        'touch running; until [ -e "${CONTROL}RELION_JOB_ABORT_NOW" ]; do sleep 0.05; done;'
        'touch "${CONTROL}RELION_JOB_EXIT_ABORTED"; exit 1'
    )
    running = running_job.start(running_job.render(job), ON_RUN=waits)
    wait_for((project / "running").exists)

    (job.parent / "RELION_JOB_ABORT_NOW").touch()

    running.communicate(timeout=30)
    assert exit_files(job) == {"ABORTED"}
    assert "The job was aborted after 0:0" in last_line(job)


def test_a_program_that_does_not_heed_an_abort_is_ended_after_the_grace_time(
    job: Path, running_job: RunningJob, project: Path, site: WriteSite
) -> None:
    site("site.json", {"job_parameters": {"postprocess": {"abort_grace": 2}}})
    running = running_job.start(running_job.render(job), ON_RUN="touch running; sleep 60")
    wait_for((project / "running").exists)

    (job.parent / "RELION_JOB_ABORT_NOW").touch()

    running.communicate(timeout=20)
    assert exit_files(job) == {"ABORTED"}
    assert "did not end by themselves within 2 s" in last_line(job)


def test_no_further_command_starts_after_an_abort(
    corpus_job: CorpusJob, running_job: RunningJob, tmp_path: Path
) -> None:
    script = corpus_job("relion-4.0.2/MultiBody_job005")

    running_job.run(script, ON_RUN="touch MultiBody/job005/RELION_JOB_ABORT_NOW")

    assert exit_files(script) == {"ABORTED"}
    assert (tmp_path / "recorded").read_text().count("relion_") == 1


def test_a_job_that_relion_thinks_has_failed_does_not_start(
    job: Path, running_job: RunningJob, tmp_path: Path
) -> None:
    (job.parent / "RELION_JOB_EXIT_FAILURE").touch()

    assert running_job.run(job).returncode == 1

    assert exit_files(job) == {"FAILURE"}
    assert "RELION was told before" in last_line(job)
    assert not (tmp_path / "recorded").exists()


# Signals


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_is_told_and_nothing_is_left_running(
    number: signal.Signals, job: Path, running_job: RunningJob, project: Path
) -> None:
    running = running_job.start(
        running_job.render(job), ON_RUN="touch running; (trap '' TERM INT HUP; exec sleep 77)"
    )
    wait_for((project / "running").exists)

    running.send_signal(number)
    running.communicate(timeout=20)

    assert running.returncode == 128 + number
    assert exit_files(job) == {"FAILURE"}
    assert "because it was cancelled in the scheduler or stopped from outside" in last_line(job)
    assert session(running.pid) == []


@pytest.mark.parametrize(
    ("state", "seconds_left", "because"),
    [
        ("RUNNING", 60, "it reached its time limit"),
        ("TIMEOUT", 0, "it reached its time limit"),
        ("RUNNING", 4000, "it was cancelled"),
        ("CANCELLED", 0, "it was cancelled"),
    ],
)
def test_time_limit_and_cancellation_are_told_apart(
    state: str,
    seconds_left: int,
    because: str,
    job: Path,
    running_job: RunningJob,
    project: Path,
    site: WriteSite,
) -> None:
    """Slurm's answer is simulated here."""
    site("site.json", {"scheduler": "slurm"})
    running_job.program("scontrol")
    end = time.strftime("%FT%T", time.localtime(time.time() + seconds_left))
    running = running_job.start(
        running_job.render(job),
        ON_RUN="touch running; exec sleep 77",
        SLURM_JOB_ID="5",
        SHOWS=f"JobId=5 JobState={state} Reason=None\n   StartTime=Unknown EndTime={end}",
    )
    wait_for((project / "running").exists)

    running.send_signal(15)

    _, errors = running.communicate(timeout=20)
    assert f"because {because}" in errors.splitlines()[-1]
    assert exit_files(job) == {"FAILURE"}


def test_a_job_script_that_is_killed_is_told_and_leaves_nothing(
    job: Path, running_job: RunningJob, project: Path
) -> None:
    running = running_job.start(running_job.render(job), ON_RUN="touch running; exec sleep 77")
    wait_for((project / "running").exists)

    running.kill()

    wait_for(lambda: exit_files(job) == {"FAILURE"})
    wait_for(lambda: session(running.pid) == [])
    assert "because its job script was killed" in last_line(job)
    running.communicate()


def session(leader: int) -> list[str]:
    """The living processes of a session."""
    found = subprocess.run(
        ["ps", "-o", "stat=,args=", "--sid", str(leader)], capture_output=True, text=True
    )
    return [row for row in found.stdout.splitlines() if not row.startswith("Z")]


# Never twice


def test_of_two_copies_started_together_one_runs(
    job: Path, running_job: RunningJob, tmp_path: Path
) -> None:
    rendered = running_job.render(job)
    copies = [running_job.start(rendered, ON_RUN="sleep 0.5") for _ in range(8)]

    for copy in copies:
        assert copy.wait(30) == 0

    assert (tmp_path / "recorded").read_text().count("relion_postprocess") == 1
    assert exit_files(job) == {"SUCCESS"}
    assert (job.parent / "run.out").read_text().count("this is a second copy") == 7
    assert (job.parent / "run.err").read_text() == ""


def test_a_copy_that_starts_after_the_end_touches_nothing(
    job: Path, running_job: RunningJob, tmp_path: Path
) -> None:
    rendered = running_job.render(job)
    running_job.start(rendered, ON_RUN="exit 3").wait(20)
    (job.parent / "RELION_JOB_EXIT_FAILURE").unlink()
    before = {path.name for path in job.parent.iterdir()}

    assert running_job.start(rendered).wait(20) == 0

    assert {path.name for path in job.parent.iterdir()} == before
    assert (tmp_path / "recorded").read_text().count("relion_postprocess") == 1


def test_a_continued_job_runs_and_the_claim_before_it_goes(
    job: Path, running_job: RunningJob, tmp_path: Path
) -> None:
    running_job.run(job)
    running_job.run(job)

    assert (tmp_path / "recorded").read_text().count("relion_postprocess") == 2
    assert len(list(job.parent.glob(".dispatch_claim.*"))) == 1


def test_a_submission_that_a_newer_one_overtook_does_not_start(
    job: Path, running_job: RunningJob, tmp_path: Path
) -> None:
    older, newer = running_job.render(job), running_job.render(job)
    (job.parent / "run_submit.script.run").write_text(newer.read_text())

    assert running_job.start(older).wait(20) == 0
    assert not (tmp_path / "recorded").exists()
    assert exit_files(job) == set()
    assert running_job.start(newer).wait(20) == 0
    assert exit_files(job) == {"SUCCESS"}


@pytest.mark.parametrize("told", [True, False])
def test_a_job_that_its_scheduler_starts_once_more_does_not_begin_anew(
    told: bool, job: Path, running_job: RunningJob, site: WriteSite, tmp_path: Path
) -> None:
    site("site.json", {"scheduler": "slurm"})
    claim = job.parent / f".dispatch_claim.{TOKEN}"
    claim.symlink_to("gpu1, process 5, 2024-05-01T10:00:00, job 17")
    if told:
        (job.parent / "RELION_JOB_EXIT_SUCCESS").touch()

    done = running_job.run(job, TOKEN, SLURM_JOB_ID="17")

    assert not (tmp_path / "recorded").exists()
    assert exit_files(job) == {"SUCCESS" if told else "FAILURE"}
    assert done.returncode == (0 if told else 1)
    assert ("started it once more" in done.stderr) != told


# Scratch


@pytest.mark.parametrize("ends", ["exit 0", "exit 3", "kill -KILL $$", "kill -TERM -$PPID"])
def test_the_scratch_folder_is_the_jobs_own_and_goes_with_it(
    ends: str, refinement: Path, running_job: RunningJob, tmp_path: Path
) -> None:
    scratch = tmp_path / "scratch"

    running_job.run(
        refinement,
        ON_RUN=f'mkdir "$SCRATCH/relion_volatile"; echo "$SCRATCH" > {tmp_path}/used; {ends}',
    )

    used = Path((tmp_path / "used").read_text().strip())
    assert used.parent == scratch
    assert re.fullmatch(r"relion-dispatch\.[0-9a-f]{12}", used.name)
    assert list(scratch.iterdir()) == []


def test_folders_of_dead_jobs_are_cleaned_and_those_of_living_ones_are_not(
    refinement: Path, running_job: RunningJob, tmp_path: Path
) -> None:
    scratch = tmp_path / "scratch"
    host = os.uname().nodename
    began = Path("/proc/self/stat").read_text().split()[21]
    owners = {
        "dead": f"{host} {os.getpid()} {int(began) - 1} ",
        "living": f"{host} {os.getpid()} {began} ",
        "elsewhere": "another-host 1 1 ",
        "living, with a job id": f"{host} {os.getpid()} {began} 17 ",
        "of another cluster": "another-host 1 1 17 another-cluster",
    }
    for number, owner in enumerate(owners.values()):
        folder = scratch / f"relion-dispatch.{number:012x}"
        folder.mkdir(parents=True)
        (folder / "owner").write_text(owner)
    (scratch / "data").mkdir()

    running_job.run(refinement)

    left = {path.name for path in scratch.iterdir()}
    assert left == {"data", *(f"relion-dispatch.{number:012x}" for number in (1, 2, 3, 4))}


def test_a_scratch_folder_that_cannot_be_made_is_told(
    refinement: Path, running_job: RunningJob, tmp_path: Path
) -> None:
    (tmp_path / "scratch").write_text("a file")

    assert running_job.run(refinement).returncode == 1

    assert exit_files(refinement) == {"FAILURE"}
    assert f"the scratch folder {tmp_path}/scratch" in last_line(refinement)
    assert not (tmp_path / "recorded").exists()
