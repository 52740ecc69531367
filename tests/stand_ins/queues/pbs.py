"""What OpenPBS says and does, as far as the dispatcher meets it: a dialect of the `daemon`.

Compared by hand with OpenPBS 23.06.06: directives, texts, exit statuses, what qstat prints (in JSON
what looks like a number is one), dependencies, and what a job sees. Not compared: that a submission
behind a job which has ended is refused where there is no history (`old` in controls.json; openpbs
issue 1631), and the UUIDs in CUDA_VISIBLE_DEVICES (of its cgroups hook).
"""

from __future__ import annotations

import json
import re
import shlex
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .daemon import Answer, Call, Job, Refused, copy_output

if TYPE_CHECKING:
    from .daemon import Daemon

CALLED = "pbs_mom"
SERVER = "pbs01"
QUEUES = ("workq", "gpu", "gpu_long")
UUIDS = ("GPU-aaaa-0", "GPU-bbbb-1", "GPU-cccc-2", "GPU-dddd-3")  # as the stand-in for nvidia-smi
TIME_LIMIT, NODE_LOST, DELETED = "limit", "node lost", "deleted"
KILL_DELAY = 3.0  # seconds; PBS has 10
AT_TIME_LIMIT = [(0.0, signal.SIGTERM), (KILL_DELAY, signal.SIGKILL)]

_WITH_VALUE = "aACceJjklmMNopPqrRSuvW"
_ALONE = "fhIVzX"
_RESOURCES = (
    "ncpus",
    "mpiprocs",
    "ompthreads",
    "ngpus",
    "gpu_type",
    "mem",
    "vmem",
    "walltime",
    "host",
)
_ATTRIBUTES = ("depend", "umask", "group_list", "sandbox", "block", "stagein", "stageout")
_STATUS_OF = {TIME_LIMIT: -29, NODE_LOST: -20}


def directives(script: str) -> dict[str, Any]:
    """The options in a script's #PBS lines, up to its first command."""
    found: dict[str, Any] = {}
    for line in script.splitlines():
        if line.startswith("#PBS"):
            words = shlex.split(line[4:])
            if options(words, found):
                raise Refused(1, f"qsub: directive error: {line[4:].strip()} ")
        elif line.strip() and not line.lstrip().startswith("#"):
            break
    return found


def options(words: list[str], found: dict[str, Any]) -> list[str]:
    """Adds the options that the words begin with to those found; the words that are left."""
    words = list(words)
    while words and words[0].startswith("-"):
        word = words.pop(0)
        letter, value = word[1:2], word[2:]
        if letter in _ALONE and letter and not value:
            found[letter] = True
        elif letter in _WITH_VALUE and letter and (value or words):
            _add(found, letter, value or words.pop(0))
        else:
            return [word, *words]
    return words


def _add(found: dict[str, Any], letter: str, value: str) -> None:
    if letter == "N" and not re.fullmatch(r"[A-Za-z][A-Za-z0-9_+.-]{0,229}", value):
        raise Refused(2, "qsub: illegal -N value\nusage: qsub [-a date_time] …")
    if letter in "jkr" and not re.fullmatch(
        {"j": "oe|eo|n", "k": "[oend]+", "r": "[yn]"}[letter], value
    ):
        raise Refused(2, f"qsub: illegal -{letter} value")
    if letter == "q" and value not in QUEUES:
        raise Refused(170, "qsub: Unknown queue")
    if letter == "l":
        name, _, text = value.partition("=")
        for part in text.split(":")[1:] if name == "select" else [] if name == "place" else [value]:
            _resource(part)
        found.setdefault("l", {})[name] = text
    elif letter == "W":
        name = value.partition("=")[0]
        if name not in _ATTRIBUTES:
            raise Refused(154, "qsub: Error (15002) submitting job")
        found.setdefault("W", {})[name] = value.partition("=")[2]
    elif letter == "v":
        found.setdefault("v", {}).update(each.split("=", 1) for each in value.split(","))
    else:
        found[letter] = value


def _resource(text: str) -> None:
    name, _, value = text.partition("=")
    if name not in _RESOURCES:
        raise Refused(187, f"qsub: Unknown resource: {name}")
    number = {"mem": r"\d+[kmgt]?[bw]?", "vmem": r"\d+[kmgt]?[bw]?", "walltime": r"[\d:]+"}
    if not re.fullmatch(number.get(name, r"\d+" if name[0] in "nmo" else r"\S+"), value, re.I):
        raise Refused(157, "qsub: Illegal attribute or resource value")


