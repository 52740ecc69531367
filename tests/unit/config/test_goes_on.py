"""``goes_on``: what site.json, a job type, a scheduler and RELION's window may say of it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from dispatcher.config.configuration import load_configuration
from dispatcher.config.goes_on import GoesOnSetting, goes_on_setting
from dispatcher.config.site import load_site
from dispatcher.config.window_field import WindowField, reading
from dispatcher.errors import ConfigError

from ...fixture_types import WriteSite

SHIPPED = GoesOnSetting(after=None, at_most=10, gives_up_after=2)


def test_jobs_do_not_go_on_as_shipped(site: WriteSite) -> None:
    site("site.json", {})

    assert load_site().goes_on is False


@pytest.mark.parametrize("said", [True, {}, {"at_most": 3}, False])
def test_what_was_checked_before_is_the_same_when_it_comes_from_the_cache(
    said: Any, site: WriteSite
) -> None:
    site("site.json", {"goes_on": said})

    first, second = load_site().goes_on, load_site().goes_on

    assert first == second
    assert isinstance(second, GoesOnSetting) == isinstance(said, dict)


@pytest.mark.parametrize(
    ("said", "says"),
    [
        (3, 'key "goes_on": expected a JSON object {…} or boolean, found 3'),
        ({"affter": []}, 'key "goes_on.affter": unknown key; did you mean "after"?'),
        ({"after": ["power"]}, "key \"goes_on.after.0\": expected 'time_limit', 'preemption'"),
        ({"after": []}, 'key "goes_on.after": expected one or more of time_limit'),
        ({"at_most": 0}, 'goes_on.at_most": expected a whole number from 1 to 1000, found 0'),
        ({"queued_ahead": 101}, 'queued_ahead": expected a whole number from 0 to 100, found 101'),
        ({"queued_ahead": -1}, 'queued_ahead": expected a whole number from 0 to 100, found -1'),
        ({"gives_up_after": True}, 'goes_on.gives_up_after": expected a number, found true'),
    ],
)
def test_what_cannot_be(said: Any, says: str, site: WriteSite) -> None:
    site("site.json", {"goes_on": said})

    with pytest.raises(ConfigError, match=re.escape(says)) as error:
        load_site()

    assert "site.json" in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_a_job_type_is_checked_alike(site: WriteSite) -> None:
    types = {"refine": {"match_command": "relion_refine", "goes_on": {"at_most": 2000}}}
    site("site.json", {})
    site("dispatch_config.json", types)

    says = 'job type "refine", key "goes_on.at_most": expected a whole number from 1 to 1000'
    with pytest.raises(ConfigError, match=re.escape(says)):
        load_configuration()


def test_a_scheduler_names_causes_alone(site: WriteSite) -> None:
    site("site.json", {"schedulers": {"slurm": {"goes_on_after": ["time"]}}})

    with pytest.raises(ConfigError, match=r"goes_on_after\.0\": expected 'time_limit'"):
        load_site()


@pytest.mark.parametrize(
    ("said", "wanted", "expected"),
    [
        (False, None, None),
        (True, None, SHIPPED),
        (False, True, SHIPPED),
        (True, False, None),
        (GoesOnSetting(at_most=3), True, GoesOnSetting(at_most=3)),
        (GoesOnSetting(at_most=3), False, None),
    ],
)
def test_the_field_of_the_window_turns_it_on_and_off(
    said: Any, wanted: bool | None, expected: GoesOnSetting | None
) -> None:
    assert goes_on_setting(said, wanted) == expected


@pytest.mark.parametrize(("text", "means"), [("Yes", True), ("no", False)])
def test_the_field_takes_the_words_of_relion(text: str, means: bool) -> None:
    assert reading("goes_on", text, WindowField()).values == {"goes_on": means}


def test_the_field_takes_no_other_word() -> None:
    assert reading("goes_on", "true", WindowField()).problem == "expected Yes or No, found 'true'"


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ({"options": []}, 'next_run.options": one of them needs {job_id}'),
        ({"queued_ahead": 101}, 'next_run.queued_ahead": expected a whole number from 0 to 100'),
    ],
)
def test_what_cannot_be_of_a_scheduler(said: Any, says: str, site: WriteSite) -> None:
    site("site.json", {"schedulers": {"pbs": {"next_run": said}}})

    with pytest.raises(ConfigError, match=re.escape(says)):
        load_site()
