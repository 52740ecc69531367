"""``relion-dispatch check`` looks at templates, the library, and the parameters they print."""

from __future__ import annotations

import pytest

from dispatcher.site.check import problems, remarks

from ...fixture_types import WriteSite
from .checked_site import TYPES

pytestmark = pytest.mark.usefixtures("images", "programs")


def test_a_misspelt_template_variable_is_named_with_its_line(site: WriteSite) -> None:
    site("dispatch_config.json", TYPES)
    site(
        "job_template/refine.sh.j2",
        '{% extends "submit.sh.j2" %}\n{% block prologue %}\n'
        "echo {{ job.nthreads }}\n{% endblock %}\n",
    )

    (problem,) = problems()

    assert 'job type "refine"' in problem
    assert "refine.sh.j2, line 3" in problem
    assert 'did you mean "nthread"?' in problem


def test_a_template_that_is_no_shell_is_named(site: WriteSite) -> None:
    site("dispatch_config.json", TYPES)
    site("job_template/refine.sh.j2", "#!/bin/bash\nif true; then\n")

    (problem,) = problems()

    assert "refine.sh.j2" in problem
    assert "syntax error" in problem


def test_a_file_of_the_library_that_is_no_shell_is_named(site: WriteSite) -> None:
    path = site("job_template/library/run.sh", "run() {\n")

    assert any(f"bash cannot read the site's {path}" in problem for problem in problems())


def test_shell_that_version_0_1_0_read_and_this_one_does_not_is_named(site: WriteSite) -> None:
    site("job_template/parts/scratch.sh.j2", "")

    (problem,) = [each for each in problems() if "parts" in each]

    assert "no longer use templates of this folder: write what the site has changed" in problem


def test_a_template_that_is_no_jinja_is_named(site: WriteSite) -> None:
    site("dispatch_config.json", TYPES)
    site("job_template/refine.sh.j2", "#!/bin/bash\n{% if %}\n")

    assert all("refine.sh.j2, line 2" in problem for problem in problems())
    assert problems()


def test_directives_that_keep_jobs_from_going_on_are_named(site: WriteSite) -> None:
    site("dispatch_config.json", TYPES)
    site("site.json", {"scheduler": "slurm", "goes_on": True})
    site("job_template/schedulers/slurm/further_directives.sh.j2", "#SBATCH --no-requeue\n")

    found = problems()
    assert any("because its directives have --no-requeue" in problem for problem in found), found


def test_a_job_parameter_that_nothing_reads_is_named(site: WriteSite) -> None:
    site("dispatch_config.json", TYPES)
    site("site.json", {"job_parameters": {"refine": {"partitoin": "gpu"}}})

    (problem,) = problems()

    assert "partitoin" in problem
    assert 'did you mean "partition"?' in problem


def test_a_job_parameter_of_a_base_type_is_checked_too(site: WriteSite) -> None:
    site("site.json", {"job_parameters": {"gpu": {"partitoin": "gpu"}}})
    assert any("partitoin" in problem for problem in problems())

    site("site.json", {"job_parameters": {"gpu": {"nproc": "four"}}})
    assert any('"job_parameters.gpu.nproc": expected a whole number' in p for p in problems())

    site("site.json", {"job_parameters": {"gpus": {"nproc": 4}}})
    assert any('no job type "gpus"; did you mean "gpu"?' in problem for problem in problems())


def test_a_job_parameter_of_the_sites_own_template_is_fine(site: WriteSite) -> None:
    site("dispatch_config.json", TYPES)
    site("site.json", {"job_parameters": {"refine": {"account": "cryoem"}}})
    site(
        "job_template/refine.sh.j2",
        '{% extends "submit.sh.j2" %}\n{% block directives %}\n'
        "#SBATCH --account={{ job.account }}\n{% endblock %}\n",
    )

    assert problems() == []


def test_a_template_that_no_type_uses_is_read_too(site: WriteSite) -> None:
    site("job_template/unused.sh.j2", "{{ job.x (")

    (problem,) = problems()

    assert "unused.sh.j2, line 1" in problem


