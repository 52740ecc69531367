"""The keeper of a node: it starts MPS, answers, counts, and goes with the job script."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import Shell

NODE = os.uname().nodename
SMI = "gpu/nvidia-smi"
MPS = "gpu/nvidia-cuda-mps-control"
UNTIL_SAMPLED = "until [ -e sampled ]; do sleep 0.05; done"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A place for an MPS folder where the library looks for such."""
    path = Path(tempfile.mkdtemp(prefix="relion-mps.", dir="/tmp"))
    path.rmdir()
    yield path
    shutil.rmtree(path, ignore_errors=True)


# Watching


def test_samples_are_summed_up_for_each_gpu(shell: Shell) -> None:
    samples = "GPU-1, 1000, 50\nGPU-2, [N/A], [N/A]\nGPU-1, 3000, 71\nGPU-1, 2000, [N/A]\n"

    said = shell.says(f"printf '{samples}' | sum_up_samples")

    assert said.splitlines() == [
        f"gpu {NODE} GPU-1 3 {3000 * 2**20} 60",
        f"gpu {NODE} GPU-2 1 - -",
    ]


def test_gpus_are_sampled_until_nvidia_smi_is_ended(shell: Shell) -> None:
    shell.stand_in(SMI)
    code = f"sample_gpus GPU-aaaa-0 & {UNTIL_SAMPLED}; kill $!; wait $!"

    said = shell.says(f"({code}) | cat", SAMPLED="sampled")

    assert said.splitlines() == [
        f"gpu {NODE} GPU-aaaa-0 2 {3000 * 2**20} 60",
        f"gpu {NODE} GPU-bbbb-1 2 {2000 * 2**20} -",
    ]


def test_a_keeper_answers_then_waits_for_the_ending(shell: Shell) -> None:
    shell.stand_in(SMI)

    code = f"({UNTIL_SAMPLED}; echo well) | keep_gpus '' logs 2 yes | cat"
    said = shell.says(code, SMI_LOG=shell.log, SAMPLED="sampled")

    first, *rest = said.splitlines()
    assert first == f"2 24564 shared {NODE} "
    assert [line.split()[2] for line in rest] == ["GPU-aaaa-0", "GPU-bbbb-1"]
    assert "-l 5" in shell.log.read_text()


def test_a_keeper_that_need_not_watch_does_not(shell: Shell) -> None:
    shell.stand_in(SMI)

    said = shell.says("echo well | keep_gpus '' logs 2 ''", SMI_LOG=shell.log)

    assert said == f"2 24564 shared {NODE} "
    assert "-l 5" not in shell.log.read_text()


@pytest.mark.parametrize("ending", ["well", "failed"])
def test_a_keeper_starts_and_ends_mps(ending: str, shell: Shell, folder: Path) -> None:
    shell.stand_in(SMI, MPS)

    ends = f"until [ -s log ]; do sleep 0.05; done; echo {ending}"
    said = shell.says(f"({ends}) | keep_gpus '{folder}' logs 2 ''; end_keeping", MPS_LOG=shell.log)

    assert said == f"2 24564 shared {NODE} "
    assert shell.log.read_text().splitlines() == ["start GPU-aaaa-0,GPU-bbbb-1", "quit"]
    assert not folder.exists()
    assert (shell.job / f"logs_{NODE}").exists() == (ending == "failed")


