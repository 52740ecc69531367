"""The page of the shipped job types is up to date, and the command prints the site's own."""

from __future__ import annotations

import json

import pytest

from dispatcher.cli import main
from docs.making.type_page import PAGE, type_page

from ...fixture_types import WriteSite


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == type_page(), "run docs/update.sh"


def test_the_command_has_what_the_site_changed(
    site: WriteSite, capsys: pytest.CaptureFixture[str]
) -> None:
    parameters = {"gpu": {"nproc": 5, "partitions": ["gpu", "big"]}, "refine": {"mem": "200G"}}
    site("site.json", {"partitions": {"gpu": {}, "big": {}}, "job_parameters": parameters})

    assert main(["types"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert main(["types", "--json"]) == 0
    described = {each["name"]: each for each in json.loads(capsys.readouterr().out)}

    assert lines["refine"].split()[1:5] == ["submit", "→", "gpu", "5"]
    assert "  200G  " in lines["refine"]
    assert "  gpu, big  " in lines["class3d"]
    assert "relion_refine --auto_refine" in lines["refine"]
    assert described["refine"]["job_parameters"]["mem"] == "200G"
    assert described["refine"]["lineage"] == ["submit", "gpu", "refine"]
    assert not described["gpu"]["takes_jobs"]
