"""A scheduler's templates: what a site adds stands where it is read, and what it lacks is found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dispatcher.config.configuration import load_configuration
from dispatcher.job_script.library import read_library
from dispatcher.job_script.scheduler_templates import directives_first, unread_directives
from dispatcher.job_script.variables import NO_TOKEN, job_script
from dispatcher.jobs.watcher import watcher_script
from dispatcher.planning.make_plan import plan_script

pytestmark = pytest.mark.usefixtures("images")

WriteSite = Callable[..., Path]
CorpusJob = Callable[[str], Path]
JOB = "relion-5.0.1/PostProcess_job016"
OURS: dict[str, Any] = {
    "scheduler": "ours",
    "schedulers": {"ours": {"inherits": "slurm", "directives": "ours"}},
}
# A shipped scheduler with directives of the site's own, and another that inherits from it.
SHIPPED_WITH_OURS: dict[str, Any] = {
    "scheduler": "slurm",
    "schedulers": {"slurm": {"directives": "ours"}},
}
CHILD_OF_THAT: dict[str, Any] = {
    "scheduler": "big",
    "schedulers": {"slurm": {"directives": "ours"}, "big": {"inherits": "slurm"}},
}


def rendered(script: Path) -> str:
    return job_script(plan_script(script, load_configuration()), NO_TOKEN)


def rendered_watcher(script: Path) -> str:
    configuration = load_configuration()
    plan = plan_script(script, configuration)
    return watcher_script(plan, configuration.site.schedulers[plan.scheduler], NO_TOKEN)


def leading(script: str) -> list[str]:
    """The lines before the first command."""
    lines = script.splitlines()
    return lines[: next(at for at, line in enumerate(lines) if line and line[0] != "#")]


def write_block(site: WriteSite) -> None:
    site(
        "job_template/postprocess.sh.j2",
        '{% extends "sp.sh.j2" %}\n{% block further_directives %}\n'
        "#SBATCH --constraint={{ job.partition or 'any' }}\n{% endblock %}\n",
    )


def write_behind_what_is_shipped(site: WriteSite) -> None:
    site(
        "job_template/postprocess.sh.j2",
        '{% extends "sp.sh.j2" %}\n{% block directives %}\n{{ super() }}\n'
        "#SBATCH --constraint={{ job.partition or 'any' }}\n{% endblock %}\n",
    )


def write_file_for_all_jobs(site: WriteSite) -> None:
    site(
        "job_template/schedulers/slurm/further_directives.sh.j2",
        "#SBATCH --constraint={{ job.partition or 'any' }}",
    )


@pytest.mark.parametrize(
    "write", [write_block, write_behind_what_is_shipped, write_file_for_all_jobs]
)
def test_a_sites_own_directives_stand_with_the_shipped_ones(
    write: Callable[[WriteSite], None], site: WriteSite, corpus_job: CorpusJob
) -> None:
    site("site.json", {"scheduler": "slurm"})
    job = corpus_job(JOB)
    before = rendered(job)
    write(site)

    script = rendered(job)

    assert leading(script) == [*leading(before), "#SBATCH --constraint=any"]
    lines = [line for line in script.splitlines() if line and "--constraint" not in line]
    assert lines == [line for line in before.splitlines() if line]
    assert not list(unread_directives(script))


def test_a_sites_own_directives_of_the_watcher_stand_with_the_shipped_ones(
    site: WriteSite, corpus_job: CorpusJob
) -> None:
    site("site.json", {"scheduler": "slurm"})
    site("job_template/schedulers/slurm/further_watcher.sh.j2", "#SBATCH --nice=5\n")

    lines = leading(rendered_watcher(corpus_job(JOB)))

    assert {"#SBATCH --time=5", "#SBATCH --nice=5"} <= set(lines)


@pytest.mark.parametrize("content", [OURS, SHIPPED_WITH_OURS, CHILD_OF_THAT])
def test_what_a_schedulers_own_folder_lacks_is_its_parents(
    content: dict[str, Any], site: WriteSite, corpus_job: CorpusJob
) -> None:
    site("site.json", content)
    site("job_template/schedulers/ours/directives.sh.j2", "#SBATCH --ours\n")
    site("job_template/schedulers/ours/functions.sh", "time_limit_reached() { false; }\n")
    job = corpus_job(JOB)

    assert leading(rendered(job))[:2] == ["#!/bin/bash", "#SBATCH --ours"]
    assert "#SBATCH --time" not in rendered(job)
    assert "#SBATCH --time=5" in leading(rendered_watcher(job))
    folders = plan_script(job, load_configuration()).template_folders
    assert folders == ["ours", "slurm"]
    library = read_library(*folders).text
    assert "scancel" in library, "Slurm's"
    assert library.rindex("time_limit_reached() { false; }") > library.rindex("EndTime=")


def test_a_site_of_0_1_0_with_directives_of_its_own_has_them_and_the_shipped_functions(
    site: WriteSite, corpus_job: CorpusJob
) -> None:
    site("site.json", OURS)
    site("job_template/schedulers/ours.sh.j2", "#SBATCH --ours\n")

    plan = plan_script(corpus_job(JOB), load_configuration())

    assert plan.template_folders == ["ours", "slurm"]
    assert "#SBATCH --ours" in leading(job_script(plan, NO_TOKEN))


@pytest.mark.parametrize("word", ["#SBATCH", "#PBS", "#$", "#BSUB", "#flux:"])
def test_directives_of_any_scheduler_come_before_the_first_command(word: str) -> None:
    text = f"{word} -a\nrun\n\n{word} -b\n# - c\n## {word} -d\n"

    assert directives_first(text) == f"{word} -a\n{word} -b\nrun\n\n# - c\n## {word} -d\n"


def test_directives_behind_the_first_command_of_a_script_are_seen() -> None:
    script = "#!/bin/bash\n#PBS -a\nrun\n##PBS -b\n#SBATCH -c\n#PBS -d\n"

    assert list(unread_directives(script)) == [(6, "#PBS -d")]


def test_an_indented_comment_is_no_command() -> None:
    """sbatch reads the directives behind it."""
    script = "#!/bin/bash\n#SBATCH -a\n  # resources\n#SBATCH -b\nrun\n#SBATCH -c\n"

    assert list(unread_directives(script)) == [(6, "#SBATCH -c")]
