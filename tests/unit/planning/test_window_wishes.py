"""What is typed into the site's fields of RELION's window is planned with, or refused."""

from __future__ import annotations

import copy
import json
import os
import pwd
from pathlib import Path
from typing import Any

import pytest

from dispatcher.config.window import FIELDS
from dispatcher.errors import DoesNotFit, ImageError, InputError
from dispatcher.images.pins import PIN_FILE

from ...fixture_types import CorpusJob, WriteSite
from ...scheduler_directives import directives
from .planned import CLASSIC, REFINE, SHAPE, Typed, plan
from .test_extra_fields import with_options

pytestmark = pytest.mark.usefixtures("images")

CTF = "relion-5.0.1/CtfFind_job003"
USER = pwd.getpwuid(os.getuid()).pw_name


def test_time_and_gpus(typed: Typed) -> None:
    planned = typed({"time": "12h", "gpus": "2"})

    assert planned.job_parameters["time"] == "12:00:00"
    assert directives(planned)["time"] == ["12:00:00"]
    assert (planned.ngpu, directives(planned)["gres"]) == (2, ["gpu:2"])
    assert "From RELION's window: Time limit 12h; GPUs per node 2." in planned.reasons
    assert planned.as_json()["window"] == {"time": "12h", "gpus": "2"}


@pytest.mark.parametrize("named", ["0:1:2:3", "0,1,2,3", '""', "3"])
def test_the_plan_chooses_the_devices(named: str, typed: Typed, site: WriteSite) -> None:
    """A job type of the FMI format names those of whole nodes."""
    types = copy.deepcopy(CLASSIC)
    types["gpu"]["relion_add_parameter"]["gpu"] = named
    site("dispatch_config.json", types)

    planned = typed({"gpus": "2"})

    assert (planned.ngpu, planned.commands[0].command.value("gpu")) == (2, "0:1")


@pytest.mark.parametrize("text", ["auto", "", " ", "AUTO", "XXXextra1XXX"])
def test_what_is_left_to_the_dispatcher(text: str, typed: Typed) -> None:
    planned = typed({"time": text, "gpus": text})

    assert not planned.window
    assert planned.ngpu == 4
    assert not [each for each in planned.reasons if "RELION's window" in each]


@pytest.mark.parametrize(
    ("fields", "parameters", "written"),
    [
        ({"gpus": "a100:2"}, {"gpu_type": "a100", "ngpu": 2}, ("gres", "gpu:a100:2")),
        ({"gpus": "a100"}, {"gpu_type": "a100"}, ("gres", "gpu:a100:4")),
        ({"memory": "200"}, {"mem": "200G"}, ("mem", "200G")),
        ({"account": "lab7"}, {"account": "lab7"}, ("account", "lab7")),
        ({"partition": "other"}, {"partition": "other"}, ("partition", "other")),
        ({"options": "--exclude node3 --nice=5"},
         {"scheduler_options": ["--exclude node3", "--nice=5"]}, ("nice", "5")),
    ],
)  # fmt: skip
def test_each_field(
    fields: dict[str, str], parameters: dict[str, Any], written: tuple[str, str], typed: Typed
) -> None:
    planned = typed(fields)

    assert parameters.items() <= planned.job_parameters.items()
    assert directives(planned)[written[0]] == [written[1]]


def test_ranks_per_gpu(typed: Typed) -> None:
    assert typed({"ranks_per_gpu": "1"}).gpu_fit.ranks_per_gpu == 1
    # What the site says of a card is the most.
    gpu = {"gpu": {**SHAPE, "ranks_per_gpu": 2}}
    assert typed({"ranks_per_gpu": "9"}, partitions=gpu).gpu_fit.ranks_per_gpu == 2


def test_less_memory_means_fewer_ranks(typed: Typed) -> None:
    small, all_of_it = typed({"memory": "20"}), typed({"memory": "auto"})

    assert small.nproc < all_of_it.nproc
    assert small.job_parameters["mem"] == "20G"
    assert any("RELION's window asks for 20.0 GiB" in each for each in small.reasons)


def test_no_rank_fits_into_the_memory(typed: Typed) -> None:
    with pytest.raises(DoesNotFit, match=r"but RELION's window asks for 5\.0 GiB; use .*there"):
        typed({"memory": "5"})


