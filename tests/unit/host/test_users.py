"""Names of users."""

from __future__ import annotations

from dispatcher.host.users import user_name


def test_users_have_names_and_numbers_where_they_have_none() -> None:
    assert user_name(0) == "root"
    assert user_name(4_000_000_001) == "user 4000000001"
