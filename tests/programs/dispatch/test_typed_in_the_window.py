"""What RELION has written from its window's fields, from the hook to the job or the refusal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dispatcher.config.json_files import read_json
from dispatcher.config.window import FIELDS
from dispatcher.images.pins import PIN_FILE
from dispatcher.jobs.record import RECORD
from dispatcher.relion.submission_forms import is_from_our_template

from ...fixture_types import CorpusJob, WriteSite
from ..hook_calls import call_hook
from ..stand_in_scheduler import StandIn, record_of

ROOT = Path(__file__).parents[3]
TEMPLATE = ROOT / "job_template" / "relion_template.sh"
JOB = "relion-5.0.1/Refine3D_job011"
pytestmark = pytest.mark.usefixtures("images")


@pytest.fixture
def script(corpus_job: CorpusJob, tmp_path: Path, site: WriteSite) -> Path:
    """A job of a site with GPUs, on Slurm."""
    StandIn(tmp_path / "scheduler", site)
    content = read_json(tmp_path / "site" / "site.json")
    shape = {"cores": 64, "gpus": 4, "gpu_memory": "24G", "memory": "256G"}
    content["partitions"] = {"gpu": shape}
    content["window"] = {"fields": {"image": {}, "gpus": {"most": 2}}}
    site("site.json", content)
    return corpus_job(JOB)


def fill(script: Path, *fields: str) -> None:
    """What RELION makes of our template with these texts in the fields of its window."""
    outfile, errfile, *commands = script.read_text().rstrip("\n").split("\n")
    text = TEMPLATE.read_text()
    for number, typed in enumerate(fields, 1):
        text = text.replace(f"XXXextra{number}XXX\n", f"{typed}\n")
    for word, value in (
        ("outfile", outfile), ("errfile", errfile), ("name", f"{Path(outfile).parent}/"),
        ("mpinodes", "5"), ("threads", "4"), ("command", "\n".join(commands)),
    ):  # fmt: skip
        text = text.replace(f"XXX{word}XXX", value)
    script.write_text(text)
    assert is_from_our_template(script)


def test_a_time_and_two_gpus(script: Path) -> None:
    fill(script, "12h", "2", "auto", "", "--nice=5")

    done = call_hook(script, **{FIELDS: "time,gpus,memory,account,options"})

    assert done.returncode == 0, done.stderr
    text = script.with_suffix(".script.run").read_text()
    for directive in ("--time=12:00:00", "--gres=gpu:2", "--nice=5"):
        assert f"\n#SBATCH {directive}\n" in text
    assert record_of(script.parent)["window"] == {"time": "12h", "gpus": "2", "options": "--nice=5"}
    assert "From RELION's window: Time limit 12h; GPUs per node 2" in text


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("a week", '"Time limit" in RELION\'s window: expected a time such as 12h, 3d'),
        ("12h\\n--mem=0", '"Time limit" in RELION\'s window'),
        ("$(touch owned)", '"Time limit" in RELION\'s window'),
    ],
)
def test_a_wrong_value_is_refused_where_the_user_sees_it(
    typed: str, says: str, script: Path, project: Path
) -> None:
    fill(script, typed)

    assert call_hook(script, **{FIELDS: "time,gpus"}).returncode == 1

    assert says in (script.parent / "run.err").read_text()
    assert (script.parent / "RELION_JOB_EXIT_FAILURE").exists()
    assert not (project / "owned").exists()
    assert not (script.parent / RECORD).exists()


def test_the_order_is_that_of_the_window(script: Path) -> None:
    """The admin has changed the order since the window was opened."""
    fill(script, "2", "12h")

    assert call_hook(script, **{FIELDS: "gpus,time"}).returncode == 0

    record = record_of(script.parent)
    assert (record["ngpu"], record["job_parameters"]["time"]) == (2, "12:00:00")


def test_a_version_for_one_job_pins_nothing(script: Path, project: Path) -> None:
    fill(script, "3.1.3")
    assert call_hook(script, **{FIELDS: "image"}).returncode == 0
    assert record_of(script.parent)["image"]["version"] == "3.1.3"
    assert not (project / PIN_FILE).exists()

    fill_again = script.read_text().replace("extra1: 3.1.3", "extra1: auto")
    (script.parent / RECORD).unlink()
    script.write_text(fill_again)
    assert call_hook(script, **{FIELDS: "image"}).returncode == 0
    assert json.loads((project / PIN_FILE).read_text())["images"]["relion"]["version"] == "5.1.0"
