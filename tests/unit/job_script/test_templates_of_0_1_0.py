"""A site's own templates of 0.1.0: what they include and print is there, or is explained."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dispatcher.config.configuration import load_configuration
from dispatcher.errors import TemplateError
from dispatcher.job_script.variables import NO_TOKEN, job_script
from dispatcher.jobs.watcher import watcher_script
from dispatcher.planning.make_plan import plan_script

pytestmark = pytest.mark.usefixtures("images")

WriteSite = Callable[..., Path]
CorpusJob = Callable[[str], Path]
OWN: dict[str, Any] = {"scheduler": "own", "schedulers": {"own": {"submit_command": ["own"]}}}
JOB = "relion-5.0.1/PostProcess_job016"


def rendered(script: Path) -> str:
    return job_script(plan_script(script, load_configuration()), NO_TOKEN)


def test_the_directives_of_a_shipped_scheduler_may_be_included(
    site: WriteSite, corpus_job: CorpusJob
) -> None:
    site("site.json", OWN)
    site(
        "job_template/schedulers/own.sh.j2",
        '{% include "schedulers/slurm.sh.j2" %}\n#SBATCH --comment=own\n'
        '{% include "schedulers/slurm_functions.sh.j2" %}\n',
    )

    script = rendered(corpus_job(JOB))

    assert "#SBATCH --job-name=PostProcess/job016\n" in script
    assert "#SBATCH --comment=own\n" in script


@pytest.mark.parametrize(
    ("name", "says"), [("slurm", "#SBATCH --time=5"), ("local", 'kill -0 "$1"')]
)
def test_the_directives_of_a_shipped_watcher_may_be_included(
    name: str, says: str, site: WriteSite, corpus_job: CorpusJob
) -> None:
    own = {"submit_command": ["own"], "watcher": {"submit_command": ["own"]}}
    site("site.json", {"scheduler": "own", "schedulers": {"own": own}})
    include = f'{{% include "schedulers/{name}_watcher.sh.j2" %}}\n'
    site("job_template/schedulers/own_watcher.sh.j2", include)
    configuration = load_configuration()
    plan = plan_script(corpus_job(JOB), configuration)

    assert says in watcher_script(plan, configuration.site.schedulers["own"], NO_TOKEN)


@pytest.mark.parametrize(
    ("job", "line"),
    [
        ("relion-5.0.1/External_job023", "/opt/bin/mytool.py --o External/job023/ "),
        ("relion-5.0.1/PostProcess_job016", "relion_postprocess --mask "),
    ],
)
def test_a_program_is_printed_with_the_folder_that_was_given(
    job: str, line: str, site: WriteSite, corpus_job: CorpusJob
) -> None:
    site("site.json", {"scheduler": "slurm"})
    for name in ("external", "postprocess"):
        text = "#!/bin/bash\n{{ job.command }} {{ job.arguments }}\n"
        site(f"job_template/{name}.sh.j2", text)

    assert f"\n{line}" in rendered(corpus_job(job))


@pytest.mark.parametrize(
    ("part", "function"),
    [("mps", "look_after_gpus"), ("run", "run_commands"), ("claim", "begin_job")],
)
def test_a_part_that_is_gone_is_named_with_what_to_write_instead(
    part: str, function: str, site: WriteSite, corpus_job: CorpusJob
) -> None:
    site(
        "job_template/postprocess.sh.j2",
        '{% extends "sp.sh.j2" %}\n{% block prologue %}\n'
        f'{{% include "parts/{part}.sh.j2" %}}\n{{% endblock %}}\n',
    )

    with pytest.raises(TemplateError) as raised:
        rendered(corpus_job(JOB))

    assert f"Write {function} in place of the include" in str(raised.value)
    assert "postprocess.sh.j2, line 3" in str(raised.value)


def test_a_template_that_is_nowhere_is_named(site: WriteSite, corpus_job: CorpusJob) -> None:
    site("job_template/postprocess.sh.j2", '{% extends "spp.sh.j2" %}\n')

    with pytest.raises(TemplateError, match=re.escape("there is no template spp.sh.j2")):
        rendered(corpus_job(JOB))


def test_the_fit_is_a_mapping(site: WriteSite, corpus_job: CorpusJob) -> None:
    site("job_template/postprocess.sh.j2", '{{ job.gpu_fit.get("least") or "none" }}\n')

    assert rendered(corpus_job(JOB)) == "none\n"


def test_new_variables_do_not_hide_a_sites_parameters(
    site: WriteSite, corpus_job: CorpusJob
) -> None:
    own = {"container": "a", "gpu_tool": "b", "rank_table": "c", "watch_gpus": "d"}
    site("site.json", {"job_parameters": {"postprocess": own}})
    text = "{{ job.container }}{{ job.gpu_tool }}{{ job.rank_table }}{{ job.watch_gpus }}\n"
    site("job_template/postprocess.sh.j2", text)

    assert rendered(corpus_job(JOB)) == "abcd\n"
