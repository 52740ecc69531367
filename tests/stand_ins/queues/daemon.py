"""A stand-in for a scheduler's daemons: a queue, one node, and jobs that run here as processes.

`python -m tests.stand_ins.queues.daemon FOLDER DIALECT` answers the scheduler's commands, which are
links to `client` in FOLDER. What they print, and what becomes of jobs, the dialect says (pbs.py,
lsf.py). A file `controls.json` in FOLDER, read anew for each command, says what is to go wrong:

    down             no command gets an answer
    history          false: what has ended is forgotten at once
    lose_answers     so many submissions are taken, and the command says that it had no answer
    refuse           a text: each submission is refused with it
    slow             seconds until a command is answered
    hold             new jobs wait, whatever is free, but for those that wait for something anyway
    busy             no job starts
    node_lost        the node does not answer: jobs there are ended without a word, and lost
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import signal
import socketserver
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

TICK = 0.05  # seconds


class Answer(NamedTuple):
    """What a command prints, and its exit status."""

    status: int = 0
    stdout: str = ""
    stderr: str = ""


class Call(NamedTuple):
    """A command as somebody called it."""

    command: str
    arguments: list[str]
    folder: str
    environment: dict[str, str]
    stdin: str


class Refused(Exception):
    """A command is refused with this answer."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.answer = Answer(status, "", text + "\n")


@dataclass
class Job:
    """A job. `cause` is the dialect's word on why it ended, "" if by itself; `status` is what the
    process ended with, negative for a signal; None if it never ran."""

    number: int
    name: str
    script: str
    folder: str
    environment: dict[str, str]
    options: dict[str, Any]
    cores: int = 1
    gpus: int = 0
    limit: float | None = None  # seconds
    warning: float = 0  # seconds before the limit at which `warn` is sent
    warn: signal.Signals | None = None
    warned: bool = False
    again: tuple[int, ...] = ()  # ended with one of these, it goes back into the queue
    rerun: bool = False  # it does so, too, when its node is lost
    begin: float = 0  # not before
    after: int | None = None
    held: bool = False
    state: str = "waiting"
    process: subprocess.Popen[bytes] | None = None
    devices: list[int] = field(default_factory=list)
    output: Path | None = None  # where the daemon keeps what the script prints
    submitted: float = field(default_factory=time.time)
    started: float | None = None
    ended: float | None = None
    status: int | None = None
    cause: str = ""
    released: bool = False  # the job that it waited for has ended
    signals: list[tuple[float, signal.Signals]] = field(default_factory=list)

    @property
    def ran(self) -> float:
        """Seconds."""
        return (self.ended or time.time()) - self.started if self.started else 0


