"""A session as a whole. Unit tests have no containers: the `apptainer` here is a stand-in that runs
the command after the image on the host, with the session's folder in place of its mount."""

from __future__ import annotations

import fcntl
import json
import os
import signal as signals
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dispatcher import cli
from dispatcher.config.site import Apptainer, Site, load_site
from dispatcher.errors import ImageError, SubmitError
from dispatcher.images.container import mount_option
from dispatcher.images.known_projects import known_projects
from dispatcher.images.pins import PIN_FILE
from dispatcher.planning.window_variables import WindowVariables
from dispatcher.session import folder as session_folder_module
from dispatcher.session.container import session_argv, session_variables
from dispatcher.session.folder import INSIDE, session_folder
from dispatcher.session.launcher import run_session

from ...fixture_types import WriteSite

JOB = "Class2D/job002"
SUBMIT = f"$RELION_QSUB_COMMAND {JOB}/run_submit.script"

WINDOW = WindowVariables(
    {"RELION_QSUB_EXTRA1": "Time:", "RELION_DISPATCH_FIELDS": "time"}, {"RELION_QUEUE_NAME": "gpu"}
)

STAND_IN = f"""#!{sys.executable} -I
import os, re, sys
mount = next(a for a in sys.argv if a.endswith("destination={INSIDE}"))
source = mount.split("source=")[1].split(",destination=")[0]
os.chdir(next(a for a in sys.argv if a.startswith("--pwd="))[6:])
start = next(n for n, a in enumerate(sys.argv) if a.endswith("image.sif")) + 1
def outside(text): return re.sub(r"(?<![\\w.-]){INSIDE}/", lambda _: source + "/", text)
inward = {{n[13:]: outside(v) for n, v in os.environ.items() if n.startswith("APPTAINERENV_")}}
command = [outside(a) for a in sys.argv[start:]]
os.execve("/bin/sh", command, {{"PATH": os.environ["PATH"], "SESSION": source, **inward}})
"""

Session = Callable[..., int]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "my 'own' project"
    (folder / JOB).mkdir(parents=True)
    return folder


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    monkeypatch.setattr(session_folder_module, "make_runtime_folder", lambda: folder)
    return folder


@pytest.fixture
def session(tmp_path: Path, base: Path, project: Path) -> Session:
    """Run a shell command in a session whose hook is another shell command."""
    (tmp_path / "image.sif").touch()
    apptainer = tmp_path / "apptainer"
    apptainer.write_text(STAND_IN)
    apptainer.chmod(0o755)
    site = Site(apptainer=Apptainer(program=str(apptainer)))

    def run(command: str, hook: str = "true") -> int:
        submit = ["sh", "-c", hook, "hook"]
        words = ["sh", "-c", command]
        return run_session(site, tmp_path / "image.sif", project, words, submit, WINDOW)

    return run


def test_request_is_dispatched_outside_and_its_reply_returned(
    session: Session, project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    status = session(f"{SUBMIT}; exit $(($? + 1))", 'echo "in $PWD: $1"; echo oh >&2; exit 4')
    assert capfd.readouterr().out == f"in {project}: {JOB}/run_submit.script\n"
    assert status == 5
    # Status 4 without an exit file: the hook broke, and RELION is told.
    assert "ended with status 4: oh." in (project / JOB / "run.err").read_text()
    assert (project / JOB / "RELION_JOB_EXIT_FAILURE").exists()


def test_folder_is_private_and_goes_with_the_session(
    session: Session, base: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert session('stat -c %a "$SESSION"; ls "$SESSION"') == 0
    mode, *names = capfd.readouterr().out.split()
    assert mode == "700"
    assert {"relion_client.sh", "relion_template.sh", "requests", "replies"} < set(names)
    assert not list(base.iterdir())


def test_slow_submission_keeps_no_other_waiting(session: Session, project: Path) -> None:
    # The first hook succeeds once the second has run.
    wait = "for _ in $(seq 200); do [ ! -e second ] || exit 0; sleep 0.01; done; exit 1"
    hook = f"case $1 in *job001*) {wait} ;; *) : > second ;; esac"
    (project / "Class2D/job001").mkdir()
    first = SUBMIT.replace("job002", "job001")
    assert session(f"{first} & sleep 0.05; {SUBMIT}; wait $!", hook) == 0
    assert not (project / "Class2D/job001/RELION_JOB_EXIT_FAILURE").exists()


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (f"mkdir -p ../other/{JOB}; cd ../other; {SUBMIT}", "serves"),
        (
            f"mkdir -p ../other/{JOB}; $RELION_QSUB_COMMAND ../other/{JOB}/run_submit.script",
            "not in",
        ),
    ],
)
def test_another_project_is_refused(
    command: str, sentence: str, session: Session, project: Path
) -> None:
    assert session(command, "touch ran") == 2
    assert not (project / "ran").exists()
    other = project.parent / "other" / JOB
    assert sentence in (other / "run.err").read_text()
    assert (other / "RELION_JOB_EXIT_FAILURE").exists()


