"""A scheduler with several clusters: each job is looked for, watched and cancelled on its own.

Slurm's commands are stand-ins here, with a queue that belongs to the cluster `gpuland`: without
``--clusters=gpuland`` they know of no job. tests/system/test_accounting.py has two real clusters.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dispatcher.cli import main
from dispatcher.jobs.seal import text_digest
from dispatcher.jobs.watcher import WATCHER

from ...fixture_types import CorpusJob, WriteSite
from ..hook_calls import call_hook
from ..stand_in_scheduler import StandIn, record_of
from .pipeline_jobs import HEADS, TOKEN, WORDS, AddJob, status

pytestmark = pytest.mark.usefixtures("quickly", "images")

FAR = "--clusters=gpuland"
ONLY_THERE = f"""case " $* " in *" {FAR} "*) ;; *) """
HEAD = "echo CLUSTER: gpuland; echo 'JOBID|STATE|NODELIST|REASON|TIME|COMMENT'; cat queue"


class OtherCluster(StandIn):
    """Jobs run on another cluster than the one that commands ask by themselves."""

    def __init__(self, folder: Path, write_site: WriteSite, **keys: Any) -> None:
        sbatch = str(folder / "sbatch")
        after = [sbatch, "--dependency=afterany:{job_id}"]
        super().__init__(
            folder,
            write_site,
            **{
                "submit_command": [sbatch, "--parsable", FAR],
                "watcher": {"submit_command": after},
                **keys,
            },
        )
        self.submits("n=$(($(wc -l < queue) + 101)); take $n RUNNING; echo $n\\;gpuland")
        self.queue_answers(f"{ONLY_THERE} exit;; esac; {HEAD}")
        self.says_of_ends(
            f"{ONLY_THERE} echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1;; "
            'esac; echo "JobId=$4 JobState=$(grep "^$4|" queue | cut -d "|" -f 2)"'
        )
        self.does(
            "scancel", f"{ONLY_THERE} exit;; esac; sed -i '/^'$1'|/s/|[A-Z]*|/|CANCELLED|/' queue"
        )


@pytest.fixture
def far(tmp_path: Path, site: WriteSite) -> OtherCluster:
    """The site names the cluster in its submit command alone."""
    return OtherCluster(tmp_path / "slurm", site)


@pytest.fixture
def submitted(corpus_job: CorpusJob, project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a refinement that RELION's pipeline has as running, to be submitted."""
    script = corpus_job("relion-5.0.1/Refine3D_job011")
    row = "Refine3D/job011/ None relion.refine3d Running\n"
    (project / "default_pipeline.star").write_text(HEADS + WORDS + row)
    monkeypatch.chdir(project)
    return script.parent


