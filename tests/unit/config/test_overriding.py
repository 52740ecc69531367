"""A scheduler that does not say which variables override its arguments gets the usual ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dispatcher.config.site import load_site

OF_0_1_0 = ["SBATCH_", "SQUEUE_", "SCANCEL_", "SCONTROL_", "SLURM_CLUSTERS"]


def test_a_sites_own_scheduler_is_kept_from_what_0_1_0_kept_from_it(
    site: Callable[..., Path],
) -> None:
    own = {"submit_command": ["/usr/bin/sbatch"]}
    site("site.json", {"schedulers": {"own": own, "other": {**own, "overriding": ["MY_"]}}})

    schedulers = load_site().schedulers

    kept = {*OF_0_1_0, "SINFO_", "SACCT_"}  # `check` calls sinfo since, and `status` sacct
    assert kept <= set(schedulers["own"].overriding)
    assert kept <= set(schedulers["local"].overriding)
    assert schedulers["other"].overriding == ["MY_"]
