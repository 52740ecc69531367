"""The files of schedulers: what is laid upon what, and which file an error names."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from dispatcher.config.configuration import load_configuration
from dispatcher.config.places import shipped_folder
from dispatcher.config.scheduler import Scheduler
from dispatcher.config.site import load_site
from dispatcher.errors import ConfigError
from dispatcher.planning.make_plan import plan_script

from ...fixture_types import CorpusJob, WriteSite

ROOT = Path(__file__).parents[3]


def mistake() -> str:
    with pytest.raises(ConfigError) as caught:
        load_configuration()
    return str(caught.value)


def differences(one: Scheduler, other: Scheduler) -> set[str]:
    return {key for key, value in asdict(one).items() if value != asdict(other)[key]}


def test_a_sites_file_is_laid_upon_the_shipped_one_and_site_json_upon_both(
    site: WriteSite,
) -> None:
    shipped = load_site().schedulers["slurm"]
    site("schedulers/slurm.json", {"timeout": 5, "retry": 6, "watcher": {"partition": "tiny"}})
    site("site.json", {"schedulers": {"slurm": {"retry": 7}}})

    found = load_site().schedulers["slurm"]

    assert (found.timeout, found.retry) == (5, 7)
    assert found.watcher
    assert shipped.watcher
    assert found.watcher.partition == "tiny"
    assert found.watcher.submit_command == shipped.watcher.submit_command
    assert differences(found, shipped) == {"timeout", "retry", "watcher"}


def test_interactive_says_only_in_what_it_differs_from_local(site: WriteSite) -> None:
    text = json.loads((shipped_folder() / "config/schedulers/interactive.json").read_text())
    assert set(text) == {"$schema", "__comment__", "inherits", "one_at_a_time"}

    site("schedulers/local.json", {"timeout": 5})
    schedulers = load_site().schedulers

    assert differences(schedulers["interactive"], schedulers["local"]) == {
        "inherits",
        "one_at_a_time",
    }
    assert schedulers["interactive"].timeout == 5


def test_a_scheduler_that_inherits_has_the_templates_of_its_parent(site: WriteSite) -> None:
    site("schedulers/far.json", {"inherits": "slurm", "submit_command": ["sbatch", "-M", "far"]})
    site("schedulers/farther.json", {"inherits": "far", "directives": "farther"})

    schedulers = load_site().schedulers

    assert schedulers["far"].directives == "slurm"
    assert differences(schedulers["far"], schedulers["slurm"]) == {"inherits", "submit_command"}
    assert differences(schedulers["farther"], schedulers["far"]) == {"inherits", "directives"}


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"timeouts": 5}, 'timeouts": unknown key; did you mean "timeout"?'),
        ({"timeout": "long"}, 'timeout": expected a valid number'),
        ({"queue_pattern": "("}, 'queue_pattern": missing )'),
        ({"watcher": {"submit_command": []}}, 'watcher.submit_command" is empty'),
        ({"refused_options": ["("]}, 'refused_options.0": missing )'),
        ({"accounting_columns": ["A B"]}, 'accounting_columns": "A B" is not the name of a value'),
        ({"usage_command": ["x"], "usage_columns": []}, 'usage_columns": one of the columns must'),
        ({"usage_columns": ["hours"]}, "usage_columns.0\": expected 'id', 'state', 'partition', "),
        ({"cluster_line": "("}, 'cluster_line": missing )'),
        ({"cluster_line": "(x)"}, 'cluster_line": the pattern needs a group (?P<cluster>…)'),
        ({"launch_options": ["--n={ranks}x"]}, 'launch_options.0": {ranks} must be at the end'),
        ({"overriding": ["A_", ""]}, 'overriding": "" is not the beginning of a variable\'s name'),
        ({"through": ["ssh"]}, 'through": expected a program and a machine, such as ["ssh", '),
        ({"through": ["ssh", "a"], "detached": True}, 'through": jobs that are no more than a pr'),
        ({"through_variables": ["A=1"]}, 'through_variables": "A=1" is not a variable\'s name'),
        ({"launch_options": ["--n=3"]}, 'launch_options": one of them needs {ranks}'),
        ({"inherits": "locall"}, 'inherits": there is no scheduler "locall"; did you mean "local"'),
        ({"inherits": "slurm"}, 'inherits": the schedulers inherit in a circle: slurm → slurm'),
        ({"inherits": 5}, 'inherits": expected a valid string'),
    ],
)
def test_an_error_names_the_file_that_says_what_is_wrong(
    keys: dict[str, Any], says: str, site: WriteSite
) -> None:
    own = site("schedulers/slurm.json", keys)
    in_site_json = site("site.json", {"schedulers": {"slurm": {"retry": 7}}})

    assert mistake().startswith(f'{own}: key "{says}')

    own.unlink()
    site("site.json", {"schedulers": {"slurm": keys}})
    assert mistake().startswith(f'{in_site_json}: key "schedulers.slurm.{says}')


def test_a_mistake_that_others_inherit_is_named_once(site: WriteSite) -> None:
    own = site("schedulers/local.json", {"detachedd": True})

    assert mistake() == f'{own}: key "detachedd": unknown key; did you mean "detached"?'


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"schedulers": 5}, 'site.json: key "schedulers": expected a'),
        ({"schedulers": {"x": 5}}, 'site.json: key "schedulers.x": expected a JSON object {…}'),
        ({"schedulers": {"x": {}}}, 'site.json: key "schedulers.x.submit_command" is missing'),
        ({"mpi": {"mpiru": ["x"]}}, 'key "mpi.mpiru": unknown key; did you mean "mpirun"?'),
        ({"mpi": {"srun": "x"}}, 'site.json: key "mpi.srun": expected a valid list'),
        ({"scheduler": "slurmm"}, 'there is no scheduler "slurmm"'),
    ],
)
def test_mistakes_in_site_json_are_named(
    content: dict[str, Any], says: str, site: WriteSite
) -> None:
    site("site.json", content)

    assert says in mistake()


def test_a_file_that_is_no_json_is_named(site: WriteSite) -> None:
    site("schedulers/slurm.json", "{")

    assert "site/schedulers/slurm.json, line 1, column 2: not valid JSON" in mistake()


def test_the_site_json_of_0_1_0_makes_the_same_schedulers(site: WriteSite) -> None:
    """Written out in full, as it was shipped then. The words of its ends are clearer since, and
    the shipped file reads the names of clusters, newer states, and since when a job waits."""
    since = {
        "ends",
        "unknown_end",
        "job_id",
        "queue_command",
        "pending",
        "alive",
        "transient",
        "queue_pattern",
    }
    now = load_site()
    old = ROOT / "tests" / "data" / "site-0.1.0" / "site.json"
    shutil.copyfile(old, site("site.json", {}))

    then = load_site()

    assert "srun" in then.mpi
    for name, scheduler in now.schedulers.items():
        old_one = then.schedulers[name]
        assert differences(old_one, scheduler) <= since, name
        assert list(old_one.ends) == list(scheduler.ends)
        assert then.launch(then.schedulers[name]) == now.launch(scheduler)


def test_a_scheduler_of_0_1_0_with_anothers_templates_is_of_its_kind(site: WriteSite) -> None:
    site("site.json", {"schedulers": {"x": {"submit_command": ["x"], "directives": "slurm"}}})

    schedulers = load_site().schedulers

    assert schedulers["x"].overriding == schedulers["slurm"].overriding
    assert schedulers["x"].launch == schedulers["slurm"].launch
    assert schedulers["x"].queue_command == []


def test_site_json_may_still_name_the_launcher_for_several_nodes(
    site: WriteSite, images: Path, corpus_job: CorpusJob
) -> None:
    launcher = {"srun": ["/opt/bin/srun", "--mpi=pmi2"]}
    types = {"class3d": {"nodes": 2}}
    site("site.json", {"scheduler": "slurm", "mpi": launcher, "job_parameters": types})

    planned = plan_script(corpus_job("relion-5.0.1/Class3D_job010"), load_configuration())

    words = [word.planned for word in planned.commands[0].prefix]
    assert words[:3] == ["/opt/bin/srun", "--mpi=pmi2", "--nodes=2"]


def test_several_nodes_need_a_launcher(
    site: WriteSite, images: Path, corpus_job: CorpusJob
) -> None:
    site("site.json", {"job_parameters": {"class3d": {"nodes": 2}}})

    with pytest.raises(ConfigError, match="to run on several nodes, but its scheduler has no laun"):
        plan_script(corpus_job("relion-5.0.1/Class3D_job010"), load_configuration())


@pytest.mark.parametrize("option", ["--clusters=far", "--cluster far", "-M far", "-Mfar"])
@pytest.mark.parametrize(
    "used",
    [
        {"scheduler": "slurm"},
        {"job_parameters": {"gpu": {"scheduler": "slurm"}}},
        {"job_parameters": {"gpu": {"submit_command": "/opt/bin/sbatch --wait"}}},
    ],
    ids=["the site's", "a type's", "a type's command"],
)
def test_an_option_that_belongs_to_each_command_is_refused(
    option: str, used: dict[str, Any], site: WriteSite
) -> None:
    parameters = {**used.get("job_parameters", {}), "refine": {"scheduler_options": [option]}}
    site("site.json", {**used, "job_parameters": parameters})

    found = mistake()

    assert (
        f'site.json: key "job_parameters.refine.scheduler_options": "{option}" is not allowed'
        in found
    )
    assert found.endswith('write the option into "submit_command" of "slurm"')


@pytest.mark.parametrize(
    ("scheduler", "option"), [("slurm", "--cluster-constraint=x"), ("local", "-M far")]
)
def test_other_options_are_not(scheduler: str, option: str, site: WriteSite) -> None:
    parameters = {"submit": {"scheduler_options": [option]}}
    site("site.json", {"scheduler": scheduler, "job_parameters": parameters})

    load_configuration()


def test_a_scheduler_on_another_machine_passes_on_what_containers_are_to_see(
    site: WriteSite,
) -> None:
    site("schedulers/far.json", {"inherits": "slurm", "through": ["ssh", "far"]})
    site("schedulers/near.json", {"inherits": "far", "through": []})
    of_far = {"far": {"through_variables": ["LICENCE"]}}
    site("site.json", {"schedulers": of_far, "apptainer": {"environment": ["RELION_SHELL"]}})

    schedulers = load_site().schedulers

    assert schedulers["far"].through_variables == ["LICENCE", "RELION_SHELL"]
    assert schedulers["near"].through == []
    assert "RELION_SHELL" not in schedulers["slurm"].through_variables
