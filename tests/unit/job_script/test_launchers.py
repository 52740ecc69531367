"""A job's ranks are started once, whether by us or by a launcher of the site's own template."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from dispatcher.config.configuration import load_configuration
from dispatcher.config.places import shipped_folder
from dispatcher.errors import TemplateError
from dispatcher.job_script.launchers import Settled, settled
from dispatcher.job_script.variables import NO_TOKEN
from dispatcher.planning.make_plan import plan_script
from dispatcher.site.check import problems

from ...corpus import CORPUS
from ...fixture_types import CorpusJob, WriteSite

REFINE = "relion-5.0.1/Refine3D_job011"
TYPES: dict[str, Any] = {
    "submit": {"match_command": "None", "job_parameters": {"nproc": 5, "nthread": 2}},
    "refine": {"inherits": "submit", "match_command": "relion_refine"},
}
IN_IMAGE = {**TYPES, "refine": {**TYPES["refine"], "image": "relion"}}

# Templates that bring a launcher of their own, in place of all that is shipped or of one line.
WHOLE = "#!/bin/bash\nmodule load relion\n{}\n"
LINE = '{{% extends "base.sh.j2" %}}\n{{% block command %}}\n{}\n{{% endblock %}}\n'
OWN = {
    "as in the FMI format": WHOLE.format(
        "mpirun -n {{ job.nproc }} {{job.command }}_mpi  {{ job.arguments }}"
    ),
    "by full path": WHOLE.format(
        "/opt/openmpi/bin/mpiexec.hydra -np {{ job.nproc }} \\\n"
        "    {{ job.command }}_mpi {{ job.arguments }}"
    ),
    "by the scheduler's": WHOLE.format(
        "cd . && srun --mpi=pmix {{ job.command }}_mpi {{ job.arguments }}"
    ),
    "from a variable": WHOLE.format(
        'start=(mpirun -n {{ job.nproc }})\n"${start[@]}" {{ job.command }}_mpi {{ job.arguments }}'
    ),
    "before the words": LINE.format(
        "    run mpirun -n {{ job.nproc }} {{ command.words | lines }} || exit 1"
    ),
    "before our line": LINE.format(
        "    run mpirun -n {{ job.nproc }} {{ command.line | lines }} || exit 1"
    ),
    "before our prefix": LINE.format(
        "    run nice srun --exact {{ command.prefix | words }} \\\n"
        "        {{ command.words | words }} || exit 1"
    ),
    "from site.json, before our line": LINE.format(
        "    run {{ job.site.mpi.mpirun | words }} -n {{ job.nproc }} {{ command.line | words }}"
    ),
    "from a variable, before our line": LINE.format(
        "    launch='/opt/bin/mpirun -n {{ job.nproc }}'\n"
        "    run $launch {{ command.line | lines }} || exit 1"
    ),
    "from a function, before our line": LINE.format(
        '    launch() {\n        mpirun -n {{ job.nproc }} "$@"\n    }\n'
        "    launch {{ command.line | lines }} || exit 1"
    ),
}
UNSEEN = {
    "by a wrapper": WHOLE.format("/opt/start_ranks {{ job.command }}_mpi {{ job.arguments }}"),
    "by a wrapper, beside the program's version": WHOLE.format(
        "{{ job.command }}_mpi --version\nP={{ job.command }}_mpi\n"
        "/opt/start_ranks $P {{ job.arguments }}"
    ),
    "in a file that mpirun gets": WHOLE.format(
        "cat > ranks.sh <<END\nexec {{ job.command }}_mpi {{ job.arguments }}\nEND\n"
        "mpirun -n {{ job.nproc }} bash ranks.sh"
    ),
}
OURS = {
    "our line": LINE.format("    run {{ command.line | lines }} || exit 1"),
    "our line, timed": LINE.format("    run env X=1 time {{ command.line | words }} || exit 1"),
    "our line, behind a wrapper": LINE.format(
        "    run /opt/wrapper --log /var/log/mpirun {{ command.line | words }} || exit 1"
    ),
    "our line, in one task": LINE.format(
        "    run srun -N 1 -n 1 {{ command.line | words }} || exit 1"
    ),
    "our line, told of": LINE.format(
        '    say() { echo "mpirun gets $*"; "$@"; }\n    say {{ command.line | words }} || exit 1'
    ),
    "our prefix": LINE.format(
        "    run {{ command.prefix | words }} \\\n        {{ command.words | words }} || exit 1"
    ),
}
NEITHER = {
    "as in the FMI format": WHOLE.format("{{ job.command }}_mpi {{ job.arguments }}"),
    "beside the name of a launcher": WHOLE.format(
        "which mpirun # mpirun\n$(which {{ job.command }}_mpi) {{ job.arguments }}"
    ),
    "by a launcher of one rank": WHOLE.format(
        "srun -n 1 {{ job.command }}_mpi {{ job.arguments }}"
    ),
    "the words alone": LINE.format("    run {{ command.words | lines }} || exit 1"),
    "the text alone": LINE.format("    if ! time {{ command.shell }}; then exit 1; fi"),
    "in a container": WHOLE.format(
        "export A=1; B=2 apptainer exec x.sif {{ job.command }}_mpi {{ job.arguments }}"
    ),
}


@pytest.fixture(autouse=True)
def apptainer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which ``apptainer --version`` answers: what is wrong here is the launcher."""
    program = tmp_path / "programs" / "apptainer"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho apptainer version 1.4.5\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")


