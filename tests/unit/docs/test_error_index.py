"""The error index has every sentence, as people read it, and is up to date."""

from __future__ import annotations

import re
from pathlib import Path

from docs.making.error_index import PAGE, error_index
from docs.making.python_texts import Text, python_texts
from docs.making.shell_texts import shell_texts

PYTHON = '''
"""A docstring is no sentence that users meet."""

_NEXT = "submit the job again"

def run(path, error, many, variant):
    """Nor is this one, even if it reads like one."""
    size: Annotated[int, typer.Option(help="Help is left out of the index.")] = 1
    if many:
        raise InputError(
            f"The file {path} cannot be read ({error}): "
            f"{_NEXT}."
        )
    why = f"The image{f' ({variant})' if variant else ''} {'is' if many else 'was'} taken."
    return ["--no-header", "short text"]
'''

SHELL = """
# A comment "is no sentence that users meet".
fail "The image $path is not on ${host:-here}:" \\
    "have your \\"admin\\" put it back$(date +%s)."
echo "relion-dispatch: the ranks share {{ job.ngpu }} GPUs${why:+, because of $why}." >&2
{% if job.nodes > 1 %}
dispatch_reason="The job could not begin."
{% endif %}
[[ $said == *"words of another program"* ]] || grep -E "^$name: |Number of ranks on $host" log
awk '{ print "this is not a sentence of ours" }' "$file"
"""


def test_sentences_of_python_are_shown_as_people_read_them(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(PYTHON)

    assert python_texts(module, frozenset({"InputError"})) == [
        Text("The file … cannot be read (…): submit the job again.", "InputError"),
        Text("The image« (…)» «is | was» taken.", ""),
    ]


def test_sentences_of_shell_are_shown_as_people_read_them(tmp_path: Path) -> None:
    template = tmp_path / "script.sh.j2"
    template.write_text(SHELL)

    assert shell_texts(template) == [
        'The image … is not on …: have your "admin" put it back….',
        "relion-dispatch: the ranks share … GPUs«, because of …».",
        "The job could not begin.",
    ]


def test_the_library_of_plain_shell_is_read_as_well(tmp_path: Path) -> None:
    library = tmp_path / "claim.sh"
    library.write_text('[ "${#nodes}" = 1 ] || fail "The job has no node: ask your admin."\n')

    assert shell_texts(library) == ["The job has no node: ask your admin."]


def test_each_sentence_stands_where_those_who_meet_it_look() -> None:
    groups = dict(re.findall(r"^## (.*)\n((?:(?!## ).*\n)*)", error_index(), re.MULTILINE))

    assert "run.out and run.err in its first lines" in groups["When a job is submitted"]
    assert "not valid JSON" in groups["When a file of the site is wrong"]
    assert "One process without MPI" in groups["Why a job is planned as it is"]
    assert "The job was … before it started." in groups["While a job runs"]
    assert "a GPU ran out of memory: use fewer ranks" in groups["Why a job failed"]
    assert "its node was lost" in groups["Why a job failed"]
    assert "Everything is in order." in groups["At the command line"]
    assert "another run of install.sh" in groups["When the dispatcher is installed or started"]


def test_the_index_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == error_index(), "run docs/update.sh"
