"""What a template of the site's own settles by itself, and a node can no longer change."""

from __future__ import annotations

import pytest

from dispatcher.config.configuration import load_configuration
from dispatcher.job_script.launchers import settled
from dispatcher.job_script.variables import NO_TOKEN
from dispatcher.planning.make_plan import plan_script
from dispatcher.planning.node_table import node_table
from dispatcher.planning.plan import Plan

from ...fixture_types import CorpusJob, WriteSite
from ..planning.test_node_table import read

pytestmark = pytest.mark.usefixtures("images")

REFINE = "relion-5.0.1/Refine3D_job011"
VDAM = "relion-5.0.1/InitialModel_job009"
FRAME = (
    '{{% extends "gpu.sh.j2" %}}\n{{% block command %}}\n    run {} || exit 1\n{{% endblock %}}\n'
)
IN_IMAGE = "{{ job.site.apptainer.program }} exec {{ job.image }} "
OWN_RANKS = "mpirun -n {{ job.nproc }} "
NODES_RANKS = 'mpirun -n "${dispatch_ranks:-{{ job.nproc }}}" '
WORDS = "{{ command.words | lines }}"
ARGUMENTS = "{{ job.command }}_mpi {{ job.arguments }}"


def started(job: str, image: bool, corpus_job: CorpusJob, site: WriteSite) -> tuple[Plan, str]:
    """The plan for up to 9 ranks on 4 GPUs, and its script."""
    partition = {"cores": 64, "gpus": 4, "gpu_memory": "24G"}
    parameters = {"partition": "gpu", "ngpu": 4, "nproc": 9, "nthread": 4, "mem": None}
    content = {"partitions": {"gpu": partition}, "job_parameters": {"gpu": parameters}}
    site("site.json", {**content, "scheduler": "slurm"})
    types = {
        "gpu": {
            "match_command": "None",
            "relion_remove_parameter": ["gpu"],
            "relion_add_parameter": {"gpu": '""'},
            "job_parameters": parameters,
            **({"image": "relion"} if image else {}),
        },
        "refine": {"inherits": "gpu", "match_command": "relion_refine"},
    }
    site("dispatch_config.json", types)
    found, script = settled(plan_script(corpus_job(job), load_configuration()), NO_TOKEN)
    return found, script


@pytest.mark.parametrize("words", [WORDS, ARGUMENTS])
@pytest.mark.parametrize("image", [True, False])
def test_ranks_that_the_template_starts_are_as_many_on_any_node(
    image: bool, words: str, corpus_job: CorpusJob, site: WriteSite
) -> None:
    line = (IN_IMAGE if image else "") + OWN_RANKS + words
    site("job_template/refine.sh.j2", FRAME.format(line))

    plan, script = started(REFINE, image, corpus_job, site)

    (line,) = node_table(plan)
    assert line in script
    found = {(row.sharing, row.gpus, row.ranks, row.each, row.verdict) for row in read([line])}
    shared = {(way, 4, 9, 2, verdict) for way in ("mps", "shared") for verdict in ("ok", "no")}
    assert found == shared | {("exclusive", 4, 9, 2, "no")}
    assert "dispatch_devices" not in script
    assert any("stops the job" in reason and "dispatch_ranks" in reason for reason in plan.reasons)


@pytest.mark.parametrize("image", [True, False])
@pytest.mark.parametrize(
    "line", ["{{ command.line | lines }}", "{{ command.prefix | words }} " + WORDS]
)
def test_our_launcher_and_words_ask_the_node(
    line: str, image: bool, corpus_job: CorpusJob, site: WriteSite
) -> None:
    site("job_template/refine.sh.j2", FRAME.format(line))

    plan, _ = started(REFINE, image, corpus_job, site)

    assert len(node_table(plan)) > 1
    assert not any("stops the job" in reason for reason in plan.reasons)


@pytest.mark.parametrize("image", [True, False])
def test_a_template_may_take_the_number_of_ranks_from_the_node(
    image: bool, corpus_job: CorpusJob, site: WriteSite
) -> None:
    line = (IN_IMAGE if image else "") + NODES_RANKS + WORDS
    site("job_template/refine.sh.j2", FRAME.format(line))

    plan, script = started(REFINE, image, corpus_job, site)

    assert 'mpirun -n "${dispatch_ranks:-9}"' in script
    assert not plan.ranks_stay
    assert len(node_table(plan)) > 1


def test_a_template_that_prints_the_planned_devices_may_have_fewer_ranks_on_all_of_them(
    corpus_job: CorpusJob, site: WriteSite
) -> None:
    site("job_template/refine.sh.j2", FRAME.format("{{ command.prefix | words }} " + ARGUMENTS))

    plan, _ = started(REFINE, True, corpus_job, site)

    (row,) = node_table(plan)
    assert row.startswith("4 ")
    assert " 9 2 " in row
    assert " 5 1 " in row
    assert any("fewer GPUs stops the job" in reason for reason in plan.reasons)


def test_a_single_process_has_no_ranks_that_stay(corpus_job: CorpusJob, site: WriteSite) -> None:
    line = IN_IMAGE + "{{ job.command }} {{ job.arguments }}"
    site("job_template/refine.sh.j2", FRAME.format(line))

    plan, _ = started(VDAM, True, corpus_job, site)

    assert plan.nproc == 1
    assert not plan.ranks_stay
    (row,) = node_table(plan)
    assert row.startswith(f"{plan.ngpu} ")


def test_a_script_that_does_not_look_at_its_node_is_left_as_it_is(
    corpus_job: CorpusJob, site: WriteSite
) -> None:
    site("job_template/refine.sh.j2", f"#!/bin/bash\n{OWN_RANKS}{ARGUMENTS}\n")

    plan, _ = started(REFINE, False, corpus_job, site)

    assert not plan.ranks_stay
    assert not any("stops the job" in reason for reason in plan.reasons)


def test_a_base_template_of_before_has_its_epilogue_called(
    corpus_job: CorpusJob, site: WriteSite
) -> None:
    """The library calls it by another name than in 0.2.0."""
    site(
        "job_template/refine.sh.j2",
        "#!/bin/bash\nepilogue() {\n    echo x\n}\nrun {{ job.commands[0].line | lines }}\n",
    )

    _, script = started(REFINE, True, corpus_job, site)

    assert "\ndispatch_epilogue() { epilogue; }\nepilogue() {\n" in script
