"""What holds for all unit tests."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def isolated(own_folders: None) -> None:
    """Each test has a cache and a site of its own, and no GPU."""
