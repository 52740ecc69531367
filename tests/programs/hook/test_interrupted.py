"""The hook, if nobody listens to it, or if it is stopped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ...fixture_types import CorpusJob
from ...waiting import wait_for
from ..hook_calls import start_hook

pytestmark = pytest.mark.usefixtures("images", "form")


def test_an_interrupted_submission_is_told(
    answering: Callable[[str], Path], corpus_job: CorpusJob, project: Path
) -> None:
    answering("touch asked; exec sleep 6")
    script = corpus_job("relion-5.0.1/Refine3D_job011")
    with start_hook(script) as hook:
        wait_for((project / "asked").exists)

        hook.send_signal(1)

        hook.communicate(timeout=60)
    assert hook.returncode == 1
    assert "was interrupted" in (script.parent / "run.err").read_text()
    assert (script.parent / "RELION_JOB_EXIT_FAILURE").exists()
