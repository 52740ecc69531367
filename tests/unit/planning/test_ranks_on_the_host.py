"""A job type without an image: its ranks are started on the host, by the site's launchers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dispatcher.config.places import shipped_folder
from dispatcher.errors import ConfigError
from dispatcher.planning.plan import Plan

from ...corpus import CORPUS
from ...fixture_types import CorpusJob, WriteSite
from .planned import CLASSIC, REFINE, launched, plan

AUTOPICK = "relion-5.0.1/AutoPick_job005"
NOT_IN_AN_IMAGE: dict[str, Any] = {
    name: {key: value for key, value in kind.items() if key != "image"}
    for name, kind in CLASSIC.items()
    if isinstance(kind, dict)
}
PICKS: dict[str, Any] = {
    **NOT_IN_AN_IMAGE,
    "autopick": {
        "inherits": "submit",
        "match_command": "relion_autopick",
        "job_parameters": {"nproc": 10},
    },
}


def shell(planned: Plan) -> list[str | None]:
    """The words before the main program as the job script has them."""
    return [word.on_node or word.planned for word in planned.commands[0].prefix]


def test_the_classic_file_starts_its_21_ranks_by_mpirun(
    site: WriteSite, corpus_job: CorpusJob
) -> None:
    site("dispatch_config.json", NOT_IN_AN_IMAGE)

    planned = plan(corpus_job(REFINE))

    assert (planned.image, planned.nproc) == (None, 21)
    assert launched(planned) == ["mpirun", "--bind-to", "none", "--oversubscribe", "-n", "21"]
    assert shell(planned)[-1] == '"${dispatch_ranks:-21}"', "the node may lower the ranks"


def test_a_picker_of_ten_ranks_is_started_as_ten(site: WriteSite, corpus_job: CorpusJob) -> None:
    site("dispatch_config.json", PICKS)
    site("site.json", {"mpi": {"mpirun": ["/opt/mpi/bin/mpiexec.hydra"]}})

    planned = plan(corpus_job(AUTOPICK))

    assert planned.commands[0].command.program == "relion_autopick_mpi"
    assert launched(planned) == ["/opt/mpi/bin/mpiexec.hydra", "-n", "10"]


@pytest.mark.usefixtures("images")
def test_an_empty_image_takes_a_type_to_the_host(site: WriteSite, corpus_job: CorpusJob) -> None:
    site("dispatch_config.json", {**CLASSIC, "refine": {**CLASSIC["refine"], "image": ""}})  # type: ignore[dict-item]

    assert launched(plan(corpus_job(REFINE)))[0] == "mpirun"


def test_ranks_of_several_nodes_are_started_by_srun_with_the_environment_of_the_job(
    site: WriteSite, corpus_job: CorpusJob
) -> None:
    site("dispatch_config.json", NOT_IN_AN_IMAGE)
    site("site.json", {"scheduler": "slurm", "job_parameters": {"refine": {"nodes": 2}}})

    planned = plan(corpus_job(REFINE))

    assert launched(planned) == ["srun", "--mpi=pmix", "--nodes=2", f"--ntasks={planned.nproc}"]
    assert shell(planned)[-1] == '"${dispatch_task[@]}"', "each node has an MPS daemon of its own"


@pytest.mark.usefixtures("images")
@pytest.mark.parametrize("types", [CLASSIC, NOT_IN_AN_IMAGE], ids=["image", "host"])
@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"mpi": {"mpirun": []}}, '"mpi.mpirun" in site.json is empty'),
        ({"scheduler": "local", "job_parameters": {"gpu": {"nodes": 2}}}, "on several nodes"),
    ],
    ids=["one node", "two nodes"],
)
def test_a_site_without_a_launcher_is_told_so(
    types: dict[str, Any],
    settings: dict[str, Any],
    says: str,
    site: WriteSite,
    corpus_job: CorpusJob,
) -> None:
    gpu = {**types["gpu"], "job_parameters": {"ngpu": 4, "nproc": 21}}
    site("dispatch_config.json", {**types, "gpu": gpu})
    site("site.json", settings)

    with pytest.raises(ConfigError, match=says):
        plan(corpus_job(REFINE))


@pytest.mark.parametrize(
    "script", sorted(CORPUS.glob("*/*/run_submit.script")), ids=lambda path: path.parent.name
)
def test_every_job_of_the_corpus_has_a_launcher_on_the_host_exactly_if_it_has_ranks(
    script: Path, site: WriteSite, corpus_job: CorpusJob
) -> None:
    types = json.loads((shipped_folder() / "config" / "dispatch_config.json").read_text())
    site(
        "dispatch_config.json",
        {n: {**t, "image": ""} for n, t in types.items() if n[0] not in "_$"},
    )

    planned = plan(corpus_job(f"{script.parent.parent.name}/{script.parent.name}"))

    started = ["mpirun" in launched(planned, at) for at in range(len(planned.commands))]
    assert planned.image is None
    assert started == [planned.nproc > 1 and each.is_main for each in planned.commands]


@pytest.mark.usefixtures("images")
@pytest.mark.parametrize("where", ["image", "host"])
def test_a_launcher_in_relions_own_template_is_not_a_second_one(
    where: str, site: WriteSite, corpus_job: CorpusJob
) -> None:
    if where == "host":
        site("dispatch_config.json", NOT_IN_AN_IMAGE)
    script = corpus_job(REFINE)
    usual = plan(script).as_json()
    script.write_text(script.read_text().replace("`which", "mpirun -n 5 `which"))

    planned = plan(script).as_json()

    assert planned["commands"] == usual["commands"]
    (reason,) = set(planned["reasons"]) - set(usual["reasons"])
    assert reason.startswith("`mpirun -n 5` before the program is left out")


def test_a_submit_command_that_is_a_shell_starts_the_job_at_once(
    site: WriteSite, corpus_job: CorpusJob
) -> None:
    """As the FMI format's types for programs with a window do, on a site that has a scheduler."""
    interactive = {"match_command": "relion_refine", "job_parameters": {"submit_command": "sh"}}
    site("dispatch_config.json", {"interactive": interactive})
    site("site.json", {"scheduler": "slurm"})

    planned = plan(corpus_job(REFINE))

    assert planned.scheduler == "interactive"
    assert planned.submit_command[0] == "sh"