def test_an_account_goes_before_rules_and_options(typed: Typed) -> None:
    rules = [{"account": "lab1"}]
    planned = typed({"account": "lab7"}, accounts=rules)
    assert directives(planned)["account"] == ["lab7"]

    for option in ("--account=lab9", "-A lab9", "-Alab9", "--accou lab9"):
        with pytest.raises(InputError, match="names an account, for which there is a field"):
            typed({"options": option}, accounts=rules)


def test_a_program_that_uses_one_gpu_keeps_its_device(typed: Typed) -> None:
    for number in ("1", "4"):
        planned = typed({"gpus": number}, job="relion-5.0.1/ModelAngelo_job025")
        assert (planned.ngpu, planned.commands[0].command.value("d")) == (1, "0")
    assert any("uses one GPU" in each for each in planned.warnings)


def test_a_type_of_gpus_goes_nowhere_without_gpus(typed: Typed) -> None:
    cpu = {"cores": 64, "gpus": 0, "memory": "256G"}
    both = {"submit": {"partitions": ["cpu", "gpu"]}}

    planned = typed({"gpus": "a100"}, partitions={"cpu": cpu, "gpu": SHAPE}, job_parameters=both)

    assert planned.job_parameters["partition"] == "gpu"


@pytest.mark.parametrize("text", ["A100", "gpu:a100", "gpu:A100:4"])
def test_a_type_of_gpus_is_the_sites(text: str, typed: Typed) -> None:
    planned = typed({"gpus": text}, partitions={"gpu": {**SHAPE, "gpu_type": "a100"}})

    assert directives(planned)["gres"] == ["gpu:a100:4"]


@pytest.mark.parametrize(
    "fields", [{"gpus": "4", "memory": "20"}, {"gpus": "3", "ranks_per_gpu": "1"}]
)
def test_less_than_was_typed_is_told(fields: dict[str, str], typed: Typed) -> None:
    planned = typed(fields)

    assert planned.ngpu < int(fields["gpus"])
    assert any("that RELION's window asks for" in each for each in planned.warnings)


def test_more_ranks_than_were_typed_are_told(typed: Typed) -> None:
    planned = typed({"gpus": "1", "ranks_per_gpu": "1"})

    assert any("2 ranks share a GPU, and not 1" in each for each in planned.warnings)


def test_memory_for_fewer_ranks_of_a_type_without_a_model(typed: Typed) -> None:
    usual, small = typed({"memory": "auto"}, job=CTF), typed({"memory": "20"}, job=CTF)

    assert small.job_parameters["mem"] == "20G"
    assert 1 < small.nproc < usual.nproc


def test_a_version_has_no_say_where_there_is_no_image(typed: Typed) -> None:
    planned = typed({"image": "5.1.0"}, job="relion-5.0.1/External_job023")

    assert planned.image is None
    assert any("run in no image" in each for each in planned.warnings)


def test_the_pinned_version_is_still_held_against_its_digest(typed: Typed, project: Path) -> None:
    pin = {"version": "5.1.0", "sha256": {"cuda": "0" * 64}}
    (project / PIN_FILE).write_text(json.dumps({"images": {"relion": pin}}))

    with pytest.raises(ImageError, match="is not the file that this project has used"):
        typed({"image": "5.1.0"})
    assert typed({"image": "3.1.3"}).image


def test_another_partition_has_to_be_typed(typed: Typed) -> None:
    with pytest.raises(DoesNotFit, match='or write another partition into "Partition"'):
        typed({"gpus": "5", "partition": "other"})


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"gpus": "5"}, "RELION's window asks for 5 GPUs, and partition gpu has 4"),
        ({"memory": "300"}, r"asks for 300\.0 GiB of memory, and partition gpu has 256\.0 GiB"),
        ({"time": "3d"}, "asks for 72:00:00, and partition gpu gives a job 2-00:00:00 at most"),
        (
            {"gpus": "h100"},
            "expected auto or one of a100, found 'h100'",
        ),
    ],
)
def test_nothing_less_is_taken(fields: dict[str, str], says: str, typed: Typed) -> None:
    gpu = {**SHAPE, "time": "2-00:00:00", "gpu_type": "a100"}

    with pytest.raises((DoesNotFit, InputError), match=says):
        typed(fields, partitions={"gpu": gpu})

    larger = {"cores": 64, "gpus": 8, "gpu_memory": "24G", "memory": "512G"}
    both = {"submit": {"partitions": ["gpu", "large"]}}
    planned = typed(fields, partitions={"gpu": gpu, "large": larger}, job_parameters=both)
    assert planned.job_parameters["partition"] == "large"


