"""What another template than ours has put around RELION's commands is left out, and said."""

from __future__ import annotations

from pathlib import Path

import pytest

from dispatcher.config.configuration import load_configuration
from dispatcher.errors import InputError
from dispatcher.planning.make_plan import plan_script

from ...corpus import CORPUS


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """A job of RELION 5.0, whose script a test writes anew."""
    job = tmp_path / "PostProcess/job016"
    job.mkdir(parents=True)
    corpus = CORPUS / "relion-5.0.1/PostProcess_job016"
    (job / "job.star").write_text(
        (corpus / "job.star")
        .read_text()
        .replace("/opt/relion-dispatch/relion_template.sh", "/opt/relion/old.sh")
    )
    (job / "run_submit.script").write_text((corpus / "run_submit.script").read_text())
    return job / "run_submit.script"


@pytest.mark.usefixtures("images")
def test_left_out_lines_are_a_reason_and_no_commands(script: Path) -> None:
    lines = script.read_text().split("\n")
    script.write_text("\n".join([*lines[:2], "module purge", "module load relion/4", *lines[2:]]))

    plan = plan_script(script, load_configuration())

    assert [each.command.base_program for each in plan.commands] == ["relion_postprocess"]
    assert [reason for reason in plan.reasons if "left out" in reason] == [
        "`module purge`, `module load relion/4` are left out, because each command runs by itself, "
        'and RELION in its image: take these lines out of /opt/relion/old.sh ("Standard '
        "submission script\" in the Running tab of RELION's window)."
    ]


def test_the_path_of_our_template_is_the_installations(
    script: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RELION_DISPATCH_TEMPLATE", "/software/share/relion_template.sh")
    script.write_text("#!/bin/bash\n#SBATCH -n 1\nrelion_postprocess --o x\n")

    with pytest.raises(InputError, match=r"choose /software/share/relion_template\.sh in"):
        plan_script(script, load_configuration())
