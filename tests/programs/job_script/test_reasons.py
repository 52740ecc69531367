"""Why a job failed, in one sentence with what helps; and what its script writes about the run."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from ...fixture_types import WriteSite
from .run_files import TOKEN, last_line
from .running_job import RunningJob

pytestmark = pytest.mark.usefixtures("images")


def written_run(script: Path, token: str) -> dict[str, str]:
    """What the job script has written about its run."""
    lines = (script.parent / f"dispatch.run.{token}").read_text().splitlines()
    return dict(line.split(" ", 1) for line in lines)


MPI_KILL = "mpirun noticed that process rank 1 with PID 0 on node gpu1 exited on signal 9 (Killed)."


@pytest.mark.parametrize(
    ("text", "because"),
    [
        ("ERROR: CudaCustomAllocator out of memory", "a GPU ran out of memory: use fewer ranks"),
        (
            "ERROR: out of memory in /x/custom_allocator.cuh at line 436 (error-code 2)",
            "a GPU ran out of memory",
        ),
        (
            "slurmstepd: error: Detected 1 oom_kill event in StepId=5.batch.",
            "the job used up its memory",
        ),
        (
            "terminate called after throwing an instance of 'std::bad_alloc'",
            "the job used up its memory",
        ),
        (MPI_KILL, "one of its processes was killed (signal 9)"),
        ("Number of MPI processes             = 1", "its ranks started as single processes"),
        ("fwrite: No space left on device", "the disk is full"),
        ('FATAL:   "relion_x": executable file not found in $PATH', "a program is missing"),
        (
            "FATAL: container creation failed: mount source /ssd doesn't exist",
            "a folder that its container should see is not on the node: show this line",
        ),
        ("relion: error while loading shared libraries: libx.so.1: …", "a library is missing"),
        ("open(run.star): Permission denied", "it has no permission to read or write"),
        (
            "rwMRC: error in reading header of image x.mrc",
            "an image or map that it reads is damaged",
        ),
        (
            "urllib.error.URLError: <urlopen error [Errno -3] Temporary failure in name "
            "resolution>",
            "a program could not download a file, such as the weights of its network",
        ),
        (
            "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='zenodo.org', "
            "port=443): Max retries exceeded with url: /records/1",
            "a program could not download a file",
        ),
        (
            "OSError: [Errno 30] Read-only file system: '/opt/relion-weights/hub'",
            "weights of a network are missing",
        ),
        (
            "PermissionError: [Errno 13] Permission denied: '/root/.cache/torch/hub/checkpoints'",
            "weights of a network are missing",
        ),
        # Ranks that find no other node download nothing.
        (
            "ssh: Could not resolve hostname n2: Temporary failure in name resolution",
            "relion_postprocess ended with status 1",
        ),
        (
            "something else",
            "relion_postprocess ended with status 1: read its last lines, above and",
        ),
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


PTX = (
    "ERROR: the provided PTX was compiled with an unsupported toolchain. in projector.cpp at line "
    "209 (error-code 222)"
)
DOES_NOT_FIT = "the image does not fit the node's driver or card: another variant is needed"
ABORT = "\nMPI_ABORT was invoked on rank 1"
MEMORY = "the job used up its memory: ask for more memory"


@pytest.mark.parametrize(
    ("text", "because"),
    [
        (
            "mca_base_component_repository_open: unable to open mca_btl_openib: librdmacm.so.1: "
            "cannot open shared object file: No such file or directory (ignored)\n"
            f"MetaDataTable::read: File Select/job007/particles.star does not exist{ABORT}",
            "a file that it needs is not there",
        ),
        (
            "ERROR  : Could not write info to setgroups: Permission denied\n"
            "ERROR  : Error while waiting event for user namespace mappings: no event received",
            "its container could not be started: Apptainer may not make user namespaces on this "
            "node; show this to your admin",
        ),
        (
            "FATAL:   container creation failed: while applying uid_map: operation not permitted",
            "its container could not be started: Apptainer may not make user namespaces",
        ),
        (
            "FATAL:   while creating user namespace: no space left on device",
            "its container could not be started: Apptainer may not make user namespaces",
        ),
        (
            "FATAL:   while opening /x.sif: it is odd",
            "its container could not be started: show run.err to your admin. Apptainer said: while",
        ),
        (f"{PTX}{ABORT}", DOES_NOT_FIT),
        (
            "RuntimeError: CUDA error: no kernel image is available for execution on the device",
            DOES_NOT_FIT,
        ),
        (f"ERROR: \nAllocate: No space left{ABORT}", MEMORY),
        (f"ERROR: \ncoreAllocate: No space left \n{ABORT}", MEMORY),
        ("fallocate: No space left on device", "the disk is full"),
        (
            "mpirun noticed that process rank 1 with PID 0 on node gpu1 exited on signal 7 (Bus "
            "error).",
            "one of its programs was stopped by a bus error (signal 7): submit the job again",
        ),
        (
            f"ERROR: \nsemop lock error{ABORT}",
            "the semaphore with which its ranks take turns on a GPU was removed",
        ),
        (
            "mpirun noticed that process rank 1 with PID 0 on node gpu1 exited on signal 11 "
            "(Segmentation fault).",
            "one of its programs crashed (signal 11): submit the job again",
        ),
        (
            'FATAL:   "mpirun": executable file not found in $PATH',
            "the program that starts its ranks is missing in the container image or on the node: "
            "tell your admin",
        ),
        ("run_submit.script.run: line 9: mpirun: command not found", "the program that starts its"),
        (
            " + Number of MPI processes             = 1\nERROR: \nMlOptimiserMpi::read: at least 2 "
            "MPI processes are required",
            "its ranks started as single processes",
        ),
        (f"ERROR: \nnot known{ABORT}", "one of its ranks met an error and stopped the others. R"),
    ],
)
def test_causes_that_were_told_as_others(
    text: str, because: str, job: Path, running_job: RunningJob
) -> None:
    """Texts of public reports, as they stand in run.err."""
    running_job.run(job, ON_RUN='echo "$SAYS" >&2; exit 1', SAYS=text)

    assert re.match(
        r"relion-dispatch: The job failed after 0:0\d:\d\d, because " + re.escape(because),
        last_line(job),
    )


def test_relions_own_first_error_is_quoted_once(job: Path, running_job: RunningJob) -> None:
    """As three ranks write it at once."""
    text = "ERROR: no rlnAmplitudeContrast label was found in the CTF parameters"
    ranks = f"in: /src/ctf.cpp, line 171\nERROR: \n{text}\n" * 3

    running_job.run(job, ON_RUN='echo "$SAYS" >&2; exit 1', SAYS=f"{ranks}{ABORT}")

    assert last_line(job).endswith(
        "because one of its ranks met an error and stopped the others. RELION said: no "
        "rlnAmplitudeContrast label was found in the CTF parameters."
    )


def test_what_another_program_said_is_not_said_by_relion(
    job: Path, running_job: RunningJob
) -> None:
    running_job.run(job, ON_RUN="echo 'FATAL:   while loading overlay: no loop' >&2; exit 255")

    assert last_line(job).endswith("Apptainer said: while loading overlay: no loop.")


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

    assert 'because it\'s "full" `of` $x: ask again.' in last_line(job)


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