def test_hook_that_was_killed_is_reported(session: Session, project: Path) -> None:
    assert session(SUBMIT, "kill -9 $$") == 137
    assert "killed by signal 9" in (project / JOB / "run.err").read_text()


def test_programs_that_outlive_the_window_are_still_served(session: Session, project: Path) -> None:
    assert session(f"(sleep 0.2; {SUBMIT}) > /dev/null & exit 3", "touch dispatched") == 3
    assert (project / "dispatched").exists()


@contextmanager
def interrupts_heard() -> Iterator[None]:
    """SIGINT as in a terminal: a shell's background jobs, as tests may be, ignore it."""
    before = signals.signal(signals.SIGINT, signals.default_int_handler)
    try:
        yield
    finally:
        signals.signal(signals.SIGINT, before)


@pytest.mark.parametrize("signal", ["TERM", "HUP", "INT"])
def test_signal_to_the_launcher_ends_relion_and_removes_the_folder(
    signal: str, session: Session, base: Path
) -> None:
    with interrupts_heard():
        status = session(f'read -r pid _ < "$SESSION/launcher"; kill -{signal} $pid; exec sleep 60')
    assert status == {"TERM": 143, "HUP": 129, "INT": 130}[signal]
    assert not list(base.iterdir())


def test_two_projects_at_once_do_not_mix(
    session: Session, project: Path, tmp_path: Path, base: Path
) -> None:
    """The second session runs, from start to end, within the first."""
    other = tmp_path / "other"
    (other / JOB).mkdir(parents=True)
    hook = "pwd > dispatched"
    launcher = tmp_path / "second.py"
    launcher.write_text(
        textwrap.dedent(f"""
            import sys
            from pathlib import Path
            from dispatcher.session import folder
            folder.make_runtime_folder = lambda: Path({str(base)!r})
            from dispatcher.session.launcher import run_session
            from dispatcher.config.site import Apptainer, Site
            site = Site(apptainer=Apptainer(program={str(tmp_path / "apptainer")!r}))
            command = ["sh", "-c", {SUBMIT!r}]
            hook = ["sh", "-c", {hook!r}, "hook"]
            image = Path({str(tmp_path / "image.sif")!r})
            sys.exit(run_session(site, image, Path({str(other)!r}), command, hook))
        """)
    )
    root = Path(session_folder_module.__file__).parents[2]
    second = f"PYTHONPATH='{root}' {sys.executable} {launcher}"
    assert session(f"{second} && ls '{other}/dispatched' && {SUBMIT}", hook) == 0
    assert (project / "dispatched").read_text() == f"{project}\n"
    assert (other / "dispatched").read_text() == f"{other}\n"


def test_relion_sees_its_queue_and_the_users_own_settings() -> None:
    host = {
        "RELION_QSUB_COMMAND": "sbatch",
        "RELION_QUEUE_USE": "no",
        "RELION_SCRATCH_DIR": "/scratch/me",
        "DISPLAY": ":1",
        "TORCH_HOME": "/models",
        "PYTHONPATH": "/wrong",
        "CUDA_DEVICE_ORDER": "FASTEST_FIRST",
    }
    window = WindowVariables({"RELION_DISPATCH_FIELDS": "time"}, {"RELION_QUEUE_NAME": "gpu"})
    seen = session_variables(host, Apptainer(environment=["TORCH_HOME"]), window)
    assert seen == {
        # The same in every session, as RELION remembers them in the project.
        "RELION_QSUB_COMMAND": "sh /relion-dispatch/relion_client.sh",
        "RELION_QSUB_TEMPLATE": "/relion-dispatch/relion_template.sh",
        "RELION_QUEUE_USE": "Yes",
        "PIPELINER_QSUB_COMMAND": "/relion-dispatch/relion_client.sh",
        "RELION_QUEUE_NAME": "gpu",
        "RELION_DISPATCH_FIELDS": "time",
        "PYTHONNOUSERSITE": "1",
        "RELION_SCRATCH_DIR": "/scratch/me",
        "DISPLAY": ":1",
        "TORCH_HOME": "/models",
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
    }