def test_a_keeper_takes_the_daemon_that_the_scheduler_has_started(
    shell: Shell, folder: Path, tmp_path: Path
) -> None:
    """As LSF does for -gpu "mps=yes": a second one would find its GPUs taken. It stays LSF's."""
    shell.stand_in(MPS, SMI)
    pipe = tmp_path / "lsf_mps"
    pipe.mkdir()

    done = shell(
        f"""
        CUDA_MPS_PIPE_DIRECTORY='{pipe}' nvidia-cuda-mps-control -f &
        until [ -e '{pipe}/control' ]; do sleep 0.05; done
        (export CUDA_MPS_PIPE_DIRECTORY='{pipe}'; echo well | keep_gpus '{folder}' logs 2 '')
        [ -e '{pipe}/control' ] && echo it lives; [ -e '{folder}' ] || echo cleared
        rm '{pipe}/control'
        """,
        scheduler="lsf",
        MPS_LOG=shell.log,
        given=['mps_unseen() { cat "$1/clients" >clients; }'],
        MODE="Exclusive_Process",
    )

    assert done.stdout.splitlines()[-2:] == ["it lives", "cleared"]
    assert shell.log.read_text().count("start ") == 1  # LSF's own
    clients = (shell.project / "clients").read_text()
    assert f"CUDA_MPS_PIPE_DIRECTORY={pipe}\n" in clients
    assert f"APPTAINER_BIND={folder},{pipe}" in clients


def test_a_daemon_of_the_scheduler_that_does_not_answer_is_not_used(
    shell: Shell, folder: Path, tmp_path: Path
) -> None:
    shell.stand_in(MPS)
    (tmp_path / "pipe").mkdir()

    said = shell.says(f"mps_take '{folder}' '{tmp_path}/pipe'", MPS_LOG=shell.log)

    assert said == "the scheduler's MPS daemon does not answer"
    assert not folder.exists() and (tmp_path / "pipe").exists()


def test_a_keeper_says_why_there_is_no_mps(shell: Shell, folder: Path) -> None:
    shell.stand_in(SMI)

    said = shell.says(f"echo well | keep_gpus '{folder}' logs 2 ''")

    assert said == f"2 24564 shared {NODE} the program nvidia-cuda-mps-control is missing"


def test_a_keeper_is_started_and_ended_by_the_script(shell: Shell) -> None:
    shell.stand_in(SMI)
    code = f"""
        start_keeper
        hear_of_gpus
        {UNTIL_SAMPLED}
        dispatch_each=2 dispatch_predicted=800
        end_keeper
        printf '%s' "$dispatch_gpu_usage"
        kill -0 "$dispatch_keeper_pid" 2>/dev/null || echo gone
    """

    said = shell.says(code, given=["dispatch_watch_gpus=yes"], SAMPLED="sampled")

    assert said.splitlines() == [
        f"{NODE} GPU-aaaa-0 2 {3000 * 2**20} 60 2 800",
        f"{NODE} GPU-bbbb-1 2 {2000 * 2**20} - 2 800",
        "gone",
    ]


def test_there_is_a_keeper_on_each_node(shell: Shell) -> None:
    shell.stand_in(SMI, "srun")
    code = "start_keeper; hear_of_gpus; end_keeper; echo $dispatch_memory"

    done = shell(
        code,
        scheduler="slurm",
        given=["dispatch_watch_gpus=yes", "dispatch_nodes=2"],
        SRUN_LOG=shell.log,
    )

    assert done.stdout == "24564\n"
    (options,) = shell.log.read_text().splitlines()[:1]
    assert "--overlap" in options and "--nodes=2" in options and "--kill-on-bad-exit=0" in options


# MPS


@pytest.mark.parametrize(
    ("gpus", "variables", "says"),
    [
        ("GPU-1 1 Default [N/A]", {}, ""),
        ("GPU-1 1 Default Enabled", {}, "a GPU is divided (MIG)"),
        ("", {"CUDA_VISIBLE_DEVICES": "MIG-1"}, "a GPU is divided (MIG)"),
        ("GPU-1 1 Exclusive_Process [N/A]", {}, ""),
        (
            "GPU-1 1 Exclusive_Process [N/A]",
            {"HOLDER": "4711, python", "HELD_BY": "/"},
            "process 4711, python uses a GPU in exclusive mode",
        ),
    ],
)
def test_what_stands_in_the_way_of_mps(
    gpus: str, variables: dict[str, str], says: str, shell: Shell
) -> None:
    shell.stand_in(SMI)

    assert shell.says(f"mps_obstacle GPU-1 '{gpus}'", **{"HELD_BY": "/x"} | variables) == says


