"""What LSF 10.1 says and does, as far as the dispatcher meets it: a dialect of the `daemon`.

LSF cannot be had freely, so nothing here was compared with a real one. It was written by IBM's
pages for 10.1 (SSWRJV_10.1.0: bsub, bjobs, bkill, bhist) and the formats that other tools read.
A minute of `-W` and of `-wt` is six seconds here, so that a test can wait for it.
"""

from __future__ import annotations

import json
import re
import shlex
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .daemon import Answer, Call, Job, Refused

if TYPE_CHECKING:
    from .daemon import Daemon

CALLED = "sbatchd"
QUEUES = ("normal", "gpu", "gpu_long")
TIME_LIMIT = "TERM_RUNLIMIT: job killed after reaching LSF run time limit"
OWNER = "TERM_OWNER: job killed by owner"
NODE_LOST = "TERM_ZOMBIE: job exited while LSF is not available"
MINUTE = 6.0  # seconds
AT_TIME_LIMIT = [(0.0, signal.SIGUSR2), (3.0, signal.SIGKILL)]
KILLED = [(0.0, signal.SIGINT), (0.5, signal.SIGTERM), (3.0, signal.SIGKILL)]

_WITH_VALUE = (
    *(
        "J",
        "Jd",
        "o",
        "oo",
        "e",
        "eo",
        "q",
        "n",
        "R",
        "gpu",
        "M",
        "W",
        "wa",
        "wt",
        "w",
        "env",
        "P",
        "Q",
        "G",
    ),
    *("sla", "app", "b", "u", "m", "L", "cwd", "Lp"),
)
_ALONE = ("rn", "r", "x", "H", "B", "N", "Ne", "Nd", "K")
_GPU = (
    r"num=\d+(/host|/task)?|mode=(shared|exclusive_process)|j_exclusive=(yes|no)"
    r"|mps=(yes|no)\S*|gmodel=\S+|gmem=\S+"
)


def directives(script: str) -> dict[str, Any]:
    """The options in a script's #BSUB lines, up to its first command."""
    found: dict[str, Any] = {}
    for line in script.splitlines():
        if line.startswith("#BSUB"):
            if left := options(shlex.split(line[5:]), found):
                raise Refused(255, f"{left[0]}: No such option. Job not submitted.")
        elif line.strip() and not line.lstrip().startswith("#"):
            break
    return found


def options(words: list[str], found: dict[str, Any]) -> list[str]:
    """Adds the options that the words begin with to those found; the words that are left."""
    words = list(words)
    while words and words[0].startswith("-"):
        name = words[0][1:]
        if name in _ALONE:
            found[name] = words.pop(0)
        elif name in _WITH_VALUE and len(words) > 1:
            _add(found, name, words[1])
            del words[:2]
        else:
            return words
    return words


def _add(found: dict[str, Any], name: str, value: str) -> None:
    if name == "R":
        if not re.fullmatch(r"(\s*(span|rusage|select|affinity|order)\[[^\[\]]+\]\s*)+", value):
            raise Refused(255, "Bad resource requirement syntax. Job not submitted.")
        found.setdefault("R", []).append(value)
        return
    wrong = {
        "q": (value not in QUEUES, "No such queue"),
        "n": (not re.fullmatch(r"\d+(,\d+)?", value), f"{value}: Bad number of processors"),
        "W": (not re.fullmatch(r"(\d+:)?\d+(/\S+)?", value), f"{value}: Bad RUNLIMIT"),
        "Q": (not re.fullmatch(r"\d+( \d+)*", value), f"{value}: Bad requeue exit values"),
        "M": (not re.fullmatch(r"\d+([KMGT]B?)?!?", value), f"{value}: Bad MEMLIMIT"),
        "gpu": (not all(re.fullmatch(_GPU, each) for each in value.split(":")), "Bad GPU"),
    }
    bad, text = wrong.get(name, (False, ""))
    if bad:
        raise Refused(255, f"{text}. Job not submitted.")
    found[name] = value


