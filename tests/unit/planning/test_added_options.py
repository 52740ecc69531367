"""A type's scheduler_options are added to those of its base types."""

from __future__ import annotations

from typing import Any

import pytest

from dispatcher.config.configuration import load_configuration
from dispatcher.planning.matched_type import with_lineage
from dispatcher.site.overridden_check import overridden_values
from dispatcher.site.parameter_places import place_to_change

from ...fixture_types import WriteSite

BASE = ["--account=cryo", "--qos=short"]


def options(site: WriteSite, in_site_json: dict[str, Any], **in_types: Any) -> Any:
    """What a job of the type `refine` gets, which inherits from `gpu` and that from `submit`."""
    of = {name: {"scheduler_options": value} for name, value in in_types.items()}
    types = {
        "submit": {"match_command": "None"},
        "gpu": {"inherits": "submit", "match_command": "None"},
        "refine": {"inherits": "gpu", "match_command": "relion_refine"},
    }
    site(
        "dispatch_config.json",
        {name: {**kind, "job_parameters": of.get(name, {})} for name, kind in types.items()},
    )
    parameters = {name: {"scheduler_options": value} for name, value in in_site_json.items()}
    site("site.json", {"job_parameters": parameters})
    return with_lineage("refine", load_configuration()).parameters.get("scheduler_options")


@pytest.mark.parametrize(
    ("in_site_json", "in_types", "expected"),
    [
        ({"submit": BASE}, {}, BASE),
        ({"submit": BASE, "gpu": ["--qos=gpu"]}, {}, [*BASE, "--qos=gpu"]),
        ({"submit": BASE}, {"refine": ["--nice"]}, [*BASE, "--nice"]),
        ({"refine": ["--nice"]}, {"submit": BASE}, [*BASE, "--nice"]),
        ({"submit": ["--nice"]}, {"submit": BASE}, ["--nice"]),  # as for any key of site.json
        ({"submit": BASE, "gpu": [*BASE, "--nice"]}, {}, [*BASE, "--nice"]),  # as 0.1.0 needed it
        ({"submit": BASE, "gpu": None, "refine": ["--nice"]}, {}, ["--nice"]),
        ({"submit": BASE, "gpu": []}, {}, BASE),
        ({}, {}, None),
    ],
)
def test_options_add_up_along_the_lineage(
    in_site_json: dict[str, Any], in_types: dict[str, Any], expected: Any, site: WriteSite
) -> None:
    assert options(site, in_site_json, **in_types) == expected


def test_the_last_of_a_kind_stands_last(site: WriteSite) -> None:
    """Schedulers take the last one, also if a base type has said the same before."""
    levels = {"submit": ["--qos=a"], "gpu": ["--qos=b"], "refine": ["--qos=a"]}

    assert options(site, levels) == ["--qos=b", "--qos=a"]


def test_options_of_a_base_type_are_not_told_of_as_overridden(site: WriteSite) -> None:
    options(site, {"submit": BASE}, refine=["--nice"])
    configuration = load_configuration()

    assert list(overridden_values(configuration.site, configuration.job_types)) == []


def test_the_level_that_has_an_option_is_where_to_change_it(site: WriteSite) -> None:
    options(site, {"submit": BASE, "gpu": ["--nice"]}, refine=["--exclusive"])
    configuration = load_configuration()

    def place(option: str) -> str:
        key = "scheduler_options"
        found = place_to_change("refine", key, configuration.site, configuration.job_types, option)
        return found.partition(": ")[2]

    assert place("--qos=short") == 'key "job_parameters.submit.scheduler_options"'
    assert place("--nice") == 'key "job_parameters.gpu.scheduler_options"'
    assert place("--exclusive") == 'job type "refine", key "job_parameters.scheduler_options"'
