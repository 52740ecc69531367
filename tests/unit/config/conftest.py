"""The job types as shipped."""

from __future__ import annotations

import pytest

from dispatcher.config.job_types import JobType, load_job_types
from dispatcher.config.places import shipped_folder


@pytest.fixture(scope="module")
def types(tmp_path_factory: pytest.TempPathFactory) -> dict[str, JobType]:
    """By name, read once for all tests of a file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        return load_job_types(shipped_folder() / "config" / "dispatch_config.json").types
