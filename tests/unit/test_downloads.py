"""All that is fetched is known by a digest or by a signature; what is not stands in SECURITY.md.

Looks at every place that fetches: scripts, image definitions and recipes, workflows, Python, and
the commands that the documentation tells. A kind that nobody thought of is missing in FETCHERS.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECURITY = (ROOT / "SECURITY.md").read_text()
READ = {".sh", ".def", ".yml", ".yaml", ".py", ".md", ".json", ".toml", ""}
NOT_READ = (
    ".git/",
    ".venv/",
    "tests/data/",
    "tests/golden/",
    "tests/unit/test_downloads.py",
    "build/",
    "docs/errors.md",
)
DIGEST = r"@sha256:[0-9a-f]{64}"

ANY, SHELL, PYTHON = "", ".sh .def .yml .md", ".py"
# In which files; what fetches there; what makes it known.
FETCHERS = {
    "pip": (
        ANY,
        r"(\bpip3?|\$pip|\bpip [\"$].*) (install|download|wheel)\b",
        r"--require-hashes|--no-index",
    ),
    "another installer": (
        ANY,
        r"\b(pipx|uvx|uv|conda|mamba|npm|npx|gem|cargo|go) (pip )?(install|sync|create|run|get)\b",
        r"(?!)",
    ),
    "curl or wget": (
        SHELL,
        r"(?<![\w./:-])(curl|wget) -",
        r"(?s)-o (\S+).*\| *sha256sum (-c|--check)",
    ),
    "git": (SHELL, r"\bgit (clone|fetch|pull|submodule)\b", r"[0-9a-f]{40}"),
    "a registry": (ANY, r"\b(docker|oras|shub|library)://(?!\$)\S", DIGEST),
    "a base": (".def", r"(?i)^from: ", rf"(?m){DIGEST}|: \{{\{{ \w+ \}}\}}$"),
    "a default base": (".def", r"^(build_)?from=", DIGEST),
    "a base in a recipe": (".json", r'"(build_)?from": "', DIGEST),
    "a workflow's image": (".yml", r"^(container|image): \S", DIGEST),
    "a workflow's action": (".yml", r"\buses: ", r"@[0-9a-f]{40}\b"),
    "Python": (
        PYTHON,
        r"^(from|import) (urllib\.request|urllib3|http|requests|httpx|ftplib)\b",
        r"(?!)",
    ),
    "debootstrap": (".def", r"(?i)^bootstrap: (debootstrap|yum|zypper|arch)", r"(?!)"),
}
# apt checks signatures by itself, and curl an address's certificate, unless told otherwise.
UNCHECKED = re.compile(
    r"--allow-unauthenticated|trusted=yes|(InsecureRepositories|Unauthenticated)=(?!false)"
    r"|--no-check-gpg|--no-check-certificate|curl .*(-k\b|--insecure)|--allow-insecure|--no-https"
)
# Parts of commands that have neither, and what SECURITY.md calls them. debootstrap is held by its
# caller, see below.
NOT_PINNED = {
    (
        "containers/relion-source.def",
        "/opt/relion-python/bin/pip install",
    ): "Python tools of RELION",
    ("CONTRIBUTING.md", "pip install pre-commit"): "pre-commit",
    ("containers/debian-base.def", "Bootstrap: debootstrap"): "debootstrap",
}


@cache
def sources() -> list[Path]:
    return [
        path
        for path in sorted(ROOT.rglob("*"))
        if path.suffix in READ
        and not str(path.relative_to(ROOT)).startswith(NOT_READ)
        and path.is_file()
    ]


@cache
def commands(path: Path) -> list[str]:
    """The file's commands, one a line: continued lines are joined, comments and quotes left out."""
    try:
        text = path.read_text()
    except UnicodeDecodeError:
        return []
    text = re.sub(r"\\\n\s*", " ", text)
    lines = []
    for line in text.splitlines():
        line = re.sub(r'"[,\s]+"', " ", line.strip()) if path.suffix == ".py" else line.strip()
        if path.suffix == ".md" or (line and not line.startswith("# ")):
            lines.append(line)
    return lines


@cache
def found() -> list[tuple[str, str, bool]]:
    """File, command, and whether what it fetches is known."""
    return list(_look_everywhere())


def _look_everywhere() -> Iterator[tuple[str, str, bool]]:
    for path in sources():
        name, lines = str(path.relative_to(ROOT)), commands(path)
        for number, line in enumerate(lines):
            for suffixes, fetches, known in FETCHERS.values():
                if path.suffix in (suffixes.split() or READ) and re.search(fetches, line):
                    # A digest may be looked at by the next command.
                    following = "\n".join(lines[number : number + 2])
                    yield name, line, bool(re.search(known, following))


def unknown() -> set[tuple[str, str]]:
    return {(name, line) for name, line, known in found() if not known}


def exception(name: str, line: str) -> tuple[str, str] | None:
    return next((key for key in NOT_PINNED if key[0] == name and key[1] in line), None)


def test_everything_fetched_has_a_digest_or_is_listed() -> None:
    unlisted = [place for place in unknown() if not exception(*place)]

    assert not unlisted, "give a digest, or list it here and in SECURITY.md"


def test_what_is_listed_is_still_fetched_so_and_stands_in_security_md() -> None:
    section = SECURITY.partition("## What is downloaded")[2].partition("\n## ")[0]

    assert {exception(*place) for place in unknown()} - {None} == set(NOT_PINNED)
    for (name, _), title in NOT_PINNED.items():
        assert title in section, f"{name}: SECURITY.md does not list it"


def test_no_check_of_a_signature_is_switched_off() -> None:
    off = [(path, line) for path in sources() for line in commands(path) if UNCHECKED.search(line)]

    assert not off


def test_a_base_by_debootstrap_is_kept_only_with_a_valid_signature() -> None:
    callers = [
        path
        for path in sources()
        if path.suffix == ".sh" and any('debian-base.def" >' in line for line in commands(path))
    ]

    assert [path.name for path in callers] == ["debian_base.sh"]
    script = callers[0].read_text()
    assert script.index("Valid Release signature") < script.index('< "$work/base.sif"')


def test_one_name_on_docker_hub_has_one_digest() -> None:
    image = re.compile(rf"([\w./:-]+)({DIGEST})")
    named = {match for _, line, _ in found() for match in image.findall(line)}

    assert len(named) >= 6
    assert len({name for name, _ in named}) == len({digest for _, digest in named}) == len(named)


@pytest.mark.parametrize(
    "line",
    [
        "pip install numpy",
        '"$python" -m pip install -qq -r <(echo "$requirements")',
        '    "$folder/bin/python" -I -m pip install .',
        "curl -fsSL https://example.org/x | sh",
        "wget -q https://example.org/x",
        "git clone https://example.org/x",
        "apptainer pull docker://debian:12",
        "From: debian:12",
        "from=debian:12",
        "- uses: actions/checkout@v4",
        "container: debian:12",
        "npm install left-pad",
    ],
)
def test_a_new_place_without_a_digest_is_found(line: str) -> None:
    hits = [known for _, fetches, known in FETCHERS.values() if re.search(fetches, line.strip())]

    assert hits
    assert not any(re.search(known, line) for known in hits)
