"""What RELION's window shows of a site: the variables that follow from its configuration."""

from __future__ import annotations

from typing import Any

import pytest

from dispatcher.config.catalogue import load_catalogue
from dispatcher.config.configuration import Configuration
from dispatcher.config.job_types import load_job_types
from dispatcher.config.places import shipped_folder
from dispatcher.config.site import checked_site
from dispatcher.config.window import MOST_FIELDS
from dispatcher.planning.window_variables import WindowVariables, window_variables

GPU = {"cores": 64, "gpus": 4, "gpu_memory": "48G"}


def variables(**site: Any) -> WindowVariables:
    """Those of a Slurm site with this in its site.json, and the shipped job types."""
    config = shipped_folder() / "config"
    return window_variables(
        Configuration(
            checked_site({"scheduler": "slurm", **site}, config / "site.json"),
            load_job_types(config / "dispatch_config.json"),
            load_catalogue(config / "images.json"),
        )
    )


def test_the_shipped_fields_stand_in_their_order() -> None:
    fields = variables().fields

    assert fields["RELION_QSUB_EXTRA_COUNT"] == "5"
    assert fields["RELION_DISPATCH_FIELDS"] == "time,gpus,memory,account,options"
    assert fields["RELION_QSUB_EXTRA1"] == "Time limit:"
    assert fields["RELION_QSUB_EXTRA2_DEFAULT"] == "auto"
    assert fields["RELION_QSUB_EXTRA3_HELP"].startswith("How much memory")
    assert len(fields) == 2 + 3 * 5


def test_a_site_changes_takes_away_and_adds_fields() -> None:
    window = {
        "fields": {
            "time": {"label": "Hours:", "default": "12h", "help": "Mind the queue."},
            "gpus": None,
            "memory": None,
            "account": None,
            "options": {"default": " "},
            "beamline": {},
        }
    }

    fields = variables(window=window).fields

    assert fields == {
        "RELION_QSUB_EXTRA_COUNT": "3",
        "RELION_QSUB_EXTRA1": "Hours:",
        "RELION_QSUB_EXTRA1_DEFAULT": "12h",
        "RELION_QSUB_EXTRA1_HELP": "Mind the queue.",
        "RELION_QSUB_EXTRA2": "Further queue options:",
        "RELION_QSUB_EXTRA2_DEFAULT": "auto",
        "RELION_QSUB_EXTRA2_HELP": fields["RELION_QSUB_EXTRA2_HELP"],
        "RELION_QSUB_EXTRA3": "beamline:",
        "RELION_QSUB_EXTRA3_DEFAULT": "auto",
        "RELION_QSUB_EXTRA3_HELP": "auto: nothing.",
        "RELION_DISPATCH_FIELDS": "time,options,beamline",
    }


def test_a_window_may_have_no_field_and_as_many_as_the_template_has_lines_for() -> None:
    shipped = dict.fromkeys(["time", "gpus", "memory", "account", "options"])
    none = variables(window={"fields": shipped}).fields
    most = {f"own_{n}": {} for n in range(MOST_FIELDS)}

    assert none == {"RELION_QSUB_EXTRA_COUNT": "0", "RELION_DISPATCH_FIELDS": ""}
    assert variables(window={"fields": {**shipped, **most}}).fields["RELION_QSUB_EXTRA10"]


@pytest.mark.parametrize(
    ("job_parameters", "queue"),
    [
        ({}, "auto"),  # what is typed counts; and the scheduler chooses if nothing is
        ({"submit": {"partition": "gpu"}}, "gpu"),
        ({"submit": {"partition": "not described"}}, "not described"),
        ({"submit": {"partitions": ["gpu", "large"]}}, "auto"),
        ({"submit": {"partition": "gpu"}, "cpu": {"partition": "large"}}, "auto"),
        ({"submit": {"partition": "gpu\n"}}, "auto"),
        # A program with a window of its own waits in no queue.
        ({"submit": {"partition": "gpu"}, "interactive": {"partition": "large"}}, "gpu"),
    ],
)
def test_the_queue_is_named_if_all_jobs_go_to_one(
    job_parameters: dict[str, Any], queue: str
) -> None:
    partitions = {"gpu": GPU, "large": {"cores": 128}}
    found = variables(partitions=partitions, job_parameters=job_parameters)

    assert found.defaults["RELION_QUEUE_NAME"] == queue


@pytest.mark.parametrize(
    ("partitions", "nodes", "sliders"),
    [
        ({}, 1, (None, None)),
        ({"gpu": {"gpus": 4}}, 1, (None, None)),
        ({"gpu": GPU, "cpu": {"cores": 24}}, 1, ("64", "64")),
        ({"gpu": {"nodes": [{"cores": 16}, {"cores": 32}]}}, 1, ("32", "32")),
        ({"gpu": GPU}, 3, ("192", "64")),
        ({"gpu": {"cores": 1}}, 1, ("3", "2")),
        ({"gpu": {"cores": 384}}, 4, ("256", "256")),
    ],
)
def test_sliders_end_at_the_largest_node(
    partitions: dict[str, Any], nodes: int, sliders: tuple[str | None, str | None]
) -> None:
    found = variables(partitions=partitions, job_parameters={"gpu": {"nodes": nodes}}).defaults

    assert (found.get("RELION_MPI_MAX"), found.get("RELION_THREAD_MAX")) == sliders


@pytest.mark.parametrize(
    ("site", "folder"),
    [
        ({}, None),
        ({"scratch": {"folder": "/scratch"}}, "/scratch"),
        ({"scratch": {"folder": "$TMPDIR"}}, None),
        ({"scratch": {"folder": "/local/$USER"}}, None),
        ({"scratch": {"folder": "/scratch"}, "partitions": {"gpu": GPU}}, "/scratch"),
        ({"partitions": {"gpu": {**GPU, "scratch": {"folder": "/ssd"}}}}, "/ssd"),
        (
            {
                "scratch": {"folder": "/scratch"},
                "partitions": {"gpu": GPU, "fast": {"scratch": {"folder": "/ssd"}}},
            },
            None,
        ),
    ],
)
def test_scratch_is_a_folder_that_all_nodes_have(site: dict[str, Any], folder: str | None) -> None:
    assert variables(**site).defaults.get("RELION_SCRATCH_DIR") == folder


def test_no_default_is_more_than_relion_can_hold() -> None:
    """RELION keeps RELION_QSUB_NRMPI in a char: 200 became -56 in 5.1.0."""
    assert not [name for name in variables(partitions={"gpu": GPU}).defaults if "_NR" in name]


def test_a_user_decides_on_relions_own_fields_and_never_on_the_others() -> None:
    found = WindowVariables(
        {"RELION_QSUB_EXTRA_COUNT": "1", "RELION_DISPATCH_FIELDS": "time"},
        {"RELION_QUEUE_NAME": "gpu", "RELION_MPI_MAX": "64"},
    )
    mine = {
        "RELION_QUEUE_NAME": "mine",
        "RELION_QSUB_EXTRA_COUNT": "3",
        "RELION_QSUB_EXTRA3": "Days:",
        "RELION_QSUB_EXTRA3_DEFAULT": "2",
        "RELION_DISPATCH_FIELDS": "gpus,time,days",
        "HOME": "/home/me",
    }

    assert found.laid_upon(mine) == {
        "RELION_QUEUE_NAME": "mine",
        "RELION_MPI_MAX": "64",
        "RELION_QSUB_EXTRA_COUNT": "1",
        "RELION_DISPATCH_FIELDS": "time",
        "HOME": "/home/me",
    }
