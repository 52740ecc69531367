"""Each check of the doctor finds its fault in the facts of a probe, and no fault in those of a node
that is in order.

The facts are written as the probe writes them. Those of GPUs were not seen on a card.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dispatcher.config.site import Partition
from dispatcher.doctor.asked import Asked
from dispatcher.doctor.check_table import CHECKS, Task, findings
from dispatcher.doctor.facts import Facts, read_facts
from dispatcher.doctor.finding import Finding

NODE = """\
host=n1
cores=32
memory=263000000
shm_free=131000000
tmp=/tmp
tmp_free=50000000
open_files=51200
locked_memory=unlimited
stack=unlimited
infiniband=yes
inherited=
met=yes
round_trip=0.31
offset=-0.40
uncertainty=0.15
lock_status=1
lock_said=
link=yes
link_seen=yes
claim=yes
second_claim=no
scratch=/scratch
scratch_there=yes
scratch_writable=yes
scratch_kind=xfs
scratch_free=900000000
apptainer=apptainer version 1.4.5
namespaces=62000
unshare=yes
fuse=yes
has=squashfuse_ll
has=fusermount3
image_readable=yes
image_said=
start_seconds=100.00 100.75
start_status=0
start_said=
second_seconds=101.00 101.25
relion=5.0.1
relion_said=RELION version: 5.0.1
cards_of_node=4
listed=0
cards_status=0
card=NVIDIA A100-SXM4-40GB, 40960, 550.90.07, Default, Disabled, Enabled
capability=8.0
driver_cuda=12.4
cards_inside=1
image_cuda=12.1
kernels_compiled=70 80
kernels_ptx=80
mps_of_others=
mps_said=
mps_unseen=
mps_left=
ranks=2
ranks_said= + Number of MPI processes = 2
done=yes
"""
QUEUE = """\
job_id=4711
waited=3
host=n1
token=yes
end=yes
end_said=JobState=COMPLETED, ExitCode=0:0
"""
IN_ORDER: dict[Task, str] = {
    "everything": NODE,
    "queue": QUEUE,
    "nodes": "ranks_on_nodes=2\nranks_on_nodes_said=\nhost=n1\n",
    "cancelled": "begun=yes\ncancelled_while=while it ran\ntold=FAILURE\ntold_after=4\n",
    "warned": "begun=yes\nsignal=TERM 61\n",
}
ASKED = Asked(
    "gpu",
    shape=Partition(cores=32, memory="250G", gpus=4, gpu_memory="40G"),
    gpus=1,
    mps=True,
    image="relion 5.0.1 (cuda)",
    gpu_image=True,
    nodes=2,
    scheduler="slurm",
)


def look(task: Task = "everything", asked: Asked = ASKED, **changed: str | None) -> list[Finding]:
    """What is said of a node in order, but for these facts of one job; None leaves one out."""
    answers: dict[Task, Facts] = {}
    for each, text in IN_ORDER.items():
        lines = text.splitlines()
        if each == task:
            lines = [line for line in lines if line.partition("=")[0] not in changed]
            lines += [f"{name}={value}" for name, value in changed.items() if value is not None]
        answers[each] = read_facts("".join(f"{line}\n" for line in lines))
    return list(findings(answers, asked))


def of(check: str, found: list[Finding]) -> Finding:
    (one,) = (each for each in found if each.check == check)
    return one


def test_a_node_in_order_passes_every_check_once() -> None:
    found = look()

    assert [each.check for each in found] == [check.name for check in CHECKS]
    assert {each.status for each in found} == {"ok"}, found


FAULTS: list[tuple[str, str, Task, dict[str, str | None], str]] = [
    ("start", "failure", "queue", {"refused": "Invalid qos."}, "Invalid qos."),
    ("start", "skipped", "queue", {"not_started": "Resources", "waited": "300"}, "Resources"),
    ("start", "failure", "queue", {"cut_off": "ended early", "printed": "Killed"}, "Killed"),
    ("token", "failure", "queue", {"token": "id"}, '"mark"'),
    ("token", "failure", "queue", {"token": "no"}, '"queue_command"'),
    ("token", "skipped", "queue", {"token": ""}, "did not answer"),
    ("clean job", "failure", "everything", {"inherited": "SLURM_RELION_DOCTOR"}, '"of_a_job"'),
    ("node", "warning", "everything", {"cores": "16"}, "says 32 cores"),
    ("node", "warning", "everything", {"memory": "130000000"}, "says 250G of memory"),
    ("limits", "warning", "everything", {"shm_free": "65536"}, "/dev/shm is 65536 KiB"),
    ("limits", "warning", "everything", {"shm_free": ""}, "no /dev/shm"),
    ("limits", "warning", "everything", {"tmp_free": "1000"}, "/tmp is 1000 KiB"),
    ("limits", "warning", "everything", {"open_files": "256"}, "ulimit -n"),
    ("limits", "warning", "everything", {"stack": "1024"}, "ulimit -s"),
    ("limits", "warning", "everything", {"locked_memory": "64"}, "InfiniBand"),
    ("clock", "warning", "everything", {"offset": "4.10"}, "4.1 s ahead of"),
    ("clock", "failure", "everything", {"offset": "-3600.00"}, "3600.0 s behind"),
    ("project", "failure", "everything", {"met": "no"}, "do not see"),
    ("project", "warning", "everything", {"round_trip": "31.00"}, "31.0 s there and back"),
    ("locks", "warning", "everything", {"lock_status": "0"}, "takes a lock"),
    ("locks", "warning", "everything", {"lock_status": "71", "lock_said": "ENOLCK"}, "ENOLCK"),
    ("locks", "warning", "everything", {"locks_here": "no"}, "on this machine"),
    ("links", "failure", "everything", {"claim": "no"}, "cannot make symbolic links"),
    ("links", "failure", "everything", {"second_claim": "yes"}, "two copies"),
    ("links", "warning", "everything", {"link": "no"}, "hard links"),
    ("links", "warning", "everything", {"link_seen": "no"}, "does not see"),
    (
        "scratch",
        "failure",
        "everything",
        {"scratch_there": "no", "scratch_writable": "no"},
        "does not exist",
    ),
    ("scratch", "failure", "everything", {"scratch_writable": "no"}, "cannot be written"),
    ("scratch", "warning", "everything", {"scratch_kind": "nfs4"}, "not local"),
    ("scratch", "warning", "everything", {"scratch_free": "1000000"}, "1.0 GiB free"),
    ("scratch", "failure", "everything", {"scratch_there": "unanswered"}, "does not answer"),
    ("scratch", "warning", "everything", {"scratch_free": ""}, "does not say how much"),
    ("scratch", "skipped", "everything", {"scratch_free": None}, "did not come so far"),
    ("scratch", "skipped", "everything", {"scratch": ""}, "--scratch"),
    ("container", "failure", "everything", {"apptainer": "command not found"}, "install"),
    (
        "container",
        "failure",
        "everything",
        {"start_status": "255", "start_said": "FATAL: no", "unshare": "no", "relion": None},
        "user namespaces",
    ),
    (
        "container",
        "failure",
        "everything",
        {"start_status": "255", "start_said": "FATAL: no", "fuse": "no"},
        "/dev/fuse",
    ),
    (
        "container",
        "failure",
        "everything",
        {"start_status": "255", "start_said": "FATAL", "image_readable": "no"},
        "read the image file",
    ),
    ("container", "warning", "everything", {"unpacked": "yes", "has": None}, "squashfuse"),
    ("container", "warning", "everything", {"unpacked": "yes", "fuse": "no"}, "/dev/fuse"),
    ("container", "warning", "everything", {"start_seconds": "10.00 55.00"}, "45.0 s"),
    ("container", "failure", "everything", {"relion": "", "relion_said": "lost"}, "lost"),
    ("image", "failure", "everything", {"image_readable": "no"}, "cannot be read"),
    ("image", "failure", "everything", {"image_said": "The image X differs."}, "X differs"),
    ("binds", "warning", "everything", {"missing_bind": "/weights"}, "lacks /weights"),
    ("GPUs", "failure", "everything", {"cards_status": "9", "card": None}, "no GPU"),
    ("GPUs", "failure", "everything", {"cards_inside": "0"}, "gpu_option"),
    ("GPUs", "warning", "everything", {"cards_of_node": "8"}, "8 GPUs, and the site says 4"),
    ("GPUs", "warning", "everything", {"card": "A, 24564, 550, Default, , "}, "more than there is"),
    ("GPUs", "warning", "everything", {"card": "A, 81559, 550, Default, , "}, "less than there is"),
    ("GPU mode", "failure", "everything", {"card": "A, 40960, 5, Prohibited, , "}, "closed"),
    ("GPU mode", "warning", "everything", {"card": "A, 40960, 5, Default, Enabled, "}, "MIG"),
    ("driver", "failure", "everything", {"driver_cuda": "11.8"}, "newer driver"),
    ("driver", "warning", "everything", {"image_cuda": "12.8"}, "PTX"),
    ("driver", "skipped", "everything", {"image_cuda": ""}, "in the image says"),
    ("kernels", "failure", "everything", {"capability": "7.5", "kernels_compiled": "80"}, "7.5"),
    ("kernels", "failure", "everything", {"capability": "9.0", "kernels_ptx": ""}, "9.0"),
    ("kernels", "skipped", "everything", {"kernels_compiled": "", "kernels_ptx": ""}, "No kernels"),
    ("MPS", "failure", "everything", {"mps_said": "the program is missing"}, "is missing"),
    ("MPS", "failure", "everything", {"mps_unseen": "its own IPC"}, "its own IPC"),
    ("MPS", "failure", "everything", {"mps_left": "99"}, "does not end"),
    ("MPS", "warning", "everything", {"mps_of_others": "eve"}, "eve"),
    ("two ranks", "failure", "everything", {"ranks": "1 1"}, "do not find each other"),
    ("two ranks", "failure", "everything", {"ranks": "", "ranks_said": "77"}, '"77"'),
    ("two nodes", "failure", "nodes", {"ranks_on_nodes": "1 1"}, "PMI"),
    ("accounting", "warning", "queue", {"end": "unknown", "end_said": "disabled"}, "disabled"),
    ("accounting", "skipped", "queue", {"end": "none"}, "end_command"),
    ("accounting", "ok", "queue", {"accounted": "unknown", "account": "disabled"}, "disabled"),
    ("accounting", "ok", "queue", {"end": "unknown", "accounted": "yes"}, "accounting says"),
    ("warning", "warning", "warned", {"signal": None}, "No signal"),
    ("warning", "warning", "warned", {"signal": "TERM 121"}, "killed soon after"),
    ("warning", "skipped", "warned", {"not_started": "Priority", "waited": "9"}, "Priority"),
    ("two nodes", "skipped", "nodes", {"refused": "Job limit."}, "Job limit."),
    ("watcher", "skipped", "cancelled", {"refused": "Job limit."}, "Job limit."),
    ("watcher", "failure", "cancelled", {"told": None, "waited_for_watcher": "120"}, "nothing"),
    ("watcher", "failure", "cancelled", {"watcher_problem": "denied"}, "denied"),
    ("watcher", "failure", "cancelled", {"not_cancelled": "denied"}, "cancel_command"),
    (
        "watcher",
        "skipped",
        "cancelled",
        {"told": None, "watcher_waits": "Priority", "waited_for_watcher": "120"},
        "Priority",
    ),
]


@pytest.mark.parametrize(("check", "status", "task", "changed", "said"), FAULTS)
def test_a_check_finds_its_fault(
    check: str, status: str, task: Task, changed: dict[str, str | None], said: str
) -> None:
    found = of(check, look(task, **changed))

    assert found.status == status, found
    assert said in found.sentence


def test_every_check_has_a_fault_that_it_finds() -> None:
    assert {check.name for check in CHECKS} == {fault[0] for fault in FAULTS}


def test_the_page_has_every_check_in_their_order() -> None:
    page = (Path(__file__).parents[3] / "docs" / "doctor.md").read_text()
    table = page.partition("## The checks")[2]

    rows = re.findall(r"^\| ([^|-]+?) \|", table, re.MULTILINE)
    assert rows == ["check", *(check.name for check in CHECKS)]


def test_a_sentence_ends_and_says_what_to_do_next() -> None:
    for check, _, task, changed, _ in FAULTS:
        sentence = of(check, look(task, **changed)).sentence
        assert sentence.endswith("."), sentence


def test_gpus_in_exclusive_mode_are_shared_through_mps_alone() -> None:
    exclusive = {"card": "A, 40960, 5, Exclusive_Process, , Enabled"}

    assert of("GPU mode", look(**exclusive)).status == "ok"
    assert of("GPU mode", look(asked=ASKED._replace(mps=False), **exclusive)).status == "warning"


def test_a_signal_at_the_limit_is_early_enough_if_the_job_lives_on() -> None:
    assert of("warning", look("warned", signal="USR2 121", lived_on="8")).status == "ok"


def test_scripts_that_stop_their_job_themselves_need_no_signal() -> None:
    found = of("warning", look("warned", ASKED._replace(own_warning=60), signal=None))

    assert (found.status, "60 s before" in found.sentence) == ("ok", True)


def test_what_a_container_that_starts_slowly_was_not_asked_is_no_fault() -> None:
    asked_inside = ("cards_inside", "image_cuda", "relion", "mps_unseen", "ranks", "ranks_said")
    unasked = dict.fromkeys((*asked_inside, "kernels_compiled", "kernels_ptx"))
    found = {each.check: each for each in look(unpacked="yes", no_more_starts="yes", **unasked)}

    assert {name: found[name].status for name in ("GPUs", "MPS", "driver", "two ranks")} == {
        "GPUs": "ok", "MPS": "ok", "driver": "skipped", "two ranks": "skipped",
    }  # fmt: skip
    assert found["container"].status == "warning"
    assert "kernels" not in found


def test_of_a_job_that_never_ran_one_line_tells() -> None:
    assert [each.check for each in look("queue", not_started="Resources", waited="9")] == ["start"]


def test_what_a_probe_that_was_killed_has_not_looked_at_is_skipped() -> None:
    short = NODE.partition("apptainer=")[0]
    found = {each.check: each for each in findings({"everything": read_facts(short)}, ASKED)}

    assert found["locks"].status == "ok"
    assert found["container"].status == found["two ranks"].status == "skipped"


def test_a_place_without_gpus_or_image_is_not_blamed_for_that() -> None:
    bare = ASKED._replace(gpus=0, image="", gpu_image=False, no_image="no image is there yet")
    found = {each.check: each for each in look(asked=bare)}

    assert {found[name].status for name in ("container", "image", "GPUs", "two ranks")} == {
        "skipped"
    }
    assert "no image is there yet" in found["container"].sentence
