"""``relion-dispatch check`` names values of site.json that do not hold where they seem to."""

from __future__ import annotations

import pytest

from dispatcher.config.configuration import load_configuration
from dispatcher.site.check import remarks
from dispatcher.site.overridden_check import overridden_values

from ...fixture_types import WriteSite
from .checked_site import TYPES

pytestmark = pytest.mark.usefixtures("images", "programs")

BELOW = {"inherits": "refine", "match_command": "relion_refine", "job_parameters": {"nproc": 5}}


def found() -> list[str]:
    configuration = load_configuration()
    return list(overridden_values(configuration.site, configuration.job_types))


def test_a_value_that_types_below_override_is_named_with_them(site: WriteSite) -> None:
    types = site("dispatch_config.json", {"class3d": BELOW, **TYPES})
    path = site("site.json", {"job_parameters": {"refine": {"nproc": 3, "nthread": 2}}})

    assert found() == [
        f'{path}: key "job_parameters.refine.nproc" does not hold for job type "class3d": {types} '
        "has another value there. If you want this value there as well, name them in "
        '"job_parameters" too.'
    ]
    assert found()[0] in remarks()


@pytest.mark.parametrize(
    "parameters",
    [
        {"refine": {"nproc": 5}},
        {"refine": {"nproc": 3}, "class3d": {"nproc": 4}},
        {"class3d": {"nproc": 4}},
        {"submit": {"mem": "3G"}},
    ],
)
def test_a_value_that_holds_or_that_the_site_overrides_itself_is_not_named(
    parameters: dict[str, dict[str, object]], site: WriteSite
) -> None:
    site("dispatch_config.json", {"class3d": BELOW, **TYPES})
    site("site.json", {"job_parameters": parameters})

    assert found() == []


def test_partition_and_partitions_override_each_other(site: WriteSite) -> None:
    own = {**BELOW, "job_parameters": {"partition": "big"}}
    site("dispatch_config.json", {"class3d": own, **TYPES})
    site(
        "site.json",
        {"partitions": {"gpu": {}}, "job_parameters": {"submit": {"partitions": ["gpu"]}}},
    )

    (sentence,) = found()

    assert 'key "job_parameters.submit.partitions" does not hold for job type "class3d"' in sentence


def test_an_image_that_types_do_not_take_is_named(site: WriteSite) -> None:
    site("dispatch_config.json", TYPES)
    site("site.json", {"image": "ours"})

    (sentence,) = found()

    assert 'key "image" does not hold for job type "refine"' in sentence
