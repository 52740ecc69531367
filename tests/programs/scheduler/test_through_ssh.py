"""A scheduler's commands on another machine, through a real ssh and a real sshd.

Both machines are this one, so that they see the same files. Where the other machine is to see other
files, or is to see them late, a program stands in for ssh that changes the text on its way.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from dispatcher.config.scheduler import Scheduler
from dispatcher.host.programs import Finished
from dispatcher.scheduler.calls import ask_end, ask_queue, call, has_program
from dispatcher.scheduler.no_way import LostError, NoWayError
from dispatcher.scheduler.shell_there import Command, text_to_run

from ...fixture_types import CorpusJob, LoginNode, WriteSite
from ...ssh_server import LOSE_CONNECTION, SshServer
from ..hook_calls import call_hook
from ..stand_in_scheduler import StandIn, record_of

GREETING = "echo Welcome to login1. 17; echo Be nice. >&2\n"


def through(server: SshServer | list[str], **keys: Any) -> Scheduler:
    """A scheduler whose commands run there."""
    words = server.through if isinstance(server, SshServer) else server
    return Scheduler(submit_command=["submit"], through=words, **keys)


def script_of(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_text(f"#!/bin/bash\n{text}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize("shell", ["", "/bin/dash", "/bin/tcsh"])
def test_words_of_any_bytes_arrive_whatever_the_login_shell_is(
    shell: str, login_node: LoginNode, tmp_path: Path
) -> None:
    server = login_node(shell)
    for name in (".bashrc", ".cshrc"):
        (server.home / name).write_text(GREETING.split(";")[0] + "\n")
    folder = tmp_path / 'a project\'s "own" $HOME'
    folder.mkdir()
    words = [
        "two words",
        "it's",
        '"',
        "$HOME",
        "`id`",
        "a\nb",
        "\udcff\udc81\\",
        "!!",
        "*",
        "",
        "-u",
    ]
    printing = script_of(folder, "print = all", 'printf "%s\\0" "$PWD" "$@" > got')

    done = call(through(server), [printing, *words], folder)

    assert done == Finished(0, "", "")
    got = os.fsdecode((folder / "got").read_bytes()).split("\0")
    assert got == [str(folder), *words, ""]


def test_what_is_printed_and_the_status_are_the_commands_own(
    login_node: LoginNode, tmp_path: Path
) -> None:
    server = login_node()
    (server.home / ".bashrc").write_text(GREETING)
    scheduler = through(server)

    def said(text: str) -> Finished:
        return call(scheduler, ["bash", "-c", text], tmp_path)

    assert said("printf no end; echo oh >&2; exit 255") == Finished(255, "no", "oh\n")
    assert said("cat; echo 'relion-dispatch-0 ended 0'") == Finished(
        0, "relion-dispatch-0 ended 0\n", ""
    )
    assert said("kill -KILL $$").status == -9


def test_the_variables_of_the_login_there_are_those_of_any_submission(
    login_node: LoginNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FERRY_QUEUE", "of this shell")
    monkeypatch.setenv("RELION_STACK_BUFFER", "a 'b'\n$c")
    monkeypatch.setenv("OTHER", "of this shell")
    server = login_node(FERRY_QUEUE="of the login", FERRY_HOST="h", FERRY_JOB="41", MINE="m")
    scheduler = through(
        server,
        overriding=["FERRY_QUEUE"],
        of_a_job=["FERRY_"],
        of_the_cluster=["FERRY_HOST"],
        through_variables=["RELION_STACK_BUFFER", "FERRY_QUEUE", "UNSET"],
    )

    done = call(scheduler, ["env", "-0"], tmp_path)

    variables = dict(each.split("=", 1) for each in done.stdout.split("\0") if each)
    assert variables["MINE"] == "m"
    assert variables["FERRY_HOST"] == "h"
    assert variables["RELION_STACK_BUFFER"] == "a 'b'\n$c"
    assert not variables.keys() & {"FERRY_QUEUE", "FERRY_JOB", "OTHER", "UNSET"}
    # bash would read .bashrc by these, in the job's script too.
    assert not [name for name in variables if name.startswith("SSH_")]


def test_calls_share_a_connection_even_at_the_same_time(
    login_node: LoginNode, tmp_path: Path
) -> None:
    server = login_node()
    scheduler = through(server)
    call(scheduler, ["true"], tmp_path)

    with ThreadPoolExecutor(14) as pool:  # sshd takes ten sessions of a connection
        calls = [pool.submit(call, scheduler, ["echo", str(n)], tmp_path) for n in range(14)]
    after = server.logins
    call(scheduler, ["true"], tmp_path)

    assert [each.result().stdout for each in calls] == [f"{n}\n" for n in range(14)]
    assert server.logins == after


def test_options_of_the_site_have_priority(login_node: LoginNode, tmp_path: Path) -> None:
    server = login_node()
    socket = Path(os.environ["RELION_DISPATCH_RUNTIME"]) / "own"
    ssh, *words = server.through

    call(through([ssh, "-o", f"ControlPath={socket}", *words]), ["true"], tmp_path)

    assert socket.is_socket()


def test_a_connection_that_is_lost_while_a_command_runs_leaves_its_end_open(
    login_node: LoginNode, tmp_path: Path
) -> None:
    scheduler = through(login_node())
    done = tmp_path / "done"

    with pytest.raises(LostError, match="connection to login1 was lost"):
        call(scheduler, ["bash", "-c", f"touch '{done}'; {LOSE_CONNECTION}"], tmp_path)

    assert done.exists()
    assert call(scheduler, ["echo", "17"], tmp_path).stdout == "17\n"


def test_a_queue_that_cannot_be_reached_says_nothing(login_node: LoginNode, tmp_path: Path) -> None:
    server = login_node()
    scheduler = through(
        server,
        queue_command=["true"],
        queue_pattern="(?P<id>)(?P<state>)(?P<token>)",
        end_command=["echo", "{job_id}"],
        ends={"17": "it is over"},
    )
    queue = ask_queue(scheduler, tmp_path)
    assert queue is not None
    assert ask_end(scheduler, "17", tmp_path) == "it is over"

    server.stop()

    assert ask_queue(scheduler, tmp_path) is None
    assert ask_end(scheduler, "17", tmp_path) is None
    with pytest.raises(
        NoWayError, match=r"login1 cannot be reached \(.*Connection refused"
    ) as told:
        call(through(server), ["id"], tmp_path)
    assert told.value.todo is None

    server.start()

    assert ask_queue(scheduler, tmp_path) == queue


@pytest.mark.parametrize(
    ("case", "says"),
    [
        (
            "host key",
            "the host key of login1 is not known to this account, or has changed: run `ssh",
        ),
        ("key", "login1 does not let this account in without a password .*: set up a key"),
        ("name", "no machine of the name nowhere.invalid is known here: name the machine"),
        ("option", "ssh does not take its settings .*: correct"),
        (
            "ssh",
            "/nowhere/ssh cannot be started .No such file or directory.: install the program, or",
        ),
        ("input", "/bin/sh does not run on login1 as ssh starts it .*: try `echo id | ssh "),
        (
            "program",
            'the program "nowhere" is not found on login1: the scheduler',
        ),
    ],
)
def test_what_does_not_pass_by_itself_is_said_with_what_to_do(
    case: str, says: str, login_node: LoginNode, tmp_path: Path
) -> None:
    server = login_node()
    words = list(server.through)
    program = "nowhere" if case == "program" else "true"
    if case == "host key":
        (server.folder / "known").write_text("")
    elif case == "key":
        (server.folder / "authorized").write_text("")
    elif case == "name":
        words[-1] = "nowhere.invalid"
    elif case == "option":
        words[1:1] = ["-o", "NoSuchOption=1"]
    elif case == "ssh":
        words[0] = "/nowhere/ssh"
    elif case == "input":
        (server.home / ".bashrc").write_text("cat > /dev/null\n")

    with pytest.raises(NoWayError) as told:
        call(through(words), [program], tmp_path)

    assert re.match(says, str(told.value)), told.value
    assert told.value.todo
    if case == "program":
        assert not has_program(through(words), program, tmp_path)


@pytest.mark.parametrize("words", [["id", "-u"], ["sh", "-c", "id -u"]])
def test_a_program_on_the_path_of_a_login_is_found(
    words: list[str], login_node: LoginNode, tmp_path: Path
) -> None:
    """Of a command that is shell text, the scheduler's own programs tell whether one is missing."""
    few = tmp_path / "few programs"
    few.mkdir()
    for name in ("env", "sed", "sh"):
        (few / name).symlink_to(f"/usr/bin/{name}")
    server = login_node(PATH=str(few))
    scheduler = Scheduler(submit_command=["id"], through=server.through)

    # The path that this machine's /etc/profile sets has it.
    assert call(scheduler, words, tmp_path).stdout == f"{os.getuid()}\n"
    assert not has_program(scheduler, "nowhere", tmp_path)


