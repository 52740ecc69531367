"""What a template prints of a value, and of a list of command lines."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from markupsafe import Markup

from dispatcher.errors import TemplateError
from dispatcher.job_script.templates import environment, render


def printed(template: str, folder: Path, **job: Any) -> str:
    (folder / "test.sh.j2").write_text(template)
    return render(environment([folder]), "test.sh.j2", job)


@pytest.mark.parametrize(
    "expression",
    [
        'job.none | join("\\n")',
        "job.none | join",
        'job.none | map("upper") | join(" ")',
        'job.none | select("equalto", "x") | unique | join(" && ")',
        'job.none | join("\\n", attribute="name")',
        'job.none | join("\\n") | indent(4)',
        'job.none | join("\\n") | trim',
        "job.none | words",
        "job.none | lines",
        '"" | join(",")',
    ],
)
def test_a_list_without_entries_prints_nothing(expression: str, tmp_path: Path) -> None:
    assert printed(f"{{{{ {expression} }}}}", tmp_path, none=[]).strip() == ""


def test_a_script_ends_with_the_status_of_its_command_if_nothing_comes_after_it(
    tmp_path: Path,
) -> None:
    template = (
        '{{ job.pre | join("\\n") }}\nsh -c "exit 3"\n{{ job.post | join("\\n") }}\nexit $?\n'
    )

    script = printed(template, tmp_path, pre=[], post=[])

    ran = subprocess.run(["sh", "-c", script], capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (3, "")


@pytest.mark.parametrize(
    "expression",
    [
        'job.none | join("\\n") if job.none else ""',
        'job.none | first | default("")',
        'job.none | first | default("") | trim',
        '"%s" | format(job.none | join)',
        '(job.none | join(" ")) ~ ""',
        '"" if job.none else job.none | join',
        "job.empty",
    ],
)
def test_an_empty_text_on_a_line_by_itself_runs_nothing(expression: str, tmp_path: Path) -> None:
    line = f"{{{{ {expression} }}}}"
    template = f"if true; then\n  {line}\n  sh -c 'exit 3'\nfi\n{line}\nexit $?\n{line}"

    script = printed(template, tmp_path, none=[], empty="")

    ran = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (3, "")


@pytest.mark.parametrize(
    "body",
    ["if true; then\n%s\nfi", "if false; then :; else\n%s\nfi", "f() {\n%s\n}; f", "(\n%s\n)"],
)
def test_an_empty_text_may_be_all_of_a_body_and_leaves_the_status(
    body: str, tmp_path: Path
) -> None:
    template = body % "{{ job.empty }}" + "\nsh -c 'exit 3'\n{{ job.empty }}\nexit $?"

    script = printed(template, tmp_path, empty="")

    ran = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (3, "")


@pytest.mark.parametrize(
    ("template", "prints"),
    [
        ("A=(\n  {{ job.empty }}\n  b\n)\nprintf '<%s>' \"${A[@]}\"", "<><b>"),
        ("printf '<%s>' \\\n  {{ job.empty }} \\\n{{ job.empty }}", "<><>"),
        ("cat <<END\n{{ job.empty }}\nEND\n", "''\n"),
        ('printf "\n{{ job.empty }}\n"', "\n''\n"),
        ("A={{ job.none | first | default('') }} B={{ job.empty }}; printf \"<$A$B>\"", "<>"),
        ("true ||\n{{ job.empty }}\nprintf x", "x"),
    ],
)
def test_an_empty_text_elsewhere_is_a_word(template: str, prints: str, tmp_path: Path) -> None:
    script = printed(template, tmp_path, none=[], empty="")

    assert subprocess.run(["bash", "-c", script], capture_output=True, text=True).stdout == prints


def test_an_empty_value_is_still_a_word(tmp_path: Path) -> None:
    assert printed("{{ job.empty }} {{ [job.empty] | join }}", tmp_path, empty="") == "'' ''"


@pytest.mark.parametrize(("between", "prints"), [(" && ", "a b && c"), (" > ", "a b > c")])
def test_what_stands_between_command_lines_is_the_templates_own_text(
    between: str, prints: str, tmp_path: Path
) -> None:
    lines = [Markup("a b"), Markup("c")]

    assert printed(f'{{{{ job.lines | join("{between}") }}}}', tmp_path, lines=lines) == prints


def test_a_name_among_command_lines_is_quoted(tmp_path: Path) -> None:
    text = printed(
        '{{ [job.line, job.name] | join(" ") }}', tmp_path, line=Markup("a b"), name="$x"
    )

    assert text == "a b '$x'"


def test_joined_names_are_one_quoted_word(tmp_path: Path) -> None:
    assert printed('{{ job.names | join(",") }}', tmp_path, names=["a", "b c"]) == "'a,b c'"


def test_an_attribute_is_joined_as_in_jinja(tmp_path: Path) -> None:
    jobs = [{"name": "a"}, {"name": "b"}]

    assert printed('{{ job.jobs | join(",", attribute="name") }}', tmp_path, jobs=jobs) == "a,b"


def test_a_line_break_in_a_joined_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match="line break"):
        printed('{{ job.names | join(",") }}', tmp_path, names=["a\nb"])