@pytest.mark.parametrize(
    ("fields", "offered", "says"),
    [
        ({"time": "90"}, {}, '"Time limit" in RELION\'s window: expected a time such as 12h'),
        ({"gpus": "two GPUs"}, {}, '"GPUs per node" .*: expected a number of GPUs'),
        ({"gpus": "8"}, {"most": 4}, '"GPUs per node" .*: expected at most 4'),
        ({"memory": "much"}, {}, '"Memory per node \\(GiB\\)" .*: expected a number of GiB'),
        ({"account": "lab7"}, {"allowed": ["lab1", "lab2"]}, "expected auto or one of lab1, lab2"),
        ({"account": "a b"}, {"label": "Who pays?"}, '"Who pays\\?" .*: expected the name'),
        ({"partition": "gpus"}, {}, "expected auto or one of gpu, other, found 'gpus'"),
        ({"image": "9.9.9"}, {}, "expected auto or one of "),
        ({"options": "sh -c true"}, {}, "expected options that begin with -"),
        ({"options": "--comment='x"}, {}, "expected a closing quote"),
        ({"time": "12h"}, {"users": ["somebody"]}, 'is for somebody alone: write "auto" there'),
        ({"time": "12h"}, {"groups": ["no such group"]}, "is for no such group alone"),
    ],
)
def test_a_wrong_value_is_refused(
    fields: dict[str, str], offered: dict[str, Any], says: str, typed: Typed
) -> None:
    name = next(iter(fields))

    with pytest.raises(InputError, match=says):
        typed(fields, offered={name: offered})


def test_whoever_may_use_a_field_does(typed: Typed) -> None:
    assert typed({"time": "12h"}, offered={"time": {"users": [USER]}}).window


def test_a_default_counts_only_for_those_who_may_change_it(typed: Typed) -> None:
    field = {"users": ["somebody"], "default": "12h"}

    assert not typed({"time": "12h"}, offered={"time": field}).window


def test_a_window_that_was_opened_before_the_site_changed_its_fields(typed: Typed) -> None:
    """The order of the window holds, not that of today."""
    offered = {"gpus": {}, "memory": {}, "time": {}}

    planned = typed({"time": "12h", "gpus": "2"}, offered=offered)

    assert (planned.job_parameters["time"], planned.ngpu) == ("12:00:00", 2)


def test_a_field_that_the_site_offers_no_more(typed: Typed) -> None:
    with pytest.raises(InputError, match=r"does not offer that field \(any more\)"):
        typed({"memory": "64"}, offered={"memory": None, "time": {}})


def test_nothing_tells_which_fields_these_are(
    typed: Typed, monkeypatch: pytest.MonkeyPatch, corpus_job: CorpusJob
) -> None:
    """A Scheme of elsewhere, or RELION in an environment of its own."""
    typed({"time": "auto"})
    monkeypatch.delenv(FIELDS)

    planned = plan(with_options(corpus_job(REFINE), "qsub_extra1 12h", "qsub_extra2 auto"))

    assert not planned.window
    assert planned.extra_fields == {"qsub_extra1": "12h", "qsub_extra2": "auto"}
    assert any("qsub_extra1: 12h (job.star) is for the site" in each for each in planned.reasons)


def test_a_field_of_the_sites_own_is_for_its_templates(typed: Typed) -> None:
    planned = typed({"project_code": "X 7"})

    assert planned.window == {"project_code": "X 7"}
    assert "From RELION's window: project_code X 7." in planned.reasons


def test_jobs_without_gpus_leave_them_out(typed: Typed) -> None:
    planned = typed({"gpus": "2", "time": "2h"}, job=CTF)

    assert (planned.ngpu, dict(planned.window)) == (0, {"time": "2h"})
    assert any('"GPUs per node" 2 is left out' in each for each in planned.warnings)


def test_jobs_of_this_machine_wait_in_no_queue(typed: Typed) -> None:
    planned = typed(
        {"time": "2h", "account": "lab", "options": "--x"}, scheduler="local", job_parameters={}
    )

    assert not planned.window
    assert len([each for each in planned.warnings if "waits in no queue" in each]) == 3


def test_a_version_for_this_job_alone(typed: Typed, images: Path) -> None:
    versions = ["3.1.3", "5.0.1"]
    usual = typed({"image": "auto"}).image
    assert usual
    other = next(each for each in versions if each != usual.version)

    planned = typed({"image": other})

    assert planned.image and planned.image.version == other
    assert planned.image.of_this_job
    assert "RELION's window, for this job alone" in planned.image.reason