@pytest.fixture
def other_files(tmp_path: Path) -> tuple[list[str], Path, Path]:
    """A machine that sees another folder in the place of ours: how it is reached, and both."""
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for folder in (ours, theirs):
        (folder / "job").mkdir(parents=True)
    (ours / "job" / "script").write_text("new")
    (theirs / "job" / "script").write_text("old")
    reach = script_of(tmp_path, "reach", f"sed 's|{ours}|{theirs}|' | \"${{@:2}}\"")
    return [reach, "there"], ours, theirs


def test_a_file_that_is_seen_late_is_waited_for(other_files: tuple[list[str], Path, Path]) -> None:
    words, ours, theirs = other_files
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(call, through(words), ["cat", "job/script"], ours)
        time.sleep(1.5)
        assert not running.done()
        (theirs / "job" / "script").write_text("new")
        assert running.result() == Finished(0, "new", "")


def test_nothing_is_started_with_another_file(other_files: tuple[list[str], Path, Path]) -> None:
    words, ours, theirs = other_files
    with pytest.raises(
        NoWayError, match="there does not see the file job/script as it is here: the"
    ):
        call(through(words, timeout=5), ["touch", "started", "job/script"], ours)
    assert not (theirs / "started").exists()

    (theirs / "job" / "script").unlink()
    (theirs / "job").rmdir()
    theirs.rmdir()

    with pytest.raises(NoWayError, match=f"there does not see the folder {ours} as it is here"):
        call(through(words, timeout=5), ["touch", "started", "job/script"], ours)


