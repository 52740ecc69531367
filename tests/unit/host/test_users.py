"""Names of users, and of those to whom files belong."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dispatcher.host import programs, users
from dispatcher.host.users import owner_of, owners_of, user_name


def test_users_have_names_and_numbers_where_they_have_none() -> None:
    assert user_name(0) == "root"
    assert user_name(4_000_000_001) == "user 4000000001"


def test_a_files_owner_is_named_even_if_the_file_has_gone(tmp_path: Path) -> None:
    assert owner_of(Path("/etc/passwd")) == "root"
    assert owners_of([tmp_path, tmp_path / "gone"]) == [user_name(os.getuid()), "its owner"]


class TestInTheAppliance:
    """There the host is asked; here `stat` runs on this machine, as the shell outside runs it."""

    @pytest.fixture(autouse=True)
    def inside(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The image knows nobody of the host."""
        monkeypatch.setattr(programs, "in_appliance", lambda: True)
        monkeypatch.setattr(users, "user_name", lambda uid: "nobody")

    def test_it_is_the_hosts_name_that_is_said(self) -> None:
        assert owners_of([Path("/"), Path("/etc/passwd")]) == ["root", "root"]
        assert owner_of(Path("/")) == "root"

    def test_many_files_are_many_answers(self, tmp_path: Path) -> None:
        files = [tmp_path / str(number) for number in range(450)]
        for file in files:
            file.touch()

        assert "nobody" not in owners_of(files)
        assert len(owners_of(files)) == 450

    @pytest.mark.skipif(os.getuid() != 0, reason="only root gives files away")
    def test_a_user_without_a_name_has_a_number(self, tmp_path: Path) -> None:
        (tmp_path / "-file\n").touch()
        os.chown(tmp_path / "-file\n", 4_000_000_001, 0)

        assert owner_of(tmp_path / "-file\n") == "user 4000000001"

    def test_a_host_that_does_not_answer_stops_nobody(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def no_answer(*_: object, **__: object) -> None:
            raise OSError

        monkeypatch.setattr(programs, "run", no_answer)

        assert owner_of(tmp_path) == "nobody"