def qsub(daemon: Daemon, call: Call) -> Answer:
    """Take a job."""
    given: dict[str, Any] = {}
    rest = options(call.arguments, given)
    if len(rest) != 1 or rest[0].startswith("-"):
        raise Refused(2, "usage: qsub [-a date_time] …")
    path = Path(call.folder, rest[0])
    if not path.is_file():
        raise Refused(1, "qsub: script file:: No such file or directory")
    script = path.read_text(errors="surrogateescape")
    merged = directives(script)
    for letter, value in given.items():
        merged[letter] = {**merged.get(letter, {}), **value} if letter in "lWv" else value
    if "select" in merged.get("l", {}) and {"ncpus", "mem", "ngpus", "nodes"} & {*merged["l"]}:
        raise Refused(1, '"-lresource=" cannot be used with "select" or "place"')
    asked = dict(
        each.split("=", 1) for each in merged.get("l", {}).get("select", "1").split(":")[1:]
    )
    limit = merged.get("l", {}).get("walltime")
    job = Job(
        0,
        merged.get("N", path.name),
        script,
        call.folder,
        call.environment,
        merged,
        cores=int(asked.get("ncpus", 1)),
        gpus=int(asked.get("ngpus", 0)),
        limit=_seconds(limit) if limit else None,
        begin=_later(merged["a"]) if "a" in merged else 0,
        held="h" in merged,
    )
    if depend := merged.get("W", {}).get("depend"):
        _depend(daemon, job, depend)
    daemon.take(job)
    if daemon.spend("lose_answers"):
        raise Refused(255, f"qsub: cannot connect to server {SERVER} (errno=15010)")
    return Answer(0, f"{job.number}.{SERVER}\n")


def _depend(daemon: Daemon, job: Job, text: str) -> None:
    kind, _, parent = text.partition(":")
    if kind != "afterany":
        raise Refused(157, "qsub: Illegal attribute or resource value")
    job.after = int(parent.partition(".")[0])
    known = daemon.jobs.get(job.after)
    if known is None and daemon.control("old"):
        raise Refused(153, f"qsub: Unknown Job Id {parent}")
    job.released = known is None or known.state == "ended"


def _seconds(text: str) -> int:
    total = 0
    for part in text.split(":"):
        total = total * 60 + int(part)
    return total


def _later(text: str) -> float:
    form = "%Y%m%d%H%M.%S" if "." in text else "%Y%m%d%H%M"
    return time.mktime(time.strptime(text, form))


def qstat(daemon: Daemon, call: Call) -> Answer:
    """Tell of jobs: `-f -F json`, `-f -F dsv -D ' '`, `-f`, or a table."""
    words, ids = list(call.arguments), []
    form, delimiter, past, full = "default", "|", False, False
    while words:
        word = words.pop(0)
        if word == "-F":
            form = words.pop(0)
        elif word == "-D":
            delimiter = words.pop(0)
        elif word in ("-x", "-f"):
            past, full = past or word == "-x", full or word == "-f"
        elif word.startswith("-"):
            return Answer(2, "", f"qstat: invalid option -- '{word[1:]}'\n")
        else:
            ids.append(word)
    listed = [_id(job) for job in daemon.jobs.values() if past or job.state != "ended"]
    jobs, complaints, status = [], "", 0
    for each in ids or listed:
        job = _find(daemon, each)
        if past and not daemon.control("history", True):
            complaints += f"qstat: PBS is not configured to maintain job history {each}\n"
        elif job is None:
            complaints, status = complaints + f"qstat: Unknown Job Id {each}\n", 153
        elif job.state == "ended" and not past:
            complaints += f"qstat: {each} Job has finished, use -x or -H to obtain "
            complaints += "historical job information\n"
            status = 35
        else:
            jobs.append(job)
    if form == "json" and ids:
        jobs = jobs[:1]  # as OpenPBS does
    told = {_id(job): _attributes(job) for job in jobs}
    return Answer(status, _printed(told, form, delimiter, full), complaints)


