"""A site whose files users cannot read, or that says nothing sensible: jobs are refused."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dispatcher.config.places import shipped_folder

from ..appliance_form import DEPLOY
from ..hook_calls import HOOK, call_hook

WriteSite = Callable[..., Path]
CorpusJob = Callable[[str], Path]

# Root may read everything; without these two rights, root is refused what any user is.
AS_USER = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []


def as_user(*argv: Path | str, project: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*AS_USER, *argv],
        cwd=project,
        env={**os.environ, "RELION_DISPATCH_PYTHON": sys.executable},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    "name",
    [
        "schedulers",
        "job_template",
        "job_template/library",
        "job_template/library/run.sh",
        "job_template/schedulers/local",
    ],
)
def test_what_users_cannot_read_is_named_and_refuses_jobs(
    name: str, site: WriteSite, images: Path, corpus_job: CorpusJob
) -> None:
    """The shipped files do not quietly take the place of the site's own."""
    for each in ("library/run.sh", "schedulers/local/functions.sh"):
        source = shipped_folder() / "job_template" / each
        site(f"job_template/{each}", source.read_text() if source.is_file() else "# nothing\n")
    site("schedulers/slurm.json", {"timeout": 5})
    site("endings.json", {})
    script = corpus_job("relion-5.0.1/PostProcess_job016")
    path = images.parent / name
    rights = path.stat().st_mode
    path.chmod(0)
    code = "from dispatcher.site.check import problems; print(*problems(), sep='\\n')"
    try:
        said = as_user(sys.executable, "-c", code).stdout
        refused = as_user(HOOK, script, project=script.parents[2])
    finally:
        path.chmod(rights)

    assert f"{path}" in said
    assert "(Permission denied)" in said
    assert refused.returncode == 1
    assert f"{path}" in (script.parent / "run.err").read_text()
    assert "(Permission denied)" in (script.parent / "run.err").read_text()


def test_a_site_with_a_folder_that_cannot_be_read_is_not_exported(
    site: WriteSite, images: Path, tmp_path: Path
) -> None:
    folder = site("containers/own/own.def", "").parent
    folder.chmod(0)
    file = tmp_path / "site.tar"
    try:
        done = as_user(DEPLOY / "relion-dispatch", "site", "export", file)
    finally:
        folder.chmod(0o755)

    assert f"{folder} cannot be read (Permission denied): correct" in done.stderr
    assert done.returncode == 1
    assert not file.exists()


def test_a_folder_that_is_no_part_of_a_site_may_be_closed(
    site: WriteSite, images: Path, tmp_path: Path
) -> None:
    folder = site("private/notes", "").parent
    folder.chmod(0)
    try:
        done = as_user(DEPLOY / "relion-dispatch", "site", "export", tmp_path / "site.tar")
    finally:
        folder.chmod(0o755)

    assert done.returncode == 0, done.stderr


def test_a_scheduler_that_is_null_refuses_jobs_with_a_sentence(
    site: WriteSite, images: Path, corpus_job: CorpusJob
) -> None:
    path = site("site.json", {"schedulers": {"local": None}})
    script = corpus_job("relion-5.0.1/PostProcess_job016")

    refused = call_hook(script)

    assert refused.returncode == 1
    assert (
        f'{path}: key "schedulers.local": expected a JSON object {{…}}, found null'
        in (script.parent / "run.err").read_text()
    )