class Daemon:
    """The queue. What follows is called under `lock`."""

    def __init__(self, folder: Path, dialect: Any, cores: int, gpus: int) -> None:
        self.folder, self.dialect, self.cores, self.gpus = folder, dialect, cores, gpus
        self.jobs: dict[int, Job] = {}
        self.number = 4710
        self.lock = threading.RLock()
        self.spool = folder / "spool"
        self.spool.mkdir(exist_ok=True)

    def control(self, name: str, otherwise: Any = None) -> Any:
        """What the test wants of this."""
        try:
            return json.loads((self.folder / "controls.json").read_text()).get(name, otherwise)
        except (OSError, ValueError):
            return otherwise

    def spend(self, name: str) -> bool:
        """Whether this is to happen once more."""
        left = int(self.control(name, 0))
        if left:
            path = self.folder / "controls.json"
            path.write_text(json.dumps(json.loads(path.read_text()) | {name: left - 1}))
        return left > 0

    # Commands

    def answer(self, call: Call) -> Answer:
        """Answer a command."""
        time.sleep(float(self.control("slow", 0)))
        with (self.folder / "calls").open("a") as log:
            log.write(f"{call.command} {' '.join(call.arguments)}\n")
        if self.control("down"):
            return self.dialect.no_answer(call)
        with self.lock:
            try:
                return self.dialect.COMMANDS[call.command](self, call)
            except Refused as refused:
                return refused.answer

    def take(self, job: Job) -> Job:
        """Put a job into the queue."""
        if refusal := self.control("refuse"):
            raise Refused(1, refusal)
        self.number += 1
        job.number = self.number
        waits = job.after is not None or job.begin > 0
        job.held = job.held or bool(self.control("hold") and not waits)
        self.jobs[job.number] = job
        return job

    def delete(self, job: Job, cause: str, signals: list[tuple[float, signal.Signals]]) -> None:
        """End a job: a running one by signals, each so many seconds from now."""
        if job.state == "waiting":
            self.end(job, None, cause)
        elif not job.cause:
            job.cause = cause
            now = time.time()
            job.signals = [(now + after, which) for after, which in signals]

    # What goes on by itself

    def tick(self) -> None:
        """Look after all jobs once."""
        now = time.time()
        for job in list(self.jobs.values()):
            if job.state == "running":
                self._look_after(job, now)
            elif job.state == "waiting" and self._may_start(job, now):
                self._start(job)

    def _look_after(self, job: Job, now: float) -> None:
        assert job.process and job.started
        if self.control("node_lost"):
            self.to_session(job, signal.SIGKILL)
            job.process.wait()
            if job.rerun:
                self._put_back(job)
            else:
                self.end(job, None, self.dialect.NODE_LOST)
            return
        status = job.process.poll()
        # Processes of a job that is being ended get their time, also if its shell was quicker.
        if status is not None and not (job.signals and self._lives(job)):
            if status in job.again and not job.cause:
                self._put_back(job)
            else:
                self.end(job, status, job.cause)
            return
        if job.limit is not None and not job.cause:
            left = job.started + job.limit - now
            if job.warn and not job.warned and left <= job.warning:
                self.to_session(job, job.warn)
                job.warned = True
            if left <= 0:
                self.delete(job, self.dialect.TIME_LIMIT, self.dialect.AT_TIME_LIMIT)
        for at, which in [each for each in job.signals if each[0] <= now]:
            job.signals.remove((at, which))
            self.to_session(job, which)

    def _put_back(self, job: Job) -> None:
        """Let the job wait, and run once more under its number."""
        self.to_session(job, signal.SIGKILL)
        job.state, job.started, job.warned, job.signals = "waiting", None, False, []

    def _lives(self, job: Job) -> bool:
        assert job.process
        listed = ["pgrep", "-s", str(job.process.pid)]
        return subprocess.run(listed, check=False, capture_output=True).returncode == 0

    def to_session(self, job: Job, which: signal.Signals) -> None:
        """Signal all processes of the job."""
        assert job.process
        subprocess.run(["pkill", f"-{which.name[3:]}", "-s", str(job.process.pid)], check=False)

    def _may_start(self, job: Job, now: float) -> bool:
        if job.held or now < job.begin or self.control("node_lost") or self.control("busy"):
            return False
        if job.after is not None and not job.released:
            return False
        running = [each for each in self.jobs.values() if each.state == "running"]
        return (
            sum(each.cores for each in running) + job.cores <= self.cores
            and sum(each.gpus for each in running) + job.gpus <= self.gpus
        )

    def _start(self, job: Job) -> None:
        taken = {
            gpu for each in self.jobs.values() if each.state == "running" for gpu in each.devices
        }
        job.devices = [gpu for gpu in range(self.gpus) if gpu not in taken][: job.gpus]
        script = self.spool / f"{job.number}.SC"
        script.write_text(job.script)
        script.chmod(0o700)
        job.output = self.spool / f"{job.number}.OU"
        argv, stdin = self.dialect.shell(job, script)
        environment = self.dialect.environment(self, job)
        with job.output.open("ab") as output:
            job.process = subprocess.Popen(
                argv,
                executable="/bin/bash",
                stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment,
                cwd=self.dialect.begins_in(job, environment),
                start_new_session=True,
            )
        if stdin:
            assert job.process.stdin
            job.process.stdin.write(stdin.encode())
            job.process.stdin.close()
        job.state, job.started = "running", time.time()

    def end(self, job: Job, status: int | None, cause: str) -> None:
        """A job is over: output, history, and the jobs that wait for it."""
        ran = job.state == "running"
        if ran:
            self.to_session(job, signal.SIGKILL)  # what its script has left
        job.state, job.ended, job.status, job.cause = "ended", time.time(), status, cause
        if job.output:
            self.dialect.bring_output(job)
        for each in self.jobs.values():
            if each.after == job.number and each.state == "waiting":
                each.released = self.dialect.releases(ran)
        if not self.control("history", True):
            del self.jobs[job.number]


def copy_output(job: Job, destination: str) -> None:
    """Copy what a job printed over a file, as a node does at the end."""
    assert job.output
    if destination != "/dev/null":
        shutil.copyfile(job.output, destination)


class Handler(socketserver.StreamRequestHandler):
    """One command."""

    def handle(self) -> None:
        """Read a call, answer it."""
        call = Call(**json.loads(self.rfile.readline()))
        answer = daemon.answer(call)
        self.wfile.write(json.dumps(answer._asdict()).encode())


class Server(socketserver.ThreadingUnixStreamServer):
    """One thread for each command."""

    daemon_threads = True
    request_queue_size = 128


daemon: Daemon


def main() -> None:
    """Serve until whoever started this closes its input, then end all jobs."""
    global daemon
    folder, name = Path(sys.argv[1]), sys.argv[2]
    dialect = importlib.import_module(f"{__package__}.{name}")
    Path("/proc/self/comm").write_text(dialect.CALLED)  # job scripts look for their parent
    daemon = Daemon(folder, dialect, *(int(each) for each in sys.argv[3:5]))
    os.chdir(folder)  # the path of a socket may not be long
    server = Server("socket", Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    over = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
    while not over.wait(TICK):
        with daemon.lock:
            daemon.tick()
    for job in daemon.jobs.values():
        if job.process:
            daemon.to_session(job, signal.SIGKILL)


if __name__ == "__main__":
    sys.modules[f"{__package__}.daemon"] = sys.modules["__main__"]  # the dialects' names are these
    main()
