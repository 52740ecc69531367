"""Known ways to fail: as shipped, with the site's own, read by grep and Python alike."""

from __future__ import annotations

import re
import subprocess
from typing import Any

import pytest

from dispatcher.config.endings import Ending, load_endings
from dispatcher.errors import ConfigError
from dispatcher.site.check import problems

from ...fixture_types import WriteSite

# What programs write: RELION's texts from its source, the others' as they were seen.
TEXTS = {
    "stopped at the time limit": "time_limit",
    "slurmstepd: error: *** JOB 5 ON gpu1 CANCELLED AT 2026-01-01 "
    "DUE TO TIME LIMIT ***": "time_limit",
    "stopped by signal 15": "stopped",
    "ERROR: CudaCustomAllocator out of memory": "gpu_memory",
    "ERROR: out of memory in custom_allocator.cuh at line 436 (error-code 2)": "gpu_memory",
    "You ran out of memory on the GPU(s).": "gpu_memory",
    "When trying to plan one or more Fourier transforms, it was found": "gpu_memory",
    "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to": "gpu_memory",
    "There was an issue with the GPU-ids.": "gpu_ids",
    "slurmstepd: error: Detected 1 oom_kill event in StepId=5.batch.": "host_memory",
    "slurmstepd: error: Detected 1 oom-kill event(s) in step 5.batch": "host_memory",
    "oom-kill": "host_memory",
    "  what():  std::bad_alloc": "host_memory",
    "mpirun noticed that process rank 1 exited on signal 9 (Killed).": "killed",
    "exit status 137": "killed",
    " + Number of MPI processes             = 1": "mpi_mismatch",
    "scratch: head: error writing: No space left on device": "scratch_full",
    "head: error writing 'standard output': Disk quota exceeded": "disk_full",
    'FATAL:   "relion_x": executable file not found in $PATH': "missing_program",
    "exit status 127": "missing_program",
    "x: error while loading shared libraries: liby.so.1: cannot open": "missing_library",
    "bash: a: Permission denied": "permission",
    "the provided PTX was compiled with an unsupported toolchain.": "gpu_image",
    "RuntimeError: CUDA error: no kernel image is available for execution": "gpu_image",
    "CUDA driver version is insufficient for CUDA runtime version": "gpu_image",
    "hipErrorNoBinaryForGpu: Unable to find code object for all current devices!": "gpu_image",
    "Allocate: No space left": "host_memory",
    "posix_fallocate: No space left on device": "disk_full",
    "There was an issue allocating CPU memory (RAM). ": "host_memory",
    "mpirun noticed that process rank 1 exited on signal 7 (Bus error).": "bus_error",
    "exit status 135": "bus_error",
    "semop lock error": "semaphore",
    "srun: error: Invalid MPI type 'pmix', --mpi=list for acceptable types": "mpi_plugin",
    "srun: error: cannot find mpi plugin for mpi/pmix": "mpi_plugin",
    "Couldn't find the specified plugin name for mpi/pmix looking at all files": "mpi_plugin",
    "ERROR  : Requesting capability set 0x1ff while permitted capability set is 0x1fe": "root",
    "semget error": "semaphore",
    "[gpu1:00419] Signal: Segmentation fault (11)": "crash",
    "exit status 139": "crash",
    "ERROR  : Could not write info to setgroups: Permission denied": "user_namespaces",
    "FATAL: Failed to create user namespace: no space left": "user_namespaces",
    "FATAL: while creating user namespace: no space left on device": "user_namespaces",
    "ERROR  : Failed to unshare root file system: Operation not permitted": "user_namespaces",
    "ERROR  : Failed to set effective UID to 0": "user_namespaces",
    "bwrap: setting up uid map: Permission denied": "user_namespaces",
    "bwrap: setting up gid map: No such file or directory": "user_namespaces",
    "FATAL:   while extracting /x.sif: no squashfuse": "container",
    "RuntimeError: The NVIDIA driver on your system is too old (found version 11040).": "gpu_image",
    "CUDA error code 2: out of memory (may be due to lack of GPU memory)": "gpu_memory",
    "RuntimeError: CUDA error: out of memory": "gpu_memory",
    "torch.OutOfMemoryError: HIP out of memory. Tried to allocate 2 GiB": "gpu_memory",
    "python: out of memory": "host_memory",
    "srun: error: gpu1: task 0: Out Of Memory": "host_memory",
    "relion_refine: /lib/libc.so.6: version `GLIBC_2.34' not found (required by x)": (
        "missing_library"
    ),
    "ImportError: /lib/libstdc++.so.6: version 'GLIBCXX_3.4.30' not found": "missing_library",
    'FATAL:   "mpirun": executable file not found in $PATH': "missing_launcher",
    "./x: line 3: mpirun: command not found": "missing_launcher",
    "curl: (6) Could not resolve host: zenodo.org": "download",
    "OSError: We couldn't connect to 'https://huggingface.co' to load this file": "download",
    "RuntimeError: failed to download the weights of model b": "download",
    "MPI_ABORT was invoked on rank 1 in communicator MPI_COMM_WORLD": "abort_mpi",
    " + Number of MPI processes             = 12": None,
    "exit status 1": None,
    " RELION version: 5.1.0": None,
}


