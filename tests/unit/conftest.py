"""What holds for all unit tests."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

# A machine that is busy is no fault of what is tested.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture(autouse=True)
def isolated(own_folders: None) -> None:
    """Each test has a cache and a site of its own, and no GPU."""
