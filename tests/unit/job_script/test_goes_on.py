"""What a script has of a job that goes on, and when a site's own template keeps it from that."""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any

import pytest

from dispatcher.config.configuration import load_configuration
from dispatcher.job_script.launchers import Settled, settled
from dispatcher.job_script.variables import NO_TOKEN
from dispatcher.planning.make_plan import plan_script
from dispatcher.reason import topic_of

from ...fixture_types import CorpusJob, WriteSite

pytestmark = pytest.mark.usefixtures("images")

SLURM: dict[str, Any] = {
    "scheduler": "slurm",
    "goes_on": True,
    "partitions": {"gpu": {"cores": 64, "gpus": 4, "gpu_memory": "24G"}},
    "job_parameters": {"submit": {"partition": "gpu"}},
}
REFINE = "relion-5.0.1/Refine3D_job011"
ON_THE_HOST: dict[str, Any] = {
    "submit": {"match_command": "None", "job_parameters": {"nproc": 5, "nthread": 2}},
    "refine": {"inherits": "submit", "match_command": "relion_refine"},
}
OWN_COMMAND = '{%% extends "base.sh.j2" %%}\n{%% block command %%}\n    %s\n{%% endblock %%}\n'
OWN = {
    "in place of the shipped one": "#!/bin/bash\nmpirun -n {{ job.nproc }} {{ job.command }}_mpi "
    "{{ job.arguments }}\n",
    "with its own loop": '{% extends "base.sh.j2" %}\n{% block commands %}\n'
    "{% for command in job.commands %}\n    run {{ command.line | lines }} || exit 1\n"
    "{% endfor %}\n{% endblock %}\n",
    "with its own launcher": OWN_COMMAND
    % "run mpirun -n {{ job.nproc }} {{ command.words | lines }} || exit 1",
    "that starts another program with `run`": OWN_COMMAND
    % "run rsync -a /store/ . || exit 1\n    run {{ command.line | lines }} || exit 1",
    "with its own launcher before ours": OWN_COMMAND
    % "run mpirun -n 5 {{ command.line | lines }} || exit 1",
}  # fmt: skip


@pytest.fixture
def rendered(site: WriteSite, corpus_job: CorpusJob) -> Any:
    def call(job: str = REFINE, template: str = "", types: Any = None, **content: Any) -> Settled:
        site("site.json", {**SLURM, **content})
        if types:
            site("dispatch_config.json", types)
        if template:
            site("job_template/refine.sh.j2", template)
        return settled(plan_script(corpus_job(job), load_configuration()), NO_TOKEN)

    return call


def words(script: str, begin: str) -> str:
    """What follows `begin`, to the end of its line, lines that go on joined."""
    (found,) = re.findall(
        rf"^\s*{re.escape(begin)}(.*)$", script.replace("\\\n", " "), re.MULTILINE
    )
    return " ".join(found.split())


def test_the_form_that_goes_on_is_started_as_the_first(rendered: Any) -> None:
    script = rendered().script

    first, continued = words(script, "run "), words(script, "dispatch_continuation=(")
    before, _, arguments = continued.partition("relion_refine_mpi ")
    assert first.startswith(f"{before}relion_refine_mpi ")
    assert '-n "${dispatch_ranks:-' in before
    assert arguments.startswith('--continue "${dispatch_from}" --o Refine3D/job011/run ')
    assert '--scratch_dir "${dispatch_scratch}"' in arguments
    assert '--pipeline_control "${dispatch_control}"/' in arguments
    assert '--gpu "${dispatch_devices:-' in arguments
    assert words(script, "prepare_to_go_on ") == "refine Refine3D/job011/run"


def test_a_script_that_goes_on_has_the_settings_and_is_put_back_into_the_queue(
    rendered: Any,
) -> None:
    script = rendered().script

    assert "\ndispatch_goes_on_after=(time_limit preemption lost_node)\n" in script
    assert "\ndispatch_goes_on_at_most=10\ndispatch_gives_up_after=2\n" in script
    assert "#SBATCH --requeue\n" in script
    assert "no-requeue" not in script


def test_what_is_only_in_scripts_that_go_on_is_no_text(rendered: Any) -> None:
    """What a template prints is quoted for the shell: then it would be one word."""
    script = rendered("relion-5.0.1/Class3D_job010").script

    looks = '[ ! -L "$dispatch_claim" ] || [ -e "$dispatch_folder/dispatch.run.$dispatch_token.1" ]'
    assert f"{looks} || exit 0\n" in script
    assert words(script, "prepare_to_go_on ") == "refine Class3D/job010/run 2"


def test_a_script_that_does_not_go_on_has_neither_settings_nor_form_for_it(rendered: Any) -> None:
    script = rendered(goes_on=False).script

    assert not re.search("goes_on|dispatch_continuation|dispatch_gives_up", script)
    assert "#SBATCH --no-requeue\n" in script


def test_all_forms_see_the_node_s_settings(rendered: Any) -> None:
    """Bash has the words of the form that goes on."""
    script = rendered("relion-5.0.1/CtfRefine_job020").script
    lines = script.replace("\\\n", " ")
    (assignment,) = re.findall(r"^\s*(dispatch_continuation=\(.*\))$", lines, re.MULTILINE)

    show = 'printf "%s\\n" "${dispatch_continuation[@]}"'
    asked = f"dispatch_container=(its); {assignment}; {show}"
    found = subprocess.run(["bash", "-c", asked], capture_output=True, text=True, check=True)

    assert found.stdout.splitlines()[-1] == "--only_do_unfinished"
    assert words(script, "prepare_to_go_on ") == "unfinished CtfRefine/job020"


@pytest.mark.parametrize("name", OWN)
def test_a_template_that_starts_the_commands_itself_keeps_the_job_from_going_on(
    name: str, rendered: Any
) -> None:
    plan, script = rendered(template=OWN[name], types=ON_THE_HOST)

    assert plan.goes_on is None
    assert not [each for each in plan.commands if each.continuation]
    assert not [each for each in plan.reasons if topic_of(each) == "goes_on"]
    assert [
        each for each in plan.warnings if "template refine.sh.j2 starts the commands in" in each
    ]
    assert "dispatch_continuation" not in script
    assert "--requeue" not in script
    assert json.loads(json.dumps(plan.as_json()))["goes_on"] is None


def test_a_template_that_prints_our_line_goes_on(rendered: Any) -> None:
    template = OWN_COMMAND % "run {{ command.line | words }} >/dev/null || exit 1"

    plan, script = rendered(template=template)

    assert plan.goes_on
    assert "dispatch_continuation=(" in script