def bsub(daemon: Daemon, call: Call) -> Answer:
    """Take a job whose script stands on standard input."""
    given: dict[str, Any] = {}
    if left := options(call.arguments, given):
        raise Refused(255, f"{left[0]}: is run as a command here, and its #BSUB lines are not read")
    merged = directives(call.stdin) | given
    if "w" in merged:
        after = re.fullmatch(r"ended\((\d+)\)", merged["w"])
        if not after:
            raise Refused(255, "Dependency condition syntax error. Job not submitted.")
        parent = daemon.jobs.get(int(after[1]))
        if parent is None:
            raise Refused(255, f"{after[1]}: No matching job found. Job not submitted.")
    environment = dict(call.environment)
    kept, *named = [each.strip() for each in merged.get("env", "all").split(",")]
    environment = (
        environment if kept == "all" else {"HOME": environment["HOME"], "PATH": environment["PATH"]}
    )
    environment |= dict(each.split("=", 1) for each in named)
    minutes = _minutes(merged["W"]) if "W" in merged else None
    warned = "wa" in merged and "wt" in merged  # both are needed
    gpus = re.search(r"num=(\d+)", merged.get("gpu", ""))
    job = Job(
        0,
        merged.get("J", call.stdin.splitlines()[-1] if call.stdin else ""),
        call.stdin,
        call.folder,
        environment,
        merged,
        cores=int(merged.get("n", "1").partition(",")[0]),
        gpus=int(gpus[1]) if gpus else 0,
        limit=minutes * MINUTE if minutes is not None else None,
        warning=_minutes(merged["wt"]) * MINUTE if warned else 0,
        warn=signal.Signals[f"SIG{merged['wa']}"] if warned else None,
        again=tuple(int(each) for each in merged.get("Q", "").split()),
        rerun="r" in merged,
        after=int(after[1]) if "w" in merged and after else None,
        held="H" in merged,
    )
    job.released = job.after is not None and daemon.jobs[job.after].state == "ended"
    daemon.take(job)
    if daemon.spend("lose_answers"):
        raise Refused(255, "Failed in sending/receiving a message: Connection reset by peer")
    queue = merged.get("q", "normal")
    return Answer(
        0,
        ""
        if "BSUB_QUIET" in environment
        else f"Job <{job.number}> is submitted to queue <{queue}>.\n",
    )


def _minutes(text: str) -> int:
    hours, _, minutes = text.partition("/")[0].rpartition(":")
    return int(hours or 0) * 60 + int(minutes)


def bjobs(daemon: Daemon, call: Call) -> Answer:
    """Tell of jobs, as JSON or in columns of one's choice."""
    words, ids = list(call.arguments), []
    past, as_json, heads, wanted, delimiter = False, False, True, [], " "
    while words:
        word = words.pop(0)
        if word == "-o":
            text = words.pop(0)
            if found := re.search(r"delimiter='(.)'", text):
                delimiter, text = found[1], text.replace(found[0], "")
            wanted = text.split()
        elif word in ("-a", "-json", "-noheader"):
            past, as_json, heads = (
                past or word == "-a",
                as_json or word == "-json",
                heads and word != "-noheader",
            )
        elif word.startswith("-"):
            return Answer(255, "", f"bjobs: {word}: unknown option\n")
        else:
            ids.append(word)
    records, unknown = [], []
    for each in ids or [str(number) for number in daemon.jobs]:
        job = daemon.jobs.get(int(each))
        if job is None:
            unknown.append(each)
        elif ids or past or job.state != "ended":
            records.append({name.upper(): _value(job, name) for name in wanted})
    if as_json:
        records += [{"JOBID": each, "ERROR": f"Job <{each}> is not found"} for each in unknown]
        head = {"COMMAND": "bjobs", "JOBS": len(records), "RECORDS": records}
        if records:
            return Answer(0, json.dumps(head, indent=2, separators=(",", ":")) + "\n")
        return Answer(255, "", "No job found\n" if past else "No unfinished job found\n")
    lines = [delimiter.join(each.upper() for each in wanted)] if heads and records else []
    lines += [delimiter.join(each.values()) for each in records]
    complaints = "".join(f"Job <{each}> is not found\n" for each in unknown)
    return Answer(255 if unknown else 0, "".join(f"{line}\n" for line in lines), complaints)


def _value(job: Job, name: str) -> str:
    left = max(0, round(((job.limit or 0) - job.ran) / MINUTE))
    limited = job.limit is not None and job.state == "running"
    values = {
        "jobid": str(job.number),
        "stat": _state(job),
        "exit_code": str(exit_code(job) or "-") if job.state == "ended" else "-",
        "exit_reason": job.cause or "-",
        "pend_reason": "Not enough GPUs on the hosts: 1 host;" if job.state == "waiting" else "-",
        "exec_host": f"{job.cores}*n1" if job.started else "-",
        "job_name": job.name,
        "job_description": job.options.get("Jd", "-"),
        "run_time": f"{int(job.ran)} second(s)",
        "submit_time": time.strftime("%b %d %H:%M", time.localtime(job.submitted)),
        "time_left": f"{left // 60}:{left % 60} L" if limited else "-",
    }
    return values[name]


def _state(job: Job) -> str:
    if job.state == "waiting":
        return "PSUSP" if job.held else "PEND"
    if job.state == "running":
        return "RUN"
    return "DONE" if job.status == 0 and not job.cause else "EXIT"


def exit_code(job: Job) -> int:
    """128 more than the signal that ended the script."""
    status = job.status or 0
    return 128 - status if status < 0 else status


