"""The rendered job script: what it runs, how it ends, and that nothing else gets run."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from dispatcher.config.configuration import load_configuration
from dispatcher.errors import ConfigError, TemplateError
from dispatcher.job_script.variables import NO_TOKEN, job_script
from dispatcher.planning.make_plan import plan_script

from ..unit.conftest import CORPUS
from ..waiting import wait_for
from .running_job import RunningJob, exit_files

pytestmark = pytest.mark.usefixtures("images")

CorpusJob = Callable[[str], Path]
WriteSite = Callable[..., Path]
RunScript = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run_script(running_job: RunningJob) -> RunScript:
    """Render a submission's job script and run it in bash with a stand-in for Apptainer."""
    return running_job.run


def without_folders(argv: list[str]) -> list[str]:
    """The words less the folders that the job script names itself."""
    own = ("--pipeline_control", "--pipeline-control", "--scratch_dir")
    return [word for before, word in pairwise(["", *argv]) if before not in own and word not in own]


def recorded(tmp_path: Path) -> list[list[str]]:
    """The argument lists that reached the programs in the container, launchers left out."""
    calls = (tmp_path / "recorded").read_text().removesuffix("\n").split("\0\n")
    found = []
    for call in calls:
        words = call.removesuffix("\0").split("\0")
        start = next(at for at, word in enumerate(words) if word.startswith(("relion_", "/")))
        found.append(words[start:])
    return found


@pytest.mark.parametrize(
    "source", sorted(CORPUS.glob("*/*/run_submit.script")), ids=lambda path: path.parent.name
)
def test_the_program_gets_what_the_plan_says(
    source: Path, corpus_job: CorpusJob, run_script: RunScript, tmp_path: Path, site: WriteSite
) -> None:
    site("site.json", {"mps": False})
    script = corpus_job(f"{source.parent.parent.name}/{source.parent.name}")
    plan = plan_script(script, load_configuration())

    done = run_script(script)

    in_container = [command.command.argv for command in plan.commands if command.prefix]
    if in_container:
        assert done.returncode == 0, done.stderr
        assert list(map(without_folders, recorded(tmp_path))) == list(
            map(without_folders, in_container)
        )


def test_every_corpus_script_is_read_by_bash(corpus_job: CorpusJob, tmp_path: Path) -> None:
    configuration = load_configuration()
    for source in sorted(CORPUS.glob("*/*/run_submit.script")):
        name = f"{source.parent.parent.name}/{source.parent.name}"
        text = job_script(plan_script(corpus_job(name), configuration), NO_TOKEN)
        (tmp_path / f"{name.replace('/', '_')}.sh").write_text(text)
    assert len(list(tmp_path.glob("*.sh"))) > 60

    read = subprocess.run(
        'for script in *.sh; do bash -n "$script"; done',
        shell=True,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )

    assert read.stderr == ""


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


def test_success_is_told(corpus_job: CorpusJob, run_script: RunScript) -> None:
    script = corpus_job("relion-5.0.1/PostProcess_job016")

    assert run_script(script).returncode == 0
    assert exit_files(script) == {"SUCCESS"}


def test_a_failing_first_command_is_not_turned_into_success_by_a_later_touch(
    corpus_job: CorpusJob, run_script: RunScript, tmp_path: Path
) -> None:
    script = corpus_job("relion-5.0.1/InitialModel_job009")

    done = run_script(script, ON_RUN="exit 3")

    assert done.returncode == 3
    assert exit_files(script) == {"FAILURE"}
    assert len(recorded(tmp_path)) == 1


def test_relions_own_aborted_is_respected(corpus_job: CorpusJob, run_script: RunScript) -> None:
    script = corpus_job("relion-5.0.1/PostProcess_job016")

    run_script(script, ON_RUN="touch PostProcess/job016/RELION_JOB_EXIT_ABORTED; exit 1")

    assert exit_files(script) == {"ABORTED"}


def test_a_job_aborted_while_it_waited_never_starts(
    corpus_job: CorpusJob, run_script: RunScript, tmp_path: Path
) -> None:
    script = corpus_job("relion-5.0.1/PostProcess_job016")
    (script.parent / "RELION_JOB_ABORT_NOW").touch()

    run_script(script)

    assert exit_files(script) == {"ABORTED"}
    assert not (tmp_path / "recorded").exists()