def started(script: Path) -> Settled:
    return settled(plan_script(script, load_configuration()), NO_TOKEN)


def launchers(script: str) -> int:
    """How many launchers are in what runs."""
    text = "\n".join(line for line in script.splitlines() if not line.lstrip().startswith("#"))
    names = r"(?<!/log/)\b(?:mpirun|mpiexec\.hydra|srun|start_ranks) (?!gets|-N 1 -n 1|\])"
    return len(re.findall(names, text))


@pytest.mark.parametrize("template", OWN.values(), ids=OWN)
def test_a_launcher_of_the_templates_own_is_the_only_one(
    template: str, site: WriteSite, corpus_job: CorpusJob
) -> None:
    site("dispatch_config.json", TYPES)
    site("job_template/refine.sh.j2", template)

    plan, script = started(corpus_job(REFINE))

    assert plan.nproc == 5
    assert launchers(script) == 1
    assert plan.as_json()["commands"][0]["prefix"] == [], "the record says what runs"
    assert "Template refine.sh.j2 starts the ranks itself." in plan.reasons
    assert problems() == []


@pytest.mark.parametrize("template", UNSEEN.values(), ids=UNSEEN)
def test_a_template_that_may_have_a_launcher_has_to_start_the_ranks(
    template: str, site: WriteSite, corpus_job: CorpusJob
) -> None:
    site("dispatch_config.json", TYPES)
    site("job_template/refine.sh.j2", template)

    plan, script = started(corpus_job(REFINE))

    assert launchers(script) == 1
    assert plan.as_json()["commands"][0]["prefix"] == [], "the record says what runs"
    assert plan.reasons[-1] == (
        "Template refine.sh.j2 has to start the 5 ranks itself: "
        "the dispatcher's launcher is not in the job script."
    )
    assert problems() == []


@pytest.mark.parametrize("template", OURS.values(), ids=OURS)
def test_a_template_without_a_launcher_has_ours(
    template: str, site: WriteSite, corpus_job: CorpusJob
) -> None:
    site("dispatch_config.json", TYPES)
    site("job_template/refine.sh.j2", template)

    plan, script = started(corpus_job(REFINE))

    assert launchers(script) == 1
    assert plan.as_json()["commands"][0]["prefix"][0] == "mpirun"
    assert not any("itself" in reason for reason in plan.reasons)
    assert problems() == []


@pytest.mark.usefixtures("images")
@pytest.mark.parametrize("template", OURS.values(), ids=OURS)
def test_a_template_without_a_launcher_has_ours_in_the_container(
    template: str, site: WriteSite, corpus_job: CorpusJob
) -> None:
    site("dispatch_config.json", IN_IMAGE)
    site("job_template/refine.sh.j2", template)

    plan, script = started(corpus_job(REFINE))

    assert launchers(script) == 1
    assert {"apptainer", "mpirun"} < set(plan.as_json()["commands"][0]["prefix"])
    assert not any("itself" in reason for reason in plan.reasons)