@pytest.mark.parametrize("text", TEXTS)
def test_texts_are_known_to_python_and_to_grep(text: str) -> None:
    endings = load_endings()
    surrounded = f"before\n{text}\nafter"

    by_python = next((name for name, each in endings.items() if search(each, surrounded)), None)
    by_grep = next((name for name, each in endings.items() if grep(each, surrounded)), None)

    assert by_grep == by_python == TEXTS[text]


def search(ending: Ending, text: str) -> bool:
    """Whether Python finds its pattern."""
    return re.search(ending.pattern, text, re.IGNORECASE | re.MULTILINE) is not None


def grep(ending: Ending, text: str) -> bool:
    """As the job script does it."""
    done = subprocess.run(
        ["grep", "-Eiq", "-e", ending.pattern], input=text, text=True, stderr=subprocess.PIPE
    )
    assert done.stderr == ""
    return done.returncode == 0


def test_a_sites_new_entries_go_first_and_known_ones_are_changed(site: WriteSite) -> None:
    shipped = list(load_endings())
    new = {"pattern": "x", "cause": "y", "advice": "z"}
    site("endings.json", {"disk_full": {"advice": "call 123"}, "own": new})

    endings = load_endings()

    assert list(endings) == ["own", *shipped]
    assert endings["disk_full"].advice == "call 123"
    assert "No space left" in endings["disk_full"].pattern


GOOD = {"pattern": "a", "cause": "b", "advice": "c"}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({**GOOD, "pattern": "("}, 'ending "own", key "pattern": missing )'),
        ({**GOOD, "pattern": r"\d+ x"}, r'"\d" is not part of an extended regular expression'),
        ({**GOOD, "pattern": "(?i)x"}, "is not part"),
        ({**GOOD, "pattern": "a.*?b"}, "is not part"),
        ({**GOOD, "pattern": "[[:space:]]x"}, "is not part"),
        ({**GOOD, "pattern": "a*"}, "matches an empty line, so it would match always"),
        ({**GOOD, "cause": "two\nlines"}, 'key "cause": expected one line'),
        ({**GOOD, "advice": " "}, 'key "advice": expected one line'),
        ({**GOOD, "advise": "x"}, 'key "advise": unknown key; did you mean "advice"'),
        ({"pattern": "a", "cause": "b"}, 'ending "own", key "advice" is missing'),
        ({**GOOD, "cause": 5}, 'ending "own", key "cause": expected a valid string'),
        ("x", 'ending "own": expected'),
    ],
)
def test_what_is_wrong_is_said(entry: Any, message: str, site: WriteSite) -> None:
    path = site("endings.json", {"own": entry})

    with pytest.raises(ConfigError) as error:
        load_endings()
    assert str(error.value).startswith(str(path))
    assert message in str(error.value)
    assert str(error.value).splitlines()[0] in problems()
