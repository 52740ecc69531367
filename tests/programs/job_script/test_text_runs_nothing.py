"""Text in parameters, paths and the configuration stays text in the job script."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from dispatcher.config.configuration import load_configuration
from dispatcher.errors import ConfigError, TemplateError
from dispatcher.job_script.variables import NO_TOKEN, job_script
from dispatcher.planning.make_plan import plan_script

from ...fixture_types import CorpusJob, WriteSite
from .recorded_words import recorded
from .running_job import RunScript

pytestmark = pytest.mark.usefixtures("images")


HOSTILE = [
    "$(touch canary)",
    "`touch canary`",
    "a; touch canary",
    "a && touch canary",
    "a | touch canary",
    "> canary",
    "'; touch canary; '",
    "${PATH:+$(touch canary)}",
    "*",
    "ünïcödé ☃",
    "{a,b}",
    "~",
    "a&touch canary&",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_text_in_a_parameter_runs_nothing(
    text: str, corpus_job: CorpusJob, run_script: RunScript, tmp_path: Path, project: Path
) -> None:
    script = corpus_job("relion-5.0.1/PostProcess_job016")
    quoted = '"' + text.replace('"', '\\"') + '"'
    script.write_text(script.read_text().replace("--auto_bfac", f"--auto_bfac --mtf {quoted}"))

    done = run_script(script)

    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.rglob("canary"))
    assert text in recorded(tmp_path)[0]


@pytest.mark.parametrize("text", [t for t in HOSTILE if "'" not in t])
def test_unquoted_text_in_a_parameter_runs_nothing(
    text: str, corpus_job: CorpusJob, run_script: RunScript, tmp_path: Path
) -> None:
    script = corpus_job("relion-5.0.1/PostProcess_job016")
    script.write_text(script.read_text().replace("--auto_bfac", f"--auto_bfac --mtf {text}"))

    done = run_script(script)

    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.rglob("canary"))
    assert " ".join(recorded(tmp_path)[0]).count(text) == 1


@pytest.mark.parametrize("text", [*HOSTILE, 'say "hi"', "it's"])
def test_a_project_path_runs_nothing(
    text: str, tmp_path: Path, corpus_job: CorpusJob, project: Path
) -> None:
    script = corpus_job("relion-5.0.1/PostProcess_job016").relative_to(project)
    moved = project.rename(tmp_path / text.replace("/", "_"))

    rendered = job_script(plan_script(moved / script, load_configuration()), NO_TOKEN)

    start = tmp_path / "start_of_script"
    start.write_text(rendered[: rendered.index("\ndispatch_job=")] + "\npwd -P\n")
    done = subprocess.run(["bash", start], cwd=moved)
    assert not list(tmp_path.rglob("canary"))
    log = (moved / "PostProcess/job016/run.out").read_text()
    assert log == f"{moved}\n"
    assert done.returncode == 0


def test_a_line_break_in_the_project_path_is_refused(
    tmp_path: Path, corpus_job: CorpusJob, project: Path
) -> None:
    script = corpus_job("relion-5.0.1/PostProcess_job016").relative_to(project)
    moved = project.rename(tmp_path / "a\ntouch canary\n")

    with pytest.raises(TemplateError, match="line break"):
        job_script(plan_script(moved / script, load_configuration()), NO_TOKEN)


@pytest.mark.parametrize(
    "value", ["x\ntouch canary", "$(touch canary)", "a'b", "`touch canary`", 'a"b']
)
def test_a_config_value_that_cannot_stand_in_a_directive_is_refused(
    value: str, site: WriteSite, corpus_job: CorpusJob
) -> None:
    site("site.json", {"scheduler": "slurm", "job_parameters": {"submit": {"partition": value}}})

    with pytest.raises(TemplateError, match=r"(line break|directive)"):
        job_script(
            plan_script(corpus_job("relion-5.0.1/PostProcess_job016"), load_configuration()),
            NO_TOKEN,
        )


def test_a_name_of_a_variable_that_is_none_is_refused(site: WriteSite) -> None:
    site("site.json", {"apptainer": {"environment": ["a[$(touch canary)]"]}})

    with pytest.raises(ConfigError, match="no name of a variable"):
        load_configuration()


def test_no_variable_of_the_job_script_stands_in_the_users_way(
    corpus_job: CorpusJob, run_script: RunScript, tmp_path: Path
) -> None:
    names = ["job", "child", "status", "name", "folder", "project"]
    script = corpus_job("relion-5.0.1/PostProcess_job016")
    text = " ".join(f"--x ${name}" for name in names)
    script.write_text(script.read_text().replace("--auto_bfac", text))

    run_script(script, **{name: f"own-{name}" for name in names})

    words = recorded(tmp_path)[0]
    assert [word for word in words if word.startswith("own-")] == [f"own-{n}" for n in names]


def test_variables_expand_on_the_node(
    corpus_job: CorpusJob, run_script: RunScript, tmp_path: Path
) -> None:
    script = corpus_job("relion-5.0.1/PostProcess_job016")
    text = "--a /scratch/$JOB_ID --b ${JOB_ID}x --c \"$JOB_ID\" --d '$JOB_ID'"
    script.write_text(script.read_text().replace("--auto_bfac", text))

    run_script(script, JOB_ID="12 3")

    words = recorded(tmp_path)[0]
    start = words.index("--a")
    assert words[start : start + 10] == [
        "--a",
        "/scratch/12",
        "3",
        "--b",
        "12",
        "3x",
        "--c",
        "12 3",
        "--d",
        "$JOB_ID",
    ]


def test_a_foreign_environment_does_not_reach_the_container(
    corpus_job: CorpusJob, site: WriteSite, run_script: RunScript, tmp_path: Path
) -> None:
    script = corpus_job("relion-5.0.1/PostProcess_job016")

    run_script(
        script,
        PYTHONPATH="/elsewhere",
        RELION_STACK_BUFFER="1",
        ON_RUN=f'export -p | grep -o -E "APPTAINERENV_[A-Z_]+" > {tmp_path}/environment',
    )

    assert set((tmp_path / "environment").read_text().split()) == {
        "APPTAINERENV_PYTHONNOUSERSITE",
        "APPTAINERENV_RELION_STACK_BUFFER",
    }