def test_a_template_that_fails_in_python_is_named(site: WriteSite) -> None:
    site("dispatch_config.json", TYPES)
    site("job_template/refine.sh.j2", "#!/bin/bash\n{{ job.nproc + 'x' }}\n")

    (problem,) = problems()

    assert "refine.sh.j2, line 2: TypeError" in problem


def test_a_template_that_runs_relion_beside_its_image_is_told_of(site: WriteSite) -> None:
    types = {name: {k: v for k, v in kind.items() if k != "image"} for name, kind in TYPES.items()}
    site("dispatch_config.json", types)
    own = "#!/bin/bash\nmpirun -n {{ job.nproc }} {{ job.command }}_mpi {{ job.arguments }}\n"
    site("job_template/refine.sh.j2", own)
    assert problems() == []

    site("site.json", {"image": "relion"})

    (problem,) = problems()
    assert "refine.sh.j2 runs relion_refine on the host, though the job has the image" in problem


@pytest.mark.parametrize(
    ("prologue", "called"),
    [
        ("module load cuda", "module"),
        ("if true; then ml cuda; fi", "ml"),
        ("spack load relion", "spack"),
        (". /etc/profile.d/lmod.sh\nmodule load cuda", None),
        ("source /sw/init; module load cuda", None),
        ("# module load cuda\n{# module load cuda #}\necho module load", None),
    ],
)
def test_a_template_that_calls_a_function_of_no_file_is_remarked(
    prologue: str, called: str | None, site: WriteSite
) -> None:
    """A job does not read what BASH_ENV names, by which the function came with 0.2.0."""
    path = site(
        "job_template/refine.sh.j2",
        f'{{% extends "submit.sh.j2" %}}\n{{% block prologue %}}\n{prologue}\n{{% endblock %}}\n',
    )

    found = [each for each in remarks() if str(path) in each]

    assert [f"calls `{called}`" in each for each in found] == ([True] if called else [])


@pytest.mark.parametrize("where", ["exported", "in the template above"])
def test_a_function_that_a_job_has_is_not_remarked(
    where: str, site: WriteSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    begins = '{% extends "submit.sh.j2" %}\n{% block prologue %}\n'
    if where == "exported":
        monkeypatch.setenv("BASH_FUNC_module%%", "() { :; }")
    else:
        site("job_template/lab.sh.j2", f"{begins}. /sw/lmod\n{{% endblock %}}\n")
        begins = begins.replace("submit", "lab")
    site("job_template/refine.sh.j2", f"{begins}module load cuda\n{{% endblock %}}\n")

    assert not [each for each in remarks() if "calls `" in each]


def test_directives_that_a_scheduler_does_not_read_are_named(site: WriteSite) -> None:
    site("site.json", {"scheduler": "slurm", "schedulers": {"slurm": {"trial_command": []}}})
    block = "{% block prologue %}\n#SBATCH --exclusive\n{% endblock %}\n"
    site("job_template/postprocess.sh.j2", '{% extends "sp.sh.j2" %}\n' + block)

    assert any(
        'job type "postprocess": the line `#SBATCH --exclusive` stands behind the first command'
        in problem
        for problem in problems()
    )


def test_a_folder_of_templates_that_no_scheduler_reads_is_named(site: WriteSite) -> None:
    own = {"inherits": "local", "directives": "ours"}
    site("site.json", {"schedulers": {"ours": own}})
    site("job_template/schedulers/ours/further_directives.sh.j2", "")
    path = site("job_template/schedulers/slrum/directives.sh.j2", "")

    assert problems() == [
        f'{path.parent}: no scheduler reads this folder; did you mean "slurm"? Name the folder in '
        '"directives" of a scheduler, or rename it.'
    ]


def test_hints_name_keys_that_may_stand_there(site: WriteSite) -> None:
    site("site.json", {"job_parameters": {"postprocess": {"tokne": 1, "tmie": "1:00"}}})

    of_nothing, of_time = sorted(problems(), key=lambda problem: '"job_parameters.tm' in problem)

    assert "did you mean" not in of_nothing, "job.token is a variable, and no parameter"
    assert 'did you mean "time"?' in of_time