def test_an_exit_in_a_sites_own_block_is_a_failure(
    corpus_job: CorpusJob, site: WriteSite, run_script: RunScript, tmp_path: Path
) -> None:
    site(
        "job_template/postprocess.sh.j2",
        '{% extends "sp.sh.j2" %}{% block prologue %}exit 3\n{% endblock %}',
    )
    script = corpus_job("relion-5.0.1/PostProcess_job016")

    assert run_script(script).returncode == 3
    assert exit_files(script) == {"FAILURE"}
    assert not (tmp_path / "recorded").exists()


def test_failure_beside_success_is_failure(
    corpus_job: CorpusJob, run_script: RunScript, tmp_path: Path
) -> None:
    script = corpus_job("relion-5.0.1/InitialModel_job009")

    done = run_script(
        script,
        ON_RUN="cd InitialModel/job009; touch RELION_JOB_EXIT_SUCCESS RELION_JOB_EXIT_FAILURE",
    )

    assert done.returncode == 1
    assert exit_files(script) == {"FAILURE"}
    assert len(recorded(tmp_path)) == 1


@pytest.mark.parametrize("terms", [1, 2])
def test_a_stopped_job_tells_relion_before_a_kill_could_follow(
    terms: int, corpus_job: CorpusJob, project: Path, running_job: RunningJob
) -> None:
    """The program ignores TERM; exit files are there at once, not when it ends."""
    script = corpus_job("relion-5.0.1/PostProcess_job016")
    job = running_job.start(
        running_job.render(script), ON_RUN="trap '' TERM; touch running; sleep 30"
    )
    wait_for((project / "running").exists)

    for _ in range(terms):
        job.send_signal(15)

    wait_for(lambda: exit_files(script) == {"FAILURE"})
    assert job.poll() is None, "it has not waited for the program"
    os.killpg(job.pid, 9)
    job.wait()
    assert exit_files(script) == {"FAILURE"}


def test_a_job_stopped_before_its_first_command_cleans_up(
    corpus_job: CorpusJob, site: WriteSite, project: Path, running_job: RunningJob
) -> None:
    site(
        "job_template/refine.sh.j2",
        '{% extends "gpu.sh.j2" %}{% block prologue %}'
        "touch running; for _ in {1..100}; do sleep 0.1; done\n{% endblock %}"
        "{% block epilogue %}\n    touch cleaned\n{% endblock %}",
    )
    site("site.json", {"scheduler": "slurm"})
    script = corpus_job("relion-5.0.1/Refine3D_job011")
    job = running_job.start(running_job.render(script))
    wait_for((project / "running").exists)

    job.send_signal(15)

    assert job.wait(30) == 143
    assert exit_files(script) == {"FAILURE"}
    assert (project / "cleaned").exists()


def test_a_redirected_echo_writes_its_file(
    corpus_job: CorpusJob, run_script: RunScript, project: Path
) -> None:
    script = corpus_job("relion-3.1.4/AutoPick_job009")

    assert run_script(script).returncode == 0
    written = project / "AutoPick/job009/coords_suffix_autopick.star"
    assert written.read_text() == "CtfFind/job003/micrographs_ctf.star\n"


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


def test_a_sites_own_template_wins_and_may_extend_the_shipped_one(
    corpus_job: CorpusJob, site: WriteSite
) -> None:
    site(
        "job_template/refine.sh.j2",
        '{% extends "gpu.sh.j2" %}{% block prologue %}{{ super() }}\necho "site\'s own"\n'
        "{% endblock %}",
    )
    site(
        "dispatch_config.json",
        {
            "gpu": {"match_command": "None", "job_parameters": {"ngpu": 1, "nproc": 3}},
            "refine": {"inherits": "gpu", "match_command": "relion_refine", "image": "relion"},
        },
    )

    text = job_script(
        plan_script(corpus_job("relion-5.0.1/Refine3D_job011"), load_configuration()), NO_TOKEN
    )

    assert 'echo "site\'s own"' in text
    assert "\nlook_after_gpus\n" in text
