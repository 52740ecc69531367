"""The fields that a site adds to RELION's window: what site.json may say of them."""

from __future__ import annotations

import re
from typing import Any

import pytest

from dispatcher.config.site import load_site
from dispatcher.config.window import MEANINGS, MOST_FIELDS
from dispatcher.config.window_field import WindowField, as_limit, is_unset, reading
from dispatcher.errors import ConfigError
from dispatcher.units import seconds_of

from ...fixture_types import WriteSite


def window(site: WriteSite, fields: dict[str, Any]) -> Any:
    site("site.json", {"window": {"fields": fields}})
    return load_site().window


def test_the_shipped_fields(site: WriteSite) -> None:
    assert [*window(site, {}).offered] == ["time", "gpus", "memory", "account", "options"]


def test_a_site_changes_adds_and_takes_away(site: WriteSite) -> None:
    found = window(
        site, {"account": None, "time": {"most": "3d"}, "image": {}, "code": {"label": "Code:"}}
    )

    assert [*found.offered] == ["time", "gpus", "memory", "options", "image", "code"]
    assert found.label("time") == MEANINGS["time"].label
    assert (found.label("code"), found.label("gone")) == ("Code:", "gone:")
    assert found.help("image") == MEANINGS["image"].help


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"Time": {}}, "small letters, digits and _ in a field's name, found 'Time'"),
        ({"time": {"most": "long"}}, """most": expected a time like "48:00:00" or "3d", found"""),
        ({"gpus": {"least": "a100"}}, "gpus.least\": expected a number of GPUs, found 'a100'"),
        ({"code": {"most": 5}}, 'code.most": expected no bound for such a field, found 5'),
        ({"time": {"default": "5"}}, 'time.default": expected a time such as 12h'),
        ({"time": {"most": "1d", "default": "2d"}}, 'time.default": expected at most 1d'),
        ({"time": {"allowed": ["12h", "x"]}}, 'time.allowed": expected a time'),
        ({"time": {"label": "a\nb"}}, 'time.label": expected one line of text'),
        ({"time": {"alowed": []}}, 'unknown key; did you mean "allowed"?'),
        ({f"f{n}": {} for n in range(MOST_FIELDS)}, f"at most {MOST_FIELDS} fields, found 15"),
    ],
)  # fmt: skip
def test_what_cannot_be(fields: dict[str, Any], says: str, site: WriteSite) -> None:
    with pytest.raises(ConfigError, match=re.escape(says)):
        window(site, fields)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("12h", 43200), ("90 m", 5400), ("3D", 259200), ("12:00:00", 43200), ("2-12", 216000),
     ("2-0:30:00", 174600), ("0:00:59", 59)],
)  # fmt: skip
def test_times(text: str, seconds: int) -> None:
    found = reading("time", text, WindowField())

    assert not found.problem
    assert seconds_of(str(found.values["time"])) == seconds == as_limit("time", text)


@pytest.mark.parametrize(
    ("name", "text"),
    [("time", "0h"), ("time", "400d"), ("time", "-1h"), ("time", "12:30"), ("time", "٣h"),
     ("gpus", "-1"), ("gpus", "0"), ("gpus", "a100:"), ("gpus", ":2"), ("gpus", "a100:x"),
     ("gpus", "1000000"), ("gpus", "a;b"), ("memory", "0"), ("memory", "1e3"), ("memory", "-5"),
     ("memory", "99999999"), ("ranks_per_gpu", "0"), ("ranks_per_gpu", "two"), ("account", "a\tb"),
     ("options", "-"), ("options", "x" * 2000), ("options", "--x=1 --"), ("gpus", "all"),
     ("gpus", "2x"), ("gpus", "1.5"), ("gpus", "gpu:"), ("gpus", "3:2"), ("account", "-x")],
)  # fmt: skip
def test_what_no_field_means(name: str, text: str) -> None:
    assert reading(name, text, WindowField()).problem.startswith("expected ")


def test_left_to_the_dispatcher() -> None:
    assert all(map(is_unset, ["", " ", "auto", " Auto "]))
    assert not is_unset("automatic")
