"""A job's folder that somebody replaces while the hook works."""

from __future__ import annotations

from pathlib import Path

import pytest

from dispatcher.dispatch import steps
from dispatcher.errors import WriteError

from ...fixture_types import CorpusJob, WriteSite
from ..stand_in_scheduler import StandIn


@pytest.mark.usefixtures("images")
@pytest.mark.parametrize("becomes", ["link", "folder"])
def test_nothing_is_submitted_if_the_folder_is_another_one(
    becomes: str, tmp_path: Path, site: WriteSite, corpus_job: CorpusJob,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """The colleague is as quick as a call within the hook."""
    slurm = StandIn(tmp_path / "slurm", site)
    script = corpus_job("relion-5.0.1/PostProcess_job016")
    job, others = script.parent, tmp_path / "others"
    others.mkdir()
    (others / "run_submit.script").write_bytes(script.read_bytes())
    provenance = steps.provenance

    def replace(*arguments: object) -> dict[str, object]:
        job.rename(tmp_path / "moved")
        if becomes == "link":
            job.symlink_to(others)
        else:
            others.rename(job)
        return provenance(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(steps, "provenance", replace)

    with pytest.raises(WriteError, match="is another folder than when the submission began"):
        steps.dispatch(script)

    assert slurm.calls("sbatch") == []
    assert {each.name for each in job.iterdir()} <= {"run_submit.script", ".dispatch.json.lock"}
    assert not (tmp_path / "moved" / ".dispatch_hook").exists()
