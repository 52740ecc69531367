"""A first job that is refused pins no image for its project."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dispatcher.images.pins import PIN_FILE

from ..hook_calls import call_hook
from ..stand_in_scheduler import StandIn


@pytest.mark.usefixtures("images")
@pytest.mark.parametrize(("template", "pinned"), [("{{ job.nprocs }}\n", False), (None, True)])
def test_a_script_that_cannot_be_rendered_pins_nothing(
    template: str | None,
    pinned: bool,
    tmp_path: Path,
    site: Callable[..., Path],
    corpus_job: Callable[[str], Path],
    project: Path,
) -> None:
    StandIn(tmp_path / "slurm", site)
    if template:
        site("job_template/postprocess.sh.j2", template)
    script = corpus_job("relion-5.0.1/PostProcess_job016")

    done = call_hook(script)

    assert (done.returncode == 0) == pinned
    assert (project / PIN_FILE).exists() == pinned
