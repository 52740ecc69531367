"""What was measured gets into site.json, and what is there stays."""

from __future__ import annotations

import json

import pytest

from dispatcher.commands.doctor_lines import report_lines
from dispatcher.config.partition import NodeKind, Partition
from dispatcher.doctor.asked import Asked
from dispatcher.doctor.facts import read_facts
from dispatcher.doctor.proposal import merged, proposal, write_proposal
from dispatcher.doctor.report import PlaceReport, Report
from dispatcher.errors import ConfigError

from ...fixture_types import WriteSite
from .test_checks import NODE


@pytest.fixture(autouse=True)
def isolated(own_folders: None) -> None:
    """The site is the test's own."""


def test_a_node_becomes_a_partition_of_site_json() -> None:
    assert proposal(read_facts(NODE)) == {"gpus": 4, "gpu_memory": "40960M"}


def test_what_was_not_seen_is_not_proposed() -> None:
    assert proposal(read_facts("host=n1\ncards_of_node=2\n")) == {"gpus": 2}


def test_cores_and_memory_of_the_machine_are_more_than_a_scheduler_hands_out() -> None:
    assert proposal(read_facts("host=n1\ncores=128\nmemory=263000000\n")) == {}


@pytest.mark.parametrize(
    ("shape", "said"),
    [(Partition(), "--write adds it"), (Partition(nodes=[NodeKind()]), "its kinds of nodes")],
)
def test_what_write_would_do_is_said(shape: Partition, said: str) -> None:
    place = PlaceReport(Asked("gpu", shape=shape), (), {"everything": read_facts(NODE)})

    (line,) = [line for _, line in report_lines(Report((place,))) if line.startswith("measured")]
    assert said in line


def test_slices_of_a_card_are_not_taken_for_the_card() -> None:
    divided = read_facts("card=A, 81559, 550, Default, Enabled, Enabled\n")

    assert "gpu_memory" not in proposal(divided)


def test_what_was_measured_is_added_and_what_is_there_stays(site: WriteSite) -> None:
    path = site("site.json", '{"__comment__": "ours", "partitions": {"gpu": {"cores": 30}}}')

    lines = write_proposal({"gpu": {"cores": 32, "gpus": 4}, "cpu": {"cores": 8}}, force=False)

    content = json.loads(path.read_text())
    assert content["__comment__"] == "ours"
    assert content["partitions"] == {"gpu": {"cores": 30, "gpus": 4}, "cpu": {"cores": 8}}
    assert [line.partition(": ")[2] for line in lines] == [
        "gpu: cores stays 30 (measured: 32; --force writes that)",
        "gpu: gpus: 4",
        "cpu: cores: 8",
    ]


def test_by_force_what_was_measured_replaces_what_is_there(site: WriteSite) -> None:
    path = site("site.json", '{"partitions": {"gpu": {"cores": 30}}}')

    write_proposal({"gpu": {"cores": 32}}, force=True)

    assert json.loads(path.read_text())["partitions"] == {"gpu": {"cores": 32}}


def test_a_guess_gives_way_to_what_was_measured_and_its_comment_goes(site: WriteSite) -> None:
    guess = "gpu_memory of a100 is a guess, from a table."
    section = {"__comment__": [guess, "time: ours."], "gpu_memory": "80G", "cores": 30}
    path = site("site.json", json.dumps({"partitions": {"gpu": section}}))

    write_proposal({"gpu": {"gpu_memory": "40960M", "cores": 32}}, force=False)

    assert json.loads(path.read_text())["partitions"]["gpu"] == {
        "__comment__": ["time: ours."],
        "gpu_memory": "40960M",
        "cores": 30,
    }


def test_a_partition_with_several_kinds_of_nodes_stays_as_it_is() -> None:
    section = {"nodes": [{"gpus": 4}, {"gpus": 8}]}

    (told,) = merged(section, {"gpus": 8}, force=True)

    assert section == {"nodes": [{"gpus": 4}, {"gpus": 8}]}
    assert told.endswith("(gpus: 8)")


def test_a_site_that_does_not_load_is_not_touched(site: WriteSite) -> None:
    path = site("site.json", '{"partition": {}}')

    with pytest.raises(ConfigError):
        write_proposal({"gpu": {"cores": 32}}, force=True)

    assert path.read_text() == '{"partition": {}}'
