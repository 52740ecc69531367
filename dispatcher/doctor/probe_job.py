"""One job of the doctor: submitted as the site's jobs are, looked at, cancelled."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from ..config.scheduler import Scheduler, filled
from ..errors import DispatchError
from ..host import programs
from ..jobs.notes import write_watcher
from ..jobs.watcher import WATCHER, submitted_watchers, watcher_script
from ..planning.plan import Plan
from ..relion.submission import SUBMISSION
from ..scheduler.answers import Queue, in_words, knows_end
from ..scheduler.calls import try_call
from ..scheduler.clusters import where_is
from ..scheduler.dialect import dialect
from ..scheduler.submit import marked_command, submit_without_retry
from .asked import HERE
from .check_table import Task
from .facts import Facts, read_facts
from .kernels import Kernels, kernels_of_files
from .places import Place
from .probe_script import probe_script

__all__ = ["ProbeJob"]

_SCRIPT = f"{SUBMISSION}.run"  # by this name `local` finds its jobs
_WARNED_AFTER = "00:02:00"
_MARK = "RELION_DOCTOR"  # ends the names of variables as of a job around the submission


class ProbeJob:
    """A job that looks at a place, or waits there to be cancelled or warned.

    Attributes:
        seen: what this side sees of it.
        job_id: the scheduler's id, None if nobody has named it; `watchers`: those of its watchers.
        where: the options that lead the scheduler's commands to the job's cluster.
        tried: somebody has tried to submit it.
        started: when this side saw that it runs (monotonic); None before.
        over: nothing more is to be expected of it.
    """

    def __init__(self, place: Place, task: Task, folder: Path, nodes: int = 1) -> None:
        self.place, self.task, self.folder = place, task, folder
        self.token = os.urandom(6).hex()
        self.seen = Facts()
        self.job_id: str | None = None
        self.watchers: list[str] = []
        self.where: tuple[str, ...] = ()
        self.tried = False
        self.submitted = time.monotonic()
        self.started: float | None = None
        self.over = False
        self._plan = self._own_plan(nodes)
        self.scheduler: Scheduler | None = None
        if place.asked.place != HERE:
            self.scheduler = self._plan.site.schedulers[self._plan.scheduler]
            self.where = where_is(self.scheduler, None, self._plan.submit_command)

    def _own_plan(self, nodes: int) -> Plan:
        plan = self.place.plan
        name = str(self.folder.relative_to(plan.project))
        limit = {"time": _WARNED_AFTER} if self.task == "warned" else {}
        return plan._replace(
            name=name,
            script=f"{name}/{_SCRIPT}",
            outfile=f"{name}/run.out",
            errfile=f"{name}/run.err",
            submit_command=(*plan.submit_command[:-1], f"{name}/{_SCRIPT}"),
            nodes=nodes,
            job_parameters={**plan.job_parameters, **limit},
        )

    def make_folder(self) -> Path:
        """Make the job's folder; the file there of which both sides try the lock."""
        self.folder.mkdir(parents=True)
        (self.folder / "lock").touch()
        return self.folder / "lock"

    def submit(self, seconds: int) -> None:
        """Submit the job; what the scheduler says against it becomes the fact `refused`."""
        self.submitted, self.tried = time.monotonic(), True
        try:
            text = probe_script(self.place, self._plan, self.token, self.task, seconds)
            (self.folder / _SCRIPT).write_text(text, errors="surrogateescape")
            self.job_id = self._started()
        except DispatchError as error:
            self.seen.add("refused", str(error))
            self.over = True
            return
        self.seen.add("job_id", self.job_id)
        if self.task == "cancelled" and self.scheduler:
            self._submit_watcher(self.scheduler)

    def _started(self) -> str:
        project = self._plan.project
        if self.scheduler is None:
            return str(programs.detached(["bash", self._plan.script], cwd=project))
        command = marked_command(self.scheduler, self._plan, self.token)
        with _as_in_a_job(self.scheduler):
            job_id, cluster = submit_without_retry(self.scheduler, command, project, self.token)
        self.where = where_is(self.scheduler, cluster, self._plan.submit_command)
        return job_id

    def _submit_watcher(self, scheduler: Scheduler) -> None:
        if scheduler.watcher is None or self.job_id is None:
            self.seen.add("no_watcher", "The scheduler's file names no watcher.")
            return
        text = watcher_script(self._plan, scheduler, self.token)
        (self.folder / WATCHER).write_text(text, errors="surrogateescape")
        plan, job = self._plan, (self.job_id, self.token, self.where)
        self.watchers, problem = submitted_watchers(plan.project, plan.name, scheduler, *job)
        write_watcher(self.folder, self.token, next(iter(self.watchers), None), problem)
        if problem:
            self.seen.add("watcher_problem", problem)

    def facts(self) -> Facts:
        """What its probe has written so far."""
        with suppress(OSError):
            return read_facts((self.folder / "facts").read_text(errors="replace"))
        return Facts()

    def kernels(self) -> Kernels:
        """Those of RELION's programs, of which the probe has put copies into the folder."""
        return kernels_of_files(
            [self.folder / "relion_refine", *sorted(self.folder.glob("librelion*"))]
        )

    def printed(self) -> str:
        """The last line that the job has printed."""
        for name in ("run.err", "run.out"):
            with suppress(OSError):
                lines = (self.folder / name).read_text(errors="replace").strip().splitlines()
                if lines:
                    return lines[-1][:300]
        return ""

    def told(self) -> str:
        """How the watcher has told RELION that the job ended; "" if it has not."""
        with suppress(OSError):
            for path in self.folder.iterdir():
                if found := re.fullmatch(r"\w+_JOB_EXIT_(\w+)", path.name):
                    return found[1]
        return ""

    def left(self, queue: Queue | None) -> list[str]:
        """The ids of what may still wait or run: the job, others with its token, its watchers.

        Of a queue that does not list them, nothing follows.
        """
        own = [self.job_id] if self.job_id else []
        with_token = [job.job_id for job in queue.living(self.token)] if queue else []
        over = {job.job_id for job in queue.jobs if queue.has_ended(job)} if queue else set()
        if "done" in self.facts():
            over.update(own)
        found = dict.fromkeys([*own, *with_token, *self.watchers])
        return [job_id for job_id in found if job_id not in over]

    def cancel(self, job_id: str) -> str:
        """Cancel it, by this id, or a watcher; what the scheduler says against that."""
        project = self._plan.project
        if self.scheduler is None or self.scheduler.detached:
            programs.run(["kill", "--", f"-{job_id}"])
            return ""
        command = filled(self.scheduler.cancel_command, job_id=job_id)
        done = try_call(self.scheduler, [*command, *self.where], project) if command else None
        if done is None:
            return "it does not answer"
        return "" if done.status == 0 else (done.stderr or done.stdout).strip()[:300]

    def end(self) -> tuple[str, str] | None:
        """Whether the scheduler says how it ended ("yes", "unknown", "none"), and what; None if it
        says that the job has not ended."""
        done = self._asked(self.scheduler.end_command if self.scheduler else [])
        if done is None or self.scheduler is None:
            return "none", ""
        says = dialect(self.scheduler).read_end(self.scheduler, done.stdout)
        if says is None:
            return None
        facts = re.search(r"\(([^()]*)\)$", says)
        unknown = not done.stdout.strip() or says.startswith(self.scheduler.unknown_end)
        return ("unknown", _printed(done)) if unknown else ("yes", facts[1] if facts else says)

    def accounted(self) -> tuple[str, str]:
        """Whether the scheduler's accounting knows the job ("yes", "unknown", "none"), and what."""
        done = self._asked(self.scheduler.accounting_command if self.scheduler else [])
        if done is None or self.scheduler is None:
            return "none", ""
        knows = knows_end(self.scheduler, in_words(self.scheduler, done.stdout))
        return "yes" if knows else "unknown", _printed(done)

    def _asked(self, command: Sequence[str]) -> programs.Finished | None:
        """What a command says of the job; None if there is none, or if it does not answer."""
        if self.scheduler is None or not command or not self.job_id:
            return None
        yesterday = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(time.time() - 24 * 3600))
        argv = filled(command, job_id=self.job_id, since=yesterday)
        return try_call(self.scheduler, [*argv, *self.where], self._plan.project)

    def in_queue(self, queue: Queue) -> str | None:
        """How the queue lists it: by its "token", by its "id" alone, or not at all."""
        if any(job.token == self.token for job in queue.jobs):
            return "token"
        return "id" if any(job.job_id == self.job_id for job in queue.jobs) else None


def _printed(done: programs.Finished) -> str:
    return " ".join((done.stdout or done.stderr).split())[:200]


@contextmanager
def _as_in_a_job(scheduler: Scheduler) -> Iterator[None]:
    """Have variables as of a job of the scheduler's, which a job that is submitted must not see."""
    names = {f"{beginning}{_MARK}" for beginning in scheduler.of_a_job}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name in names:
            os.environ.pop(name, None)