def test_the_hook_learns_the_fields_of_this_window_and_no_other(
    session: Session, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that was loaded before, by a shell of yesterday's, had other fields."""
    monkeypatch.setenv("RELION_DISPATCH_FIELDS", "gpus,time,days")
    monkeypatch.setenv("RELION_QSUB_EXTRA3", "Days:")
    monkeypatch.setenv("RELION_QUEUE_NAME", "mine")
    say = "env | grep -E '^RELION_(DISPATCH_FIELDS|QSUB_EXTRA|QUEUE_NAME)' | sort"

    assert session(f"{say} > seen; {SUBMIT}", f"{say} > hook") == 0

    wanted = "RELION_DISPATCH_FIELDS=time\nRELION_QSUB_EXTRA1=Time:\nRELION_QUEUE_NAME=mine\n"
    assert (project / "seen").read_text() == (project / "hook").read_text() == wanted


def test_display_project_and_folder_are_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cookie = tmp_path / "xauth"
    cookie.touch()
    monkeypatch.setenv("XAUTHORITY", str(cookie))
    folder, image = Path("/tmp/s"), Path("/i.sif")
    argv = session_argv(Apptainer(), image, Path("/data/p"), folder, ["relion"], gpu=True)
    options = argv[: argv.index("/i.sif")]
    assert [option for option in options if option.startswith(("--mount", "--pwd"))] == [
        "--mount=type=bind,source=/data/p,destination=/data/p",
        "--pwd=/data/p",
        "--mount=type=bind,source=/tmp/s,destination=/relion-dispatch",
        f"--mount=type=bind,source={cookie},destination={cookie},ro",
    ]
    assert "--nv" in options
    assert argv[-1] == "relion"


def test_a_folder_of_bind_that_is_not_here_does_not_stop_a_session(
    tmp_path: Path, base: Path, project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    program = tmp_path / "apptainer"
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/words; env >> {tmp_path}/words\n')
    program.chmod(0o755)
    (tmp_path / "x.sif").touch()
    bind = [str(tmp_path), "/ssd_of_gpu_nodes"]
    site = Site(apptainer=Apptainer(program=str(program), bind=bind))

    run_session(site, tmp_path / "x.sif", project, ["true"], ["true"])

    words = (tmp_path / "words").read_text()
    assert mount_option(str(tmp_path)) in words
    assert mount_option("/ssd_of_gpu_nodes") not in words
    assert "does not see /ssd_of_gpu_nodes, because this folder is not" in capfd.readouterr().err


def test_missing_image_and_missing_apptainer_are_said(tmp_path: Path, base: Path) -> None:
    image = tmp_path / "image.sif"
    with pytest.raises(ImageError, match="does not exist"):
        run_session(Site(), image, tmp_path, [], ["true"])
    image.touch()
    with pytest.raises(SubmitError, match="no-such-program cannot be started"):
        site = Site(apptainer=Apptainer(program="no-such-program"))
        run_session(site, image, tmp_path, [], ["true"])
    assert not list(base.iterdir())


def test_folders_that_a_killed_session_left_are_swept_once_unused(base: Path) -> None:
    left, used, new = (base / f"session-{name}" for name in ("left", "used", "new"))
    for folder in (left, used, new):
        folder.mkdir()
    for folder in (left, used):
        os.utime(folder, (0, 0))
    with open_locked(used) as holder:
        with session_folder() as (folder, _):
            assert set(base.iterdir()) == {used, new, folder}
        holder.kill()


def open_locked(folder: Path) -> subprocess.Popen[bytes]:
    """A program of a container whose launcher has died: it inherited the lock."""
    lock = os.open(folder, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        return subprocess.Popen(["sleep", "60"], pass_fds=(lock,))
    finally:
        os.close(lock)


@pytest.mark.usefixtures("base")
def test_a_session_makes_a_pinned_project_known_to_the_site(
    images: Path,
    project: Path,
    site: WriteSite,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "apptainer").write_text("#!/bin/sh\n")
    (tmp_path / "apptainer").chmod(0o755)
    site("site.json", {"apptainer": {"program": str(tmp_path / "apptainer")}})
    (images.parent / "projects").mkdir()
    monkeypatch.chdir(project)
    cli.main(["relion", "true"])
    assert list(known_projects(load_site())) == []

    (project / PIN_FILE).write_text('{"images": {"relion": {"version": "5.1.0"}}}')
    cli.main(["relion", "true"])

    assert list(known_projects(load_site())) == [project]


def test_a_session_does_not_leave_a_variant_that_the_project_has_used_unnoticed(
    images: Path,
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pin = {"relion": {"version": "5.1.0", "sha256": {"cuda11": "0" * 64}}}
    (project / PIN_FILE).write_text(json.dumps({"images": pin}))
    monkeypatch.chdir(project)

    assert cli.main(["relion", "true"]) == 1

    said = capsys.readouterr().err
    assert f"relion 5.1.0 (cuda11) is not in the catalogue {images}" in said
    assert "This project has used that variant" in said
