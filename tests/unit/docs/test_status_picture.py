"""docs/status.svg shows what status shows."""

from __future__ import annotations

import re
import time

import pytest

from docs.making.status_picture import PICTURE, status_picture


def test_the_picture_is_up_to_date() -> None:
    assert PICTURE.read_text(encoding="utf-8") == status_picture(), "run docs/update.sh"


def test_the_picture_is_the_same_in_each_zone_and_needs_nothing_from_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = status_picture()
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert status_picture() == here
    finally:
        monkeypatch.undo()
        time.tzset()
    assert set(re.findall(r"https?://[^\s\"]+", here)) == {
        "http://www.w3.org/2000/svg", "https://www.textualize.io",
    }  # fmt: skip
    assert "url(http" not in here


def test_the_picture_shows_a_job_of_each_kind() -> None:
    text = status_picture().replace("&#160;", " ")

    for says in ("17 of 25", "15:41", "since 11:52 (2 h 48 min)", "AssocGrpGRES", "224 more jobs"):
        assert says in text