def _printed(told: dict[str, dict[str, Any]], form: str, delimiter: str, full: bool) -> str:
    if form == "json":
        head: dict[str, Any] = {
            "timestamp": int(time.time()),
            "pbs_version": "23.06.06",
            "pbs_server": SERVER,
        }
        jobs = {"Jobs": {name: _as_numbers(job) for name, job in told.items()}} if told else {}
        return json.dumps(head | jobs, indent="\t", separators=(",", ":\t")) + "\n"
    lines = []
    for name, job in told.items():
        if form == "dsv":
            words = [
                f"{key}={str(value).replace(delimiter, chr(92) + delimiter)}"
                for key, value in _flat(job)
            ]
            lines.append(delimiter.join([f"Job Id: {name}", *words]))
        elif full:
            lines += [f"Job Id: {name}", *(f"    {key} = {value}" for key, value in _flat(job)), ""]
        else:
            lines.append(f"{name:<18}{job['Job_Name']:<17}ada  0 {job['job_state']} {job['queue']}")
    return "".join(f"{line}\n" for line in lines)


def _as_numbers(value: Any) -> Any:
    """PBS prints a text that is a number as one, and one that is none in JSON as null."""
    if isinstance(value, dict):
        return {name: _as_numbers(each) for name, each in value.items()}
    try:
        number = float(value)
    except ValueError:
        return value
    return (
        None
        if number in (float("inf"), float("-inf")) or number != number
        else (int(number) if number.is_integer() and abs(number) < 1e15 else number)
    )