def test_a_daemon_is_started_asked_and_stopped(shell: Shell, folder: Path) -> None:
    shell.stand_in(MPS)
    code = f"""
        mps_start '{folder}' GPU-1,GPU-2 logs
        mps_ask '{folder}' get_server_list && echo it answers
        cat '{folder}/clients'
        mps_end '{folder}' logs well
    """

    said = shell.says(code, MPS_LOG=shell.log)

    assert said.splitlines() == [
        "it answers",
        f"CUDA_MPS_PIPE_DIRECTORY={folder}/pipe",
        f"APPTAINER_BIND={folder}",
        "CUDA_VISIBLE_DEVICES=GPU-1,GPU-2",
    ]
    assert shell.log.read_text().splitlines() == ["start GPU-1,GPU-2", "quit"]
    assert not folder.exists() and not (shell.project / "logs").exists()


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"MPS_FAILS": "no such device"}, "the MPS daemon ended: no such device"),
        ({"MPS_HANGS": "yes"}, "the MPS daemon did not answer within 5 s"),
    ],
)
def test_a_daemon_that_does_not_come_up_leaves_its_logs(
    variables: dict[str, str], says: str, shell: Shell, folder: Path
) -> None:
    shell.stand_in(MPS)

    assert shell.says(f"mps_start '{folder}' '' logs", MPS_LOG=shell.log, **variables) == says
    assert (shell.job / "logs" / "daemon.log").exists()
    assert not folder.exists()


def test_a_daemon_that_ended_before_the_job_is_said(shell: Shell, folder: Path) -> None:
    shell.stand_in(MPS)
    (folder / "log").mkdir(parents=True)
    (folder / "pipe").mkdir()

    done = shell(f"mps_end '{folder}' logs well", MPS_LOG=shell.log)

    assert " ended before the job: read " in done.stderr
    assert (shell.job / "logs").is_dir()


def test_a_daemon_that_does_not_quit_is_killed(shell: Shell, folder: Path) -> None:
    (shell.programs / "nvidia-cuda-mps-control").write_text("#!/bin/bash\nread -rt 30 <> <(:)\n")
    (shell.programs / "nvidia-cuda-mps-control").chmod(0o755)
    folder.mkdir()
    code = f"""
        CUDA_MPS_PIPE_DIRECTORY='{folder}/pipe' nvidia-cuda-mps-control &
        until [ -n "$(mps_processes '{folder}')" ]; do sleep 0.05; done
        [ "$(mps_processes '{folder}')" = $! ] && echo known
        mps_ask() {{ :; }}
        mps_stop '{folder}'
        wait $!; echo $?
    """

    assert shell.says(code).splitlines() == ["known", "137"]
    assert not folder.exists()


def test_an_owner_is_known_by_number_start_and_namespace(shell: Shell) -> None:
    pid, began, namespace = shell.says("mps_owner $$").split()

    assert pid.isdigit() and began.isdigit()
    assert namespace == str(Path("/proc/self/ns/pid").readlink())
    assert shell.says("sleep 0 & wait; mps_owner $!") == ""


@pytest.mark.parametrize(
    ("owners", "gone"),
    [
        (["PID 1 NAMESPACE"], True),
        (["PID BEGAN NAMESPACE"], False),
        (["PID 1 NAMESPACE", "PID BEGAN NAMESPACE"], False),
        (["PID 1 another"], False),
        ([], False),  # a job that is just starting has no owners yet
    ],
)
def test_what_dead_jobs_have_left_goes(
    owners: list[str], gone: bool, shell: Shell, folder: Path
) -> None:
    values = {
        "PID": str(os.getpid()),
        "BEGAN": Path("/proc/self/stat").read_text().rpartition(") ")[2].split()[19],
        "NAMESPACE": str(Path("/proc/self/ns/pid").readlink()),
    }
    lines = [" ".join(values.get(word, word) for word in owner.split()) for owner in owners]
    folder.mkdir()
    (folder / "owners").write_text("".join(f"{line}\n" for line in lines))

    shell("mps_clean")

    assert folder.exists() != gone


