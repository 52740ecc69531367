"""The words of a command that were taken out and put in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dispatcher.config.configuration import load_configuration
from dispatcher.explanation.changed_words import changed_words
from dispatcher.planning.make_plan import plan_script
from dispatcher.relion.command import parse_command

from ...corpus import CORPUS
from ...fixture_types import CorpusJob, WriteSite

_SIGNS = {"same": "", "removed": "-", "added": "+"}


def marked(before: str, after: str) -> str:
    return " ".join(f"{_SIGNS[each.change]}[{each.text}]" for each in changed_words(before, after))


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("`which relion_a` --o b", "relion_a --o b", "[relion_a] [--o b]"),
        ("relion_a_mpi --j 4", "relion_a --j 4", "-[relion_a_mpi] +[relion_a] [--j 4]"),
        ("x --j 4 --o a", "x --o a --j 4", "[x] [--j 4] [--o a]"),
        ("x --j 4 --o a", "x --o a --j 6", "[x] -[--j 4] +[--j 6] [--o a]"),
        ('x --gpu ""', "x --gpu 0:1", "[x] -[--gpu ''] +[--gpu 0:1]"),
        ("x --gpu 0", "x", "[x] -[--gpu 0]"),
        ("x --grad", "x --grad --j 2", "[x] [--grad] +[--j 2]"),
        ("x --b 1 --b 2", "x --b 2 --b 1", "[x] -[--b 1] +[--b 2] -[--b 2] +[--b 1]"),
        ("x a b", "x a c", "[x] [a] -[b] +[c]"),
        ("x --i -1.5 --flag", "x --i -2 --flag", "[x] -[--i -1.5] +[--i -2] [--flag]"),
        ("x --j=4", "x --j 4", "[x] -[--j=4] +[--j 4]"),
        ("echo a > b.txt", "echo a > b.txt", "[echo] [a] [>] [b.txt]"),
        ("x 'a b' \"$HOME\"", "x 'a b' \"$HOME\"", "[x] ['a b'] [\"$HOME\"]"),
    ],
)
def test_the_changes_stand_where_they_were_made(before: str, after: str, expected: str) -> None:
    assert marked(before, after).replace('"${HOME}"', '"$HOME"') == expected


@pytest.mark.usefixtures("images")
@pytest.mark.parametrize("job", sorted(f"{p.parent.name}/{p.name}" for p in CORPUS.glob("*/*")))
def test_both_commands_can_be_read_from_the_changes(
    job: str, site: WriteSite, corpus_job: CorpusJob, tmp_path: Path
) -> None:
    site("site.json", json.dumps({"scheduler": "slurm"}))
    plan = plan_script(corpus_job(job), load_configuration())
    for was, planned in zip(plan.original_commands, plan.commands, strict=True):
        after = planned.command.shell()
        words = changed_words(was, after)
        before = " ".join(each.text for each in words if each.change != "added")
        now = sorted(each.text for each in words if each.change != "removed")

        assert before == parse_command(was).shell()
        assert " ".join(sorted(" ".join(now).split())) == " ".join(sorted(after.split()))
