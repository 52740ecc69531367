"""The rendered job script: what it runs, and how it ends."""

from __future__ import annotations

import os
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from dispatcher.config.configuration import load_configuration
from dispatcher.job_script.variables import NO_TOKEN, job_script
from dispatcher.planning.make_plan import plan_script

from ...corpus import CORPUS
from ...fixture_types import CorpusJob, WriteSite
from ...waiting import wait_for
from .recorded_words import recorded
from .running_job import RunningJob, RunScript, exit_files

pytestmark = pytest.mark.usefixtures("images")


def without_folders(argv: list[str]) -> list[str]:
    """The words less the folders that the job script names itself."""
    own = ("--pipeline_control", "--pipeline-control", "--scratch_dir")
    return [word for before, word in pairwise(["", *argv]) if before not in own and word not in own]


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


def test_functions_that_the_user_exports_are_not_taken_for_the_scripts_own(
    corpus_job: CorpusJob, project: Path, running_job: RunningJob
) -> None:
    """bash has them from the environment, as Slurm passes them on."""
    script = corpus_job("relion-3.1.4/AutoPick_job009")
    names = ("container", "epilogue", "commands", "reasons", "run", "known_endings", "finish")
    exported = {f"BASH_FUNC_{name}%%": "() { touch users; exit 3; }" for name in names}

    assert running_job.run(script, **exported).returncode == 0

    assert exit_files(script) == {"SUCCESS"}
    assert not (project / "users").exists()


def test_a_redirected_echo_writes_its_file(
    corpus_job: CorpusJob, run_script: RunScript, project: Path
) -> None:
    script = corpus_job("relion-3.1.4/AutoPick_job009")

    assert run_script(script).returncode == 0
    written = project / "AutoPick/job009/coords_suffix_autopick.star"
    assert written.read_text() == "CtfFind/job003/micrographs_ctf.star\n"


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
