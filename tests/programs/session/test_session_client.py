"""RELION's queue command in the container, against a scripted stand-in for the launcher outside:
plain files, and processes of our own as the ones that live or die."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dispatcher.config.places import shipped_folder

from ...waiting import wait_for

SCRIPT = "Refine3D/job019/run_submit.script"
JOB = "Refine3D/job019"
NAMESPACE = Path("/proc/self/ns/pid").readlink()

StartClient = Callable[..., "subprocess.Popen[str]"]


def started(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]


def make_session(folder: Path, launcher: str = "") -> Path:
    (folder / "requests").mkdir(parents=True)
    (folder / "replies").mkdir()
    os.mkfifo(folder / "bell")
    us = f"{os.getpid()} {started(os.getpid())} {NAMESPACE}"
    (folder / "launcher").write_text(f"{launcher or us}\n")
    shutil.copy(shipped_folder() / "deploy" / "relion_client.sh", folder)
    return folder


def requests(session: Path) -> list[Path]:
    return [path for path in (session / "requests").iterdir() if not path.name.startswith(".")]


def reply(session: Path, request: Path, out: str, err: str, status: int) -> None:
    request.unlink()
    for ending, text in (("out", out), ("err", err), ("new", f"{status}\n")):
        (session / "replies" / f"{request.name}.{ending}").write_text(text)
    new = session / "replies" / f"{request.name}.new"
    new.rename(new.with_suffix(".status"))


@pytest.fixture
def session(tmp_path: Path) -> Path:
    return make_session(tmp_path / "a session")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / """my 'own' "proj"  $HOME"""
    (folder / JOB).mkdir(parents=True)
    return folder


@pytest.fixture
def launcher() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "60"])
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def client(session: Path, project: Path) -> Iterator[StartClient]:
    clients = []

    def start(
        script: str = SCRIPT, session: Path = session, project: Path = project
    ) -> subprocess.Popen[str]:
        command = ["sh", str(session / "relion_client.sh"), script]
        pipe = subprocess.PIPE
        clients.append(subprocess.Popen(command, cwd=project, stdout=pipe, stderr=pipe, text=True))
        return clients[-1]

    yield start
    for process in clients:
        process.kill()
        process.communicate()


def told(project: Path) -> tuple[str, bool]:
    """What run.err says, and whether RELION knows of the failure."""
    error = project / JOB / "run.err"
    failure = project / JOB / "RELION_JOB_EXIT_FAILURE"
    return error.read_text() if error.is_file() else "", failure.exists()


def test_request_names_folder_and_script_and_the_reply_comes_back(
    session: Path, project: Path, client: StartClient
) -> None:
    process = client()
    wait_for(lambda: requests(session))
    (request,) = requests(session)
    assert request.read_text() == f"{project}\n{SCRIPT}\n"
    reply(session, request, "Submitted 12\n", "a warning\n", 0)
    assert process.communicate(timeout=5) == ("Submitted 12\n", "a warning\n")
    assert process.returncode == 0
    assert told(project) == ("", False)
    assert not list((session / "replies").iterdir())


def test_refusal_that_relion_knows_of_is_passed_on_and_no_more(
    session: Path, project: Path, client: StartClient
) -> None:
    process = client()
    wait_for(lambda: requests(session))
    (project / JOB / "run.err").write_text("no such partition\n")
    (project / JOB / "RELION_JOB_EXIT_FAILURE").touch()
    reply(session, requests(session)[0], "", "no such partition\n", 3)
    assert process.communicate(timeout=5) == ("", "no such partition\n")
    assert process.returncode == 3
    assert told(project) == ("no such partition\n", True)


def test_hook_that_broke_without_a_word_to_relion_is_reported(
    session: Path, project: Path, client: StartClient
) -> None:
    process = client()
    wait_for(lambda: requests(session))
    reply(session, requests(session)[0], "", "Traceback: oh dear\n", 1)
    process.communicate(timeout=5)
    assert process.returncode == 1
    sentences, failed = told(project)
    assert failed and "ended with status 1: Traceback: oh dear." in sentences


def test_clients_at_once_get_each_its_own_reply(
    session: Path, project: Path, client: StartClient
) -> None:
    scripts = [f"Class2D/job{number:03}/run_submit.script" for number in range(6)]
    clients = {script: client(script) for script in scripts}
    wait_for(lambda: len(requests(session)) == len(scripts))
    for request in requests(session):
        reply(session, request, request.read_text().splitlines()[1], "", 0)
    assert {script: process.communicate(timeout=5)[0] for script, process in clients.items()} == {
        script: script for script in scripts
    }


def test_two_sessions_do_not_mix(
    tmp_path: Path, session: Path, project: Path, client: StartClient
) -> None:
    other_session, other_project = make_session(tmp_path / "b"), tmp_path / "other"
    (other_project / JOB).mkdir(parents=True)
    clients = [client(), client(session=other_session, project=other_project)]
    sides = ((session, project), (other_session, other_project))
    for folder, serves in sides:
        wait_for(lambda folder=folder: requests(folder))
        (request,) = requests(folder)
        assert request.read_text() == f"{serves}\n{SCRIPT}\n"
        reply(folder, request, folder.name, "", 0)
    assert [process.communicate(timeout=5)[0] for process in clients] == ["a session", "b"]


@pytest.mark.parametrize("taken", [False, True])
def test_launcher_that_dies_while_a_client_waits_is_noticed(
    taken: bool,
    session: Path,
    project: Path,
    client: StartClient,
    launcher: subprocess.Popen[bytes],
) -> None:
    text = f"{launcher.pid} {started(launcher.pid)} {NAMESPACE}\n"
    (session / "launcher").write_text(text)
    process = client()
    wait_for(lambda: requests(session))
    if taken:
        requests(session)[0].unlink()
    launcher.kill()  # Nobody waits for it here: a zombie is dead too.
    assert process.wait(timeout=5) == 1
    sentences, failed = told(project)
    assert failed and "has ended" in sentences
    assert ("check whether the queue has the job" in sentences) == taken
    assert ("was not submitted" in sentences) != taken
    assert not requests(session)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "has ended, so this job was not submitted"),
        (f"{os.getpid()} 12 {NAMESPACE}", "has ended, so this job was not submitted"),
        (f"{os.getpid()} {started(os.getpid())} pid:[1]", "its own process id namespace"),
    ],
    ids=["session removed", "process id used again", "another namespace"],
)
def test_launcher_that_is_not_there_is_noticed_at_once(
    text: str | None, sentence: str, session: Path, project: Path, client: StartClient
) -> None:
    if text:
        (session / "launcher").write_text(f"{text}\n")
    else:
        (session / "launcher").unlink()
    process = client()
    assert sentence in process.communicate(timeout=5)[1]
    assert process.returncode == 1
    sentences, failed = told(project)
    assert failed and sentence in sentences
    assert not requests(session)


def test_a_pipe_in_the_place_of_run_err_keeps_nobody_waiting(
    session: Path, project: Path, client: StartClient
) -> None:
    (session / "launcher").unlink()
    os.mkfifo(project / JOB / "run.err")
    process = client()
    assert process.wait(timeout=5) == 1
    sentence, failed = told(project)
    assert failed and "has ended" in sentence


def test_a_folder_in_the_place_of_run_err_gets_another_name(
    session: Path, project: Path, client: StartClient
) -> None:
    (session / "launcher").unlink()
    (project / JOB / "run.err").mkdir()
    assert client().wait(timeout=5) == 1
    sentence, failed = told(project)
    assert failed and "has ended" in sentence
    assert (project / JOB / "run.err.1").is_dir()


def test_path_with_a_line_break_is_refused(
    session: Path, tmp_path: Path, client: StartClient
) -> None:
    project = tmp_path / "two\nlines"
    (project / JOB).mkdir(parents=True)
    assert client(project=project).wait(timeout=5) == 1
    sentences, failed = told(project)
    assert failed and "line break" in sentences
    assert not requests(session)