def _flat(job: dict[str, Any]) -> list[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = []
    for key, value in job.items():
        if key == "Variable_List":
            pairs.append((key, ",".join(f"{name}={each}" for name, each in value.items())))
        elif isinstance(value, dict):
            pairs += [(f"{key}.{name}", each) for name, each in value.items()]
        else:
            pairs.append((key, value))
    return pairs


def _attributes(job: Job) -> dict[str, Any]:
    used = {"mem": "0kb", "ncpus": job.cores, "walltime": _clock(job.ran)} if job.started else {}
    said: dict[str, Any] = {"Job_Name": job.name, "Job_Owner": f"ada@{SERVER}"}
    said |= {"resources_used": used} if used else {}
    said |= {"job_state": _state(job), "queue": job.options.get("q", "workq"), "server": SERVER}
    if job.after is not None:
        said["depend"] = f"afterany:{job.after}.{SERVER}@{SERVER}"
    if job.started:
        said["exec_host"] = f"n1/0*{job.cores}"
    limit = {"walltime": _clock(job.limit)} if job.limit else {}
    said["Resource_List"] = {
        "ncpus": job.cores,
        "ngpus": job.gpus,
        **job.options.get("l", {}),
        **limit,
    }
    said["substate"] = {
        "ended": 91 if job.cause == DELETED else 93 if job.status else 92,
        "running": 42,
    }.get(job.state, 10)
    said["Variable_List"] = {
        "PBS_O_HOME": "/home/ada",
        "PBS_O_WORKDIR": job.folder,
        **job.options.get("v", {}),
    }
    if job.started:
        how = {
            DELETED: f"terminated by ada@{SERVER}",
            TIME_LIMIT: "exceeded resource walltime",
            "": "finished",
        }
        word = "failed" if job.status and not job.cause else how.get(job.cause, "failed")
        said["comment"] = "Job run at Sat Nov 28 at 21:41 on (n1:ncpus=1)" + (
            f" and {word}" if job.ended else ""
        )
    elif job.state == "waiting":
        said["comment"] = "Not Running: Insufficient amount of resource: ngpus (R: 4 A: 0 T: 4)"
    if job.state == "ended" and job.started:
        said["Exit_status"] = exit_status(job)
    return said | {"Submit_arguments": "-f", "project": "_pbs_project_default"}


def exit_status(job: Job) -> int:
    """As PBS has it: 256 more than the signal that ended the shell, or negative."""
    if job.cause in _STATUS_OF:
        return _STATUS_OF[job.cause]
    assert job.status is not None
    return 256 - job.status if job.status < 0 else job.status


def _state(job: Job) -> str:
    if job.state == "waiting":
        blocked = job.held or (job.after is not None and not job.released)
        return "H" if blocked else "W" if job.begin > time.time() else "Q"
    return {"running": "R", "ended": "F"}[job.state]


def _clock(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}"


def _id(job: Job) -> str:
    return f"{job.number}.{SERVER}"


def _find(daemon: Daemon, name: str) -> Job | None:
    number = name.removesuffix(f".{SERVER}")
    return daemon.jobs.get(int(number)) if number.isdigit() else None


def qselect(daemon: Daemon, call: Call) -> Answer:
    """The ids of jobs: `-x`, `-u USER`, `-N NAME`."""
    words = iter(call.arguments)
    past, name = False, None
    for word in words:
        if word == "-x":
            past = True
        elif word in ("-u", "-N"):
            value = next(words)
            name = value if word == "-N" else name
        else:
            return Answer(2, "", "usage: qselect …\n")
    if past and not daemon.control("history", True):
        return Answer(0, "", "qselect: PBS is not configured to maintain job history\n")
    found = [job for job in daemon.jobs.values() if past or job.state != "ended"]
    return Answer(0, "".join(f"{_id(job)}\n" for job in found if name in (None, job.name)))


def qdel(daemon: Daemon, call: Call) -> Answer:
    """Delete jobs."""
    complaints, status = "", 0
    for each in call.arguments:
        job = _find(daemon, each)
        if job is None:
            complaints, status = complaints + f"qdel: Unknown Job Id {each}\n", 153
        elif job.state == "ended":
            complaints, status = complaints + f"qdel: Job has finished {each}\n", 35
        else:
            daemon.delete(job, DELETED, [(0.0, signal.SIGTERM), (KILL_DELAY, signal.SIGKILL)])
    return Answer(status, "", complaints)


def qrls(daemon: Daemon, call: Call) -> Answer:
    """Release held jobs, all at the same moment."""
    for each in call.arguments:
        if job := _find(daemon, each):
            job.held = False
    return Answer()


COMMANDS = {"qsub": qsub, "qstat": qstat, "qselect": qselect, "qdel": qdel, "qrls": qrls}


def no_answer(call: Call) -> Answer:
    """The server does not answer: qstat prints the head of its JSON in spite of that."""
    head = (
        '{\n\t"timestamp":\t1795902094,\n\t"pbs_server":\t"pbs01"\n}\n'
        if "json" in call.arguments
        else ""
    )
    return Answer(
        255,
        head,
        f"Connection refused\n{call.command}: cannot connect to server {SERVER} (errno=15010)\n",
    )


def releases(ran: bool) -> bool:
    """What waits for a job that never ran stays held for ever."""
    return ran


def shell(job: Job, script: Path) -> tuple[list[str], str]:
    """A login shell reads the script's path."""
    return ["-bash"], f"{script}\n"


def begins_in(job: Job, environment: dict[str, str]) -> str:
    """In the user's home."""
    return environment["HOME"]


def environment(daemon: Daemon, job: Job) -> dict[str, str]:
    """What the job sees: nothing of the submitter's but what it was given by name."""
    asked = dict(
        each.split("=", 1) for each in job.options.get("l", {}).get("select", "1").split(":")[1:]
    )
    nodes = daemon.spool / f"{job.number}.nodes"
    nodes.write_text("n1\n" * int(asked.get("mpiprocs", 1)))
    return {
        "HOME": job.environment["HOME"],
        "LOGNAME": "ada",
        "USER": "ada",
        "SHELL": "/bin/bash",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "ENVIRONMENT": "BATCH",
        "NCPUS": asked.get("ompthreads", str(job.cores)),
        "OMP_NUM_THREADS": asked.get("ompthreads", str(job.cores)),
        "PBS_ENVIRONMENT": "PBS_BATCH",
        "PBS_JOBID": _id(job),
        "PBS_JOBNAME": job.name,
        "PBS_NODEFILE": str(nodes),
        "PBS_O_WORKDIR": job.folder,
        "PBS_QUEUE": job.options.get("q", "workq"),
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        "CUDA_VISIBLE_DEVICES": ",".join(UUIDS[gpu] for gpu in job.devices),
        **job.options.get("v", {}),
    }


def bring_output(job: Job) -> None:
    """The spooled output is copied over the file."""
    assert job.output
    if job.cause == TIME_LIMIT and job.limit:
        with job.output.open("a") as stream:
            stream.write(
                f"=>> PBS: job killed: walltime {job.ran:.0f} exceeded limit {job.limit:.0f}\n"
            )
    place = Path(job.folder, job.options.get("o", f"{job.name}.o{job.number}"))
    copy_output(job, str(place))
    if str(place) != "/dev/null":
        place.chmod(0o666 & ~int(job.options.get("W", {}).get("umask", "077"), 8))