def test_the_ranks_of_one_node_find_the_daemon(shell: Shell, folder: Path) -> None:
    folder.mkdir()
    (folder / "clients").write_text("CUDA_MPS_PIPE_DIRECTORY=/x y\nAPPTAINER_BIND=/x\n")
    code = f"dispatch_mps_folder='{folder}'; dispatch_sharing=SHARING; join_mps; env | grep =/x"

    said = shell.says(code.replace("SHARING", "mps"))

    assert sorted(said.splitlines()) == [
        "APPTAINERENV_CUDA_MPS_PIPE_DIRECTORY=/x y",
        "APPTAINER_BIND=/x",
        "CUDA_MPS_PIPE_DIRECTORY=/x y",
    ]
    assert shell.says(code.replace("SHARING", "shared")) == ""


@pytest.mark.parametrize("daemon", [True, False])
def test_each_rank_of_several_nodes_finds_its_nodes_daemon(
    daemon: bool, shell: Shell, folder: Path
) -> None:
    if daemon:
        folder.mkdir()
        (folder / "clients").write_text("CUDA_MPS_PIPE_DIRECTORY=/x y\n")
    code = f"dispatch_mps_folder='{folder}'; join_mps; \"${{dispatch_task[@]}}\" env | grep CUDA"

    said = shell.says(code, given=["dispatch_nodes=2"])

    assert said == ("CUDA_MPS_PIPE_DIRECTORY=/x y" if daemon else "")


# The look from inside the container


NOT_OF = "the container does not have the /dev/shm of its node: take --contain, --containall and"


def sees(*facts: str) -> str:
    """A container that sees something else than the daemon's node."""
    words = " ".join(f"'{fact}'" for fact in facts)
    return f"sh -c \"printf 'dispatch_sees %s\\\\n' {words}\" container"


MEMORY = "/dev/shm $(stat -c %d /dev/shm)"
LOOK = "python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"{0}/pipe/control\")'"


@pytest.mark.parametrize(
    ("container", "says"),
    [
        ("env", ""),
        ("", ""),  # a job without one
        ("false", "the container did not start, or not within 20 s"),
        ("sh -c 'echo Welcome' container", "the container did not start"),
        ("sh -c 'printf Loading; shift; exec \"$@\"' container env", ""),
        ("sh -c 'echo dispatch_seen; env \"$@\"; echo Goodbye' container", ""),
        (sees("pipe ", "/dev/shm 1", "IPC x"), "the container does not see"),
        (sees("pipe yes", "/dev/shm 1", "IPC x"), NOT_OF),
        (sees("pipe yes", "/dev/shm ", "IPC x"), NOT_OF),
        (sees("pipe yes", MEMORY, "IPC x"), "the container has its own IPC"),
        (sees("pipe yes", MEMORY, "IPC "), "the container has no /proc"),
    ],
)
def test_a_daemon_that_the_container_cannot_use_is_ended(
    container: str, says: str, shell: Shell, folder: Path
) -> None:
    """tests/system/mps has real containers."""
    (folder / "pipe").mkdir(parents=True)
    (folder / "clients").write_text("CUDA_MPS_PIPE_DIRECTORY=/x\n")

    said = shell.says(
        f"{LOOK.format(folder)}; mps_unseen '{folder}'",
        given=[f"dispatch_container=({container})"] if container else [],
    )

    assert said.startswith(says)
    assert bool(said) == bool(says)
    assert folder.exists() == (not says)


def test_what_is_seen_is_the_pipe_and_the_memory_of_the_host(shell: Shell, folder: Path) -> None:
    (folder / "pipe").mkdir(parents=True)
    before = shell.says(f"mps_view '{folder}'").splitlines()

    after = shell.says(f"{LOOK.format(folder)}; mps_view '{folder}'").splitlines()

    memory = [
        f"dispatch_sees /dev/shm {Path('/dev/shm').stat().st_dev}",
        f"dispatch_sees IPC {Path('/proc/self/ns/ipc').readlink()}",
    ]
    assert before[-3:] == ["dispatch_sees pipe ", *memory]
    assert after[-3:] == ["dispatch_sees pipe yes", *memory]
