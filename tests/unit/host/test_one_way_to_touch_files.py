"""What changes files stands in `host/`, where links and pipes of others are thought of.

An exception is a place where nobody else can put a file, or a call that follows no link.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

DISPATCHER = Path(__file__).parents[3] / "dispatcher"

METHODS = {
    "write_text", "write_bytes", "touch", "unlink", "rename", "mkdir", "rmdir", "chmod", "lchmod",
    "symlink_to", "hardlink_to",
}  # fmt: skip
FUNCTIONS = {
    "os": {
        "open", "mkfifo", "mknod", "mkdir", "makedirs", "rename", "replace", "link", "symlink",
        "unlink", "remove", "rmdir", "removedirs", "chmod", "chown", "utime", "truncate", "fchmod",
    },
    "shutil": {
        "copy", "copy2", "copyfile", "copytree", "copymode", "copystat", "move", "rmtree", "chown",
    },
    "tempfile": {"mkdtemp", "mkstemp", "TemporaryDirectory", "NamedTemporaryFile"},
}  # fmt: skip

NEW = "a new private folder, of a name that nobody knows beforehand"
PRIVATE = "within the session's private folder"
EXCEPTIONS = {
    "gpu/mps_daemon.py": {"tempfile.mkdtemp": NEW, "mkdir": NEW, "shutil.rmtree": NEW},
    "hook.py": {"os.open": "of /dev/null"},
    "images/building/files.py": {
        "tempfile.mkdtemp": NEW,
        "shutil.copytree": "into the build's private folder",
        "shutil.rmtree": "of the build's private folder",
        "os.fchmod": "of the file that was just made",
        "rmdir": "follows no link, and removes empty folders alone",
        "mkdir": "in the build's private folder",
        "open": "of a new file in the build's private folder",
    },
    "images/building/build.py": {
        "symlink_to": "in the build's private folder",
        "unlink": "of the lock that is held",
    },
    "images/building/stages.py": {
        "write_text": "in the build's private folder",
        "unlink": "in the build's private folder",
    },
    "images/sif.py": {"os.open": "reads, without waiting"},
    "jobs/claim.py": {"symlink_to": "makes a link if there is nothing of that name"},
    "refusal/__init__.py": {"*": "works if nothing else does; tests/programs/hook has its attacks"},
    "refusal/tell_end.py": {"*": "works if nothing else does; tests/programs/hook has its attacks"},
    "session/folder.py": {
        "tempfile.mkdtemp": NEW, "os.open": PRIVATE, "shutil.rmtree": PRIVATE,
        "shutil.copy": PRIVATE, "mkdir": PRIVATE, "os.mkfifo": PRIVATE, "write_text": PRIVATE,
        "chmod": PRIVATE,
    },
    "session/requests.py": {"unlink": PRIVATE},
    "session/wake.py": {"os.open": PRIVATE},
    "site/job_check.py": {"tempfile.TemporaryDirectory": NEW},
    "site/through_check.py": {"tempfile.TemporaryDirectory": NEW, "write_text": "within that one"},
    "site/trial.py": {"write_text": "into a new private folder"},
    "site/trial_check.py": {"tempfile.TemporaryDirectory": NEW},
}  # fmt: skip


def changes(source: str) -> Iterator[str]:
    """The calls of a module that may change a file, as in ``os.rename`` and ``touch``."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        called, arguments = node.func, [*node.args, *(word.value for word in node.keywords)]
        modes = [each.value for each in arguments if isinstance(each, ast.Constant)]
        writes = any(isinstance(mode, str) and set(mode) & set("wax+") for mode in modes)
        if isinstance(called, ast.Name) and called.id == "open" and writes:
            yield "open"
        if not isinstance(called, ast.Attribute):
            continue
        module = called.value.id if isinstance(called.value, ast.Name) else ""
        if called.attr in FUNCTIONS.get(module, ()):
            yield f"{module}.{called.attr}"
        elif module not in FUNCTIONS and called.attr in METHODS and not _is_of_a_folder(node):
            yield called.attr
        elif module not in (*FUNCTIONS, "tarfile") and called.attr == "open" and writes:
            yield "open"


def _is_of_a_folder(call: ast.Call) -> bool:
    """Whether a method is SharedFolder's, which takes names."""
    assert isinstance(call.func, ast.Attribute)
    named = {"touch": 1, "rename": 2}.get(call.func.attr, 99)
    return len(call.args) >= named and not isinstance(getattr(call.args[0], "value", None), int)


@pytest.mark.parametrize(
    "call",
    [
        "open(path, 'w')", "open(path, mode='ab')", "path.open('x')", "path.write_text('')",
        "(folder / name).touch()", "os.rename(a, b)", "path.rename(other)", "shutil.rmtree(folder)",
        "os.open(path, flags)", "path.chmod(0o755)", "tempfile.mkdtemp()",
    ],
)  # fmt: skip
def test_a_call_that_changes_files_is_seen(call: str) -> None:
    assert len(list(changes(call))) == 1


@pytest.mark.parametrize(
    "call", ["open(path, 'rb')", "path.read_bytes()", "text.replace('a', 'b')", "folder.touch(end)"]
)
def test_what_changes_no_file_by_itself_is_none(call: str) -> None:
    assert not list(changes(call))


def test_only_one_room_changes_files() -> None:
    found = {}
    for path in sorted(DISPATCHER.rglob("*.py")):
        module = path.relative_to(DISPATCHER).as_posix()
        if not module.startswith("host/"):
            known = EXCEPTIONS.get(module, {})
            own = {each for each in changes(path.read_text()) if each not in known}
            if own and "*" not in known:
                found[module] = own

    assert not found, "use host/shared_files.py, or say here why not"


def test_no_exception_is_left_over() -> None:
    left = {}
    for module, known in EXCEPTIONS.items():
        used = set(changes((DISPATCHER / module).read_text()))
        if over := set(known) - used - {"*"}:
            left[module] = over

    assert not left
