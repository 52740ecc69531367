"""``relion-dispatch site init``: what it writes, and what it leaves alone.

The scheduler's commands print what large clusters print; tests/system/test_site_init.py asks real
schedulers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from dispatcher.config.catalogue import load_catalogue
from dispatcher.config.configuration import load_configuration
from dispatcher.images.inspect import ImageReport
from dispatcher.images.integrity import sha256_of
from dispatcher.images.sif import read_header
from dispatcher.planning.make_plan import plan_script
from dispatcher.site.init import found_images
from dispatcher.site.init.here import of_this_machine

from ....fixture_types import CorpusJob, WriteSite
from ....sif_file import write_sif
from ...planning.planned import CLASSIC
from .conftest import TEXTS, Init

REFINE, EXTRACT = "relion-5.0.1/Refine3D_job011", "relion-5.0.1/Extract_job006"


@pytest.fixture
def on_slurm(print_as: Callable[[Mapping[str, str]], None]) -> None:
    print_as(TEXTS["slurm"])


def content(tmp_path: Path) -> dict[str, Any]:
    return dict(json.loads((tmp_path / "site" / "site.json").read_text()))


@pytest.mark.parametrize("scheduler", TEXTS)
def test_a_refinement_is_planned_for_a_gpu_partition_of_the_new_site(
    scheduler: str,
    print_as: Callable[[Mapping[str, str]], None],
    init: Init,
    images: Path,
    corpus_job: CorpusJob,
) -> None:
    print_as(TEXTS[scheduler])

    status, said = init()

    assert status == 0 and "wrote: " in said
    site = load_configuration().site
    assert site.scheduler == scheduler
    plan = plan_script(corpus_job(REFINE), load_configuration())
    of_gpus = site.job_parameters["gpu"]["partitions"]
    assert isinstance(of_gpus, list) and plan.job_parameters["partition"] in of_gpus
    assert plan.ngpu


def test_a_job_without_gpus_is_planned_for_a_partition_without(
    on_slurm: None, init: Init, images: Path, corpus_job: CorpusJob
) -> None:
    init()

    plan = plan_script(corpus_job(EXTRACT), load_configuration())

    assert (plan.job_parameters["partition"], plan.ngpu) == ("batch", 0)


def test_the_folder_is_made_and_the_same_is_written_each_time(
    on_slurm: None, init: Init, tmp_path: Path
) -> None:
    init(str(tmp_path / "a" / "b"))
    init(str(tmp_path / "c"))
    status, said = init(str(tmp_path / "c"))

    first, second = (tmp_path / name / "site.json" for name in ("a/b", "c"))
    assert first.read_bytes() == second.read_bytes()
    assert status == 0 and "says all that" in said


def test_what_nobody_could_tell_is_printed(on_slurm: None, init: Init) -> None:
    _, said = init()

    assert "asked: Slurm 24.05.4" in said
    assert "not known: How much memory the unheard_of of closed have" in said
    assert (
        'not known: Whether nodes have a local disk for particles: if they have, set "scratch"'
        in said
    )
    assert said.splitlines()[-1].endswith("`relion-dispatch check`")


def test_a_file_of_nothing_but_comments_is_written_anew(
    on_slurm: None, init: Init, site: WriteSite, tmp_path: Path
) -> None:
    """As an installation leaves it."""
    site("site.json", {"__comment__": "This site's settings."})

    assert init()[0] == 0
    assert content(tmp_path)["scheduler"] == "slurm"


def test_a_site_that_is_there_stays_and_the_differences_are_printed(
    on_slurm: None, init: Init, site: WriteSite
) -> None:
    path = site("site.json", {"scheduler": "slurm", "partitions": {"batch": {"cores": 40}}})
    before = path.read_bytes()

    status, said = init()

    assert status == 3
    assert path.read_bytes() == before
    assert f"differs: partitions.batch.cores: 48; {path} has 40" in said
    assert "differs: job_parameters: {" in said and "has nothing there" in said
    assert "unchanged: " in said


def test_update_adds_what_is_missing_and_keeps_the_rest(
    on_slurm: None, init: Init, site: WriteSite, tmp_path: Path
) -> None:
    ours = {"__comment__": "ours", "partitions": {"batch": {"__comment__": "old", "cores": 40}}}
    site("site.json", ours)

    status, said = init("--update")

    now = content(tmp_path)
    assert status == 3  # cores still differ
    assert now["__comment__"] == "ours" and now["scheduler"] == "slurm"
    assert now["partitions"]["batch"] == {
        "__comment__": "old",
        "cores": 40,
        "memory": "125G",
        "gpus": 0,
        "time": "7-00:00:00",
    }
    assert now["partitions"]["gpu"]["__comment__"]
    assert "added: partitions.batch.memory\n" in said
    assert "differs: partitions.batch.cores: 48" in said


def test_replace_keeps_the_file_that_was_there(
    on_slurm: None, init: Init, site: WriteSite, tmp_path: Path
) -> None:
    path = site("site.json", '{"scheduler": "local"}\n')

    for number in (1, 2):
        status, said = init("--replace")
        assert status == 0 and f"kept: {path}.{number}" in said

    assert Path(f"{path}.1").read_text() == '{"scheduler": "local"}\n'
    assert content(tmp_path)["scheduler"] == "slurm"


def test_print_writes_nothing(on_slurm: None, init: Init, tmp_path: Path) -> None:
    status, said = init("--print", str(tmp_path / "new"))

    assert status == 0 and json.loads(said)["scheduler"] == "slurm"
    assert not (tmp_path / "new").exists()


def test_base_types_that_the_site_does_not_have_are_left_out(
    on_slurm: None, init: Init, site: WriteSite, tmp_path: Path
) -> None:
    site("dispatch_config.json", CLASSIC)

    _, said = init()

    assert {*content(tmp_path)["job_parameters"]} == {"__comment__", "submit", "gpu"}
    assert "dispatch_config.json has no type external." in said
    load_configuration()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--scheduler", "lsf"], "The scheduler lsf does not answer here: run this command where"),
        (["--scheduler", "condor"], 'no way to ask a scheduler "condor": name one of gridengine'),
        (["--update", "--replace"], "exclude each other"),
        (["--images", "/nowhere"], "/nowhere is not a folder"),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_is_written(
    arguments: list[str], says: str, on_slurm: None, init: Init, tmp_path: Path
) -> None:
    status, said = init(*arguments)

    assert status == 1 and says in said
    assert not (tmp_path / "site" / "site.json").exists()


def test_if_several_schedulers_answer_one_must_be_named(
    print_as: Callable[[Mapping[str, str]], None], init: Init, tmp_path: Path
) -> None:
    print_as({**TEXTS["slurm"], **TEXTS["pbs"]})

    status, said = init()
    assert status == 1 and "These schedulers answer here: pbs, slurm. Name the one" in said

    assert init("--scheduler", "pbs")[0] == 0
    assert content(tmp_path)["scheduler"] == "pbs"


def test_a_site_that_does_not_load_is_not_touched(
    on_slurm: None, init: Init, site: WriteSite
) -> None:
    path = site("site.json", '{"partition": {}}')

    status, said = init("--update")

    assert status == 1 and "unknown key" in said
    assert path.read_text() == '{"partition": {}}'


def test_a_scheduler_that_inherits_is_asked_as_the_one_it_is_like(
    on_slurm: None, init: Init, site: WriteSite, tmp_path: Path
) -> None:
    site("site.json", {"schedulers": {"far": {"inherits": "slurm", "timeout": 5}}})

    status, _ = init("--scheduler", "far", "--update")

    assert status == 0
    assert content(tmp_path)["scheduler"] == "far"
    assert content(tmp_path)["schedulers"] == {"far": {"inherits": "slurm", "timeout": 5}}


# This machine alone


def test_without_a_scheduler_jobs_run_on_this_machine(
    print_as: Callable[[Mapping[str, str]], None], init: Init, tmp_path: Path, images: Path
) -> None:
    print_as({})

    status, said = init()

    assert status == 0 and "asked: this machine" in said
    assert load_configuration().site.scheduler == "local"


def test_the_least_memory_of_this_machines_cards_counts() -> None:
    said = "NVIDIA RTX A4000, 16376\nNVIDIA GeForce RTX 2080 Ti, 11264\n"

    found = of_this_machine(lambda: said).content

    assert found["partitions"]["here"]["gpu_memory"] == "11264M"
    assert "differ" in found["partitions"]["here"]["__comment__"]
    assert found["job_parameters"] == {"submit": {"partition": "here"}}


# Images


def test_images_in_the_folders_are_added_and_what_is_none_is_left_out(
    on_slurm: None, init: Init, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an image says of itself is made up; tests/system asks real images."""
    store = tmp_path / "store" / "below"
    store.mkdir(parents=True)
    write_sif(store / "relion.sif")
    (store / "link.sif").symlink_to("relion.sif")
    (store / "broken.sif").write_text("no image")
    (store / "README").touch()

    def report(file: Path, _: object) -> ImageReport:
        return ImageReport(read_header(file), sha256_of(file), {}, "5.1.0", "nvidia", "Open MPI",
                           ("relion_refine",), (), ())  # fmt: skip

    monkeypatch.setattr(found_images, "inspect", report)

    status, said = init("--images", str(tmp_path / "store"))

    assert status == 0
    (listed,) = load_catalogue(tmp_path / "site" / "images.json").builds()
    assert listed.path == store / "link.sif" or listed.path == store / "relion.sif"
    assert "image: relion 5.1.0 (cuda) (the default): " in said
    assert f"left out: {store}/broken.sif: " in said


def test_a_folder_without_images_is_said(on_slurm: None, init: Init, tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()

    assert (
        f"no file in {tmp_path}/store ends in .sif." in init("--images", str(tmp_path / "store"))[1]
    )