def bhist(daemon: Daemon, call: Call) -> Answer:
    """`-l ID`: what the log says, also of jobs that bjobs has forgotten."""
    log = daemon.folder / "events" / call.arguments[-1]
    if call.arguments[:1] != ["-l"] or not log.is_file():
        return Answer(255, "", "No matching job found\n")
    return Answer(0, log.read_text())


def bkill(daemon: Daemon, call: Call) -> Answer:
    """Kill jobs by id, or all of a name (`-J NAME 0`)."""
    words = list(call.arguments)
    name = words[1] if words[:1] == ["-J"] else None
    ids = words[2:] if name else words
    if ids == ["0"]:
        jobs = [
            job for job in daemon.jobs.values() if name in (None, job.name) and job.state != "ended"
        ]
        said = "".join(_kill(daemon, job) for job in jobs)
        return Answer(0, said) if jobs else Answer(255, "", "No matching job found\n")
    said, complaints = "", ""
    for each in ids:
        job = daemon.jobs.get(int(each))
        if job is None:
            complaints += f"Job <{each}>: No matching job found\n"
        elif job.state == "ended":
            complaints += f"Job <{each}>: Job has already finished\n"
        else:
            said += _kill(daemon, job)
    return Answer(255 if complaints else 0, said, complaints)


def _kill(daemon: Daemon, job: Job) -> str:
    signals = KILLED
    if job.warn and not job.warned:  # the warning comes before any kill, and the kill so much later
        signals = [(0.0, job.warn), *((after + job.warning, which) for after, which in KILLED)]
    daemon.delete(job, OWNER, signals)
    return f"Job <{job.number}> is being terminated\n"


def bresume(daemon: Daemon, call: Call) -> Answer:
    """Release held jobs, all at the same moment."""
    for each in call.arguments:
        daemon.jobs[int(each)].held = False
    return Answer(0, "".join(f"Job <{each}> is being resumed\n" for each in call.arguments))


COMMANDS = {"bsub": bsub, "bjobs": bjobs, "bkill": bkill, "bhist": bhist, "bresume": bresume}


def no_answer(call: Call) -> Answer:
    """The daemon does not answer. (A real command waits for it, and says so.)"""
    return Answer(255, "", f"{call.command}: batch daemon not responding ... still trying\n")


def releases(ran: bool) -> bool:
    """`ended` holds for each job that is over, also for one that was killed while it waited."""
    return True


def shell(job: Job, script: Path) -> tuple[list[str], str]:
    """The shell of the script's first line runs it."""
    return ["bash", "-c", '"$0"', str(script)], ""


def begins_in(job: Job, environment: dict[str, str]) -> str:
    """In the folder in which it was submitted."""
    return job.folder


def environment(daemon: Daemon, job: Job) -> dict[str, str]:
    """The submitter's environment goes with the job."""
    given = {"CUDA_VISIBLE_DEVICES": ",".join(str(gpu) for gpu in job.devices)} if job.gpus else {}
    if "mps=yes" in job.options.get("gpu", ""):  # LSF starts MPS itself
        given["CUDA_MPS_PIPE_DIRECTORY"] = str(daemon.spool / f"{job.number}.mps")
    return (
        job.environment
        | given
        | {
            "LSB_JOBID": str(job.number),
            "LSB_JOBNAME": job.name,
            "LSB_QUEUE": job.options.get("q", "normal"),
            "LSB_MCPU_HOSTS": f"n1 {job.cores}",
            "LSB_SUB_HOST": "login1",
        }
    )


def bring_output(job: Job) -> None:
    """The output is appended to the file, and behind it a report."""
    assert job.output
    said = (
        f"Exited with exit code {exit_code(job)}."
        if _state(job) == "EXIT"
        else "Successfully completed."
    )
    reason = f"{job.cause}.\n" if job.cause else ""
    place = job.options.get("o") or job.options.get("oo")
    if place and place != "/dev/null":
        report = f"\n------\nSender: LSF System <ada@n1>\n{reason}{said}\n"
        with Path(job.folder, place).open("ab" if "o" in job.options else "wb") as stream:
            stream.write(job.output.read_bytes() + report.encode())
    events = job.output.parents[1] / "events"
    events.mkdir(exist_ok=True)
    now = time.strftime("%a %b %d %H:%M:%S")
    end = (
        "Completed <exit>" + (f"; {job.cause}" if job.cause else "")
        if _state(job) == "EXIT"
        else "Done successfully"
    )
    (events / str(job.number)).write_text(
        f"\nJob <{job.number}>, User <ada>, Command <{';'.join(job.script.splitlines())}>\n"
        f"{now}: Submitted from host <login1>, to Queue <normal>;\n"
        f"{now}: {said}\n{now}: {end};\n"
    )