@pytest.fixture
def script(corpus_job: CorpusJob, images: Path) -> Path:
    """The submission script of a refinement."""
    return corpus_job("relion-5.0.1/Refine3D_job011")


def slurm_through(server: SshServer, tmp_path: Path, site: WriteSite) -> StandIn:
    return StandIn(
        tmp_path / "slurm", site, through=server.through, timeout=40, retry=20, cancel_command=[]
    )


def test_a_job_is_submitted_there_with_what_containers_are_to_see(
    login_node: LoginNode, tmp_path: Path, site: WriteSite, script: Path
) -> None:
    slurm = slurm_through(login_node(SBATCH_PARTITION="other", MINE="there"), tmp_path, site)
    slurm.submits("env > seen; take 17 RUNNING; echo 17")

    done = call_hook(script, SBATCH_QOS="mine", RELION_STACK_BUFFER="9", MINE="here")

    assert done.returncode == 0, done.stderr
    assert record_of(script.parent)["job_id"] == "17"
    seen = (slurm.folder / "seen").read_text()
    assert "MINE=there\n" in seen
    assert "RELION_STACK_BUFFER=9\n" in seen
    assert "SBATCH_" not in seen


@pytest.mark.parametrize("taken", [True, False])
def test_a_job_is_submitted_once_though_the_connection_is_lost(
    taken: bool, login_node: LoginNode, tmp_path: Path, site: WriteSite, script: Path
) -> None:
    slurm = slurm_through(login_node(), tmp_path, site)
    first = "take 17 RUNNING" if taken else ":"
    slurm.submits(
        f"if [ ! -e lost ]; then touch lost; {first}; {LOSE_CONNECTION}sleep 9; fi\n"
        "take 18 RUNNING; echo 18"
    )

    done = call_hook(script)

    assert done.returncode == 0, done.stderr
    assert record_of(script.parent)["job_id"] == ("17" if taken else "18")
    assert "connection to login1 was lost" in str(record_of(script.parent)["attempts"])
    assert len(slurm.calls("sbatch")) == (1 if taken else 2)
    assert not list(script.parent.glob("RELION_JOB_EXIT_*"))


def test_a_refusal_with_the_status_of_ssh_is_a_refusal(
    login_node: LoginNode, tmp_path: Path, site: WriteSite, script: Path
) -> None:
    slurm = slurm_through(login_node(), tmp_path, site)
    slurm.submits("echo 'invalid partition' >&2; exit 255")

    assert call_hook(script).returncode != 0

    assert "failed with status 255: invalid partition" in (script.parent / "run.err").read_text()
    assert len(slurm.calls("sbatch")) == 1


def test_a_user_reads_how_to_log_in(
    login_node: LoginNode, tmp_path: Path, site: WriteSite, script: Path
) -> None:
    server = login_node()
    slurm = slurm_through(server, tmp_path, site)
    (server.folder / "known").write_text("")

    assert call_hook(script).returncode != 0

    said = (script.parent / "run.err").read_text()
    assert "The host key of login1 is not known to this account" in said
    assert f"run `{' '.join(server.through)}` once by hand" in said
    assert said.endswith("accept the key; then submit the job again.\n")
    assert slurm.calls("sbatch") == []


def test_of_a_text_that_is_cut_off_nothing_runs(tmp_path: Path) -> None:
    text = text_to_run("M", Command(["touch", "done"], tmp_path), ["A"], {"B": "c\nd"})
    for end in range(0, len(text) - 1, 7):
        subprocess.run(["/bin/sh", "-s"], input=text[:end], text=True, stderr=subprocess.DEVNULL)
        assert not (tmp_path / "done").exists(), text[:end]
    subprocess.run(["/bin/sh", "-s"], input=text, text=True, check=True)
    assert (tmp_path / "done").exists()
