"""How a sentence names several job types."""

from __future__ import annotations

import pytest

from dispatcher.site.job_type_check import named


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (1, 'job type "a"'),
        (3, 'job types "a", "b", "c"'),
        (4, 'job types "a", "b", "c", "d"'),
        (5, 'job types "a", "b", "c" and 2 more'),
    ],
)
def test_no_single_name_is_hidden(number: int, expected: str) -> None:
    assert named(list("abcde"[:number])) == expected
