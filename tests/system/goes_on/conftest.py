"""How a job goes on is the matter of its script, and of RELION."""

from __future__ import annotations

import pytest


@pytest.fixture
def form() -> str:
    """Whatever form the dispatcher has."""
    return "python"