def test_status_looks_for_a_job_where_the_scheduler_took_it(
    far: OtherCluster, submitted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """RELION was told that it had failed, and its script ended it after that."""
    assert call_hook(submitted / "run_submit.script").returncode == 0

    (row,) = status(capsys)

    assert (row["state"], row["job_id"], row["cluster"]) == ("RUNNING", "101", "gpuland")
    assert not list(submitted.glob("RELION_JOB_EXIT_*"))
    assert record_of(submitted)["cluster"] == "gpuland"
    assert far.calls("squeue") == [f"{FAR}"]


def test_its_watcher_waits_on_its_own_cluster(far: OtherCluster, submitted: Path) -> None:
    call_hook(submitted / "run_submit.script")

    _, watcher = far.calls("sbatch")
    assert watcher == f"--dependency=afterany:101 {FAR} Refine3D/job011/{WATCHER} 101"
    assert record_of(submitted)["watcher"] == {"job_id": "102"}


def test_it_is_cancelled_there(far: OtherCluster, submitted: Path) -> None:
    call_hook(submitted / "run_submit.script")

    assert main(["cancel", "Refine3D/job011"]) == 0

    assert far.calls("scancel") == [f"101 {FAR}"]
    assert (submitted / "RELION_JOB_EXIT_ABORTED").exists()


def test_its_end_is_asked_there(
    far: OtherCluster, submitted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call_hook(submitted / "run_submit.script")
    far.says_of_ends(f"{ONLY_THERE} exit 1;; esac; echo JobState=TIMEOUT")
    far.forgets()

    status(capsys)

    assert "it reached its time limit" in (submitted / "run.err").read_text()


@pytest.mark.parametrize("answers", ["exit 1", "echo 'Connection refused' >&2", "echo Welcome"])
def test_nothing_is_told_of_a_job_whose_cluster_does_not_answer(
    answers: str, far: OtherCluster, submitted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call_hook(submitted / "run_submit.script")
    far.queue_answers(f"case $* in *gpuland*) {answers};; esac")

    (row,) = status(capsys)

    assert (row["relion"], row["state"]) == ("Running", None)
    assert not list(submitted.glob("RELION_JOB_EXIT_*"))
    assert main(["status"]) == 0
    assert "The scheduler slurm (cluster gpuland) does not answer now" in capsys.readouterr().out


def test_a_queue_that_leaves_out_its_head_is_believed(
    tmp_path: Path, site: WriteSite, submitted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Sites had to write each command in full, and took --noheader along."""
    command = [str(tmp_path / "slurm/squeue"), FAR, "--noheader"]
    far = OtherCluster(tmp_path / "slurm", site, queue_command=command)
    far.queue_answers("cat queue")
    call_hook(submitted / "run_submit.script")
    assert status(capsys)[0]["state"] == "RUNNING"
    far.forgets()

    assert status(capsys)[0]["relion"] == "Failed"


def test_each_cluster_is_asked_once(
    slurm: StandIn, add_job: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, cluster in enumerate(["a", "b", None, "a", None]):
        add_job(f"Refine3D/job02{number}", cluster=cluster, token=f"00000000000{number}")

    main(["status", "--json"])

    assert sorted(slurm.calls("squeue")[:3]) == ["", "--clusters=a", "--clusters=b"]


@pytest.mark.parametrize("body", ["echo 'Socket timed out' >&2; exit 1", ":", "echo 'Job sent.'"])
def test_after_an_unclear_answer_the_queue_of_the_named_clusters_is_asked(
    body: str, tmp_path: Path, site: WriteSite, submitted: Path
) -> None:
    """Of several, the queue tells which one has the job."""
    command = [str(tmp_path / "slurm/sbatch"), "-M", "cpuland,gpuland"]
    far = OtherCluster(tmp_path / "slurm", site, submit_command=command)
    far.submits(f"case $* in *afterany*) echo '102;gpuland'; exit;; esac; take 101 PENDING; {body}")
    far.queue_answers(f"case $* in '-M cpuland,gpuland') echo CLUSTER: cpuland; {HEAD};; esac")

    assert call_hook(submitted / "run_submit.script").returncode == 0

    record = record_of(submitted)
    assert (record["job_id"], record["cluster"]) == ("101", "gpuland")
    assert len(far.calls("sbatch")) == 2
    assert far.calls("sbatch")[1].startswith(f"--dependency=afterany:101 {FAR} ")


def test_a_job_of_a_killed_hook_is_found_on_the_cluster_that_was_named(
    far: OtherCluster, add_job: AddJob, capsys: pytest.CaptureFixture[str], project: Path
) -> None:
    script = "#!/bin/bash\n"
    folder = add_job(
        job_id=None, submit_command=["sbatch", FAR, "x"], watcher_script=text_digest(script)
    )
    (folder / WATCHER).write_text(script)
    far.has("23", "PENDING", TOKEN)

    (row,) = status(capsys)

    assert (row["job_id"], row["cluster"]) == ("23", "gpuland")
    assert (folder / f".dispatch_id.{TOKEN}").read_text() == "23\ngpuland\n"
    (watcher,) = far.calls("sbatch")
    assert watcher.startswith(f"--dependency=afterany:23 {FAR} ")


def test_the_cluster_of_a_killed_hooks_job_is_noted_though_the_job_has_started(
    far: OtherCluster, add_job: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its claim tells the id alone."""
    folder = add_job(job_id=None, submit_command=["sbatch", FAR, "x"])
    (folder / f".dispatch_claim.{TOKEN}").symlink_to("gpu1, process 5, now, job 23")
    far.has("23", "RUNNING", TOKEN)

    (row,) = status(capsys)

    assert (row["job_id"], row["cluster"]) == ("23", "gpuland")
    assert record_of(folder)["cluster"] == "gpuland"


def test_a_job_that_may_be_another_clusters_is_not_cancelled(
    tmp_path: Path, site: WriteSite, add_job: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    """A queue that does not say which cluster it speaks of, asked for several."""
    command = [str(tmp_path / "slurm/squeue"), "--noheader"]
    slurm = StandIn(tmp_path / "slurm", site, queue_command=command)
    folder = add_job(submit_command=["sbatch", "--clusters=a,b", "x"])
    slurm.has("17", "PENDING", TOKEN)

    assert main(["cancel", "Refine3D/job019"]) == 1

    assert slurm.calls("scancel") == []
    assert "may be another job" in capsys.readouterr().err
    assert not list(folder.glob("RELION_JOB_EXIT_*"))


def test_a_record_of_an_earlier_version_is_read_as_before(
    slurm: StandIn, add_job: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = add_job()
    record = json.loads((folder / "dispatch.json").read_text())
    assert "cluster" not in record
    slurm.has("17", "RUNNING", TOKEN)

    (row,) = status(capsys)

    assert (row["state"], row["cluster"]) == ("RUNNING", None)
    assert slurm.calls("squeue") == [""]


@pytest.mark.parametrize("cluster", ["--me", "a,b", "a b", ["a"]])
def test_a_cluster_that_no_scheduler_has_spoils_the_record(
    cluster: object, slurm: StandIn, add_job: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    add_job(cluster=cluster)

    (row,) = status(capsys)

    assert '"cluster"' in row["reason"]
    assert slurm.calls("squeue") == []