def test_a_launcher_before_ours_in_one_place_of_two_is_told_of(
    site: WriteSite, corpus_job: CorpusJob
) -> None:
    site("dispatch_config.json", TYPES)
    line = "{{ command.line | words }}"
    either = (
        f"    if [ -x /usr/bin/srun ]; then\n        srun {line}\n    else\n        {line}\n    fi"
    )
    site("job_template/refine.sh.j2", LINE.format(either))

    plan, script = started(corpus_job(REFINE))

    assert launchers(script) == 3, "as the template prints them"
    assert "so that each rank may start all ranks" in plan.warnings[-1]
    assert problems() == [f'job type "refine": {plan.warnings[-1]}']


def test_a_launcher_of_the_site_may_begin_with_another_program(
    site: WriteSite, corpus_job: CorpusJob
) -> None:
    site("dispatch_config.json", TYPES)
    site("site.json", {"mpi": {"mpirun": ["env", "OMPI_MCA_btl=self", "mpirun"]}})
    site("job_template/refine.sh.j2", OURS["our line, timed"])

    plan, script = started(corpus_job(REFINE))

    assert launchers(script) == 1
    assert plan.as_json()["commands"][0]["prefix"][0] == "env"
    site("job_template/refine.sh.j2", LINE.format("    run env X=1 {{ command.words | words }}"))
    with pytest.raises(TemplateError, match="only one of the job's 5 ranks would run"):
        started(corpus_job(REFINE))


@pytest.mark.parametrize("template", NEITHER.values(), ids=NEITHER)
def test_a_template_that_would_start_one_rank_is_refused(
    template: str, site: WriteSite, corpus_job: CorpusJob
) -> None:
    site("dispatch_config.json", TYPES)
    site("job_template/refine.sh.j2", template)

    with pytest.raises(TemplateError, match="only one of the job's 5 ranks would run") as raised:
        started(corpus_job(REFINE))

    assert "command.line" in str(raised.value)
    assert any(str(raised.value) in problem for problem in problems())


def test_a_template_with_a_launcher_needs_none_of_the_sites(
    site: WriteSite, corpus_job: CorpusJob
) -> None:
    site("dispatch_config.json", TYPES)
    site("site.json", {"mpi": {"mpirun": []}})
    site("job_template/refine.sh.j2", OWN["as in the FMI format"])

    assert launchers(started(corpus_job(REFINE)).script) == 1
    assert problems() == []


def test_a_site_without_any_launcher_is_told_where_to_name_one(
    site: WriteSite, corpus_job: CorpusJob
) -> None:
    site("dispatch_config.json", TYPES)
    site("site.json", {"mpi": {"mpirun": []}})
    site("job_template/refine.sh.j2", OURS["our line"])

    with pytest.raises(TemplateError, match=re.escape('set "mpi.mpirun" in site.json')):
        started(corpus_job(REFINE))


@pytest.mark.usefixtures("images")
@pytest.mark.parametrize("name", ["before our line", "from a variable, before our line"])
def test_a_launcher_before_a_container_with_ours_is_refused(
    name: str, site: WriteSite, corpus_job: CorpusJob
) -> None:
    site("dispatch_config.json", IN_IMAGE)
    site("job_template/refine.sh.j2", OWN[name])

    with pytest.raises(TemplateError, match="each of the 5 ranks would start all of them"):
        started(corpus_job(REFINE))


def test_a_template_that_starts_one_process_of_several_is_told_of(
    site: WriteSite, corpus_job: CorpusJob
) -> None:
    site("dispatch_config.json", TYPES)
    site("job_template/refine.sh.j2", WHOLE.format("{{ job.command }} {{ job.arguments }}"))

    (warning,) = started(corpus_job(REFINE)).plan.warnings

    assert "as one process, though the job has 5 ranks" in warning
    assert problems() == [f'job type "refine": {warning}']


@pytest.mark.usefixtures("images")
@pytest.mark.parametrize("where", ["image", "host"])
def test_each_job_of_the_corpus_with_ranks_has_one_launcher(
    where: str, site: WriteSite, corpus_job: CorpusJob
) -> None:
    if where == "host":
        types = json.loads((shipped_folder() / "config" / "dispatch_config.json").read_text())
        site(
            "dispatch_config.json",
            {n: {**t, "image": ""} for n, t in types.items() if n[0] not in "_$"},
        )
    several = 0

    for source in sorted(CORPUS.glob("*/*/run_submit.script")):
        job = str(source.parent.relative_to(CORPUS))
        plan, script = started(corpus_job(job))
        assert launchers(script) == (plan.nproc > 1), job
        several += plan.nproc > 1

    assert several > 20
