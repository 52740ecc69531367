"""A job that goes on, for tests: its settings, and calls and files of its runs."""

from __future__ import annotations

from .conftest import TOKEN, Shell

__all__ = ["CLAIM", "CUT", "GOES_ON", "RECORD", "REFINE", "SECOND", "UNFINISHED", "claim"]

GOES_ON = (
    "dispatch_goes_on_after=(time_limit lost_node)",
    "dispatch_goes_on_at_most=3",
    "dispatch_gives_up_after=2",
)
CLAIM = f".dispatch_claim.{TOKEN}"
RECORD = f"dispatch.run.{TOKEN}"

REFINE = "prepare_to_go_on refine Refine3D/job001/run"
UNFINISHED = "prepare_to_go_on unfinished Refine3D/job001"
SECOND = (
    "dispatch_run=2; dispatch_control=$dispatch_job/.dispatch_control.$(run_token 2); "
    "open_control; "
)
CUT = 'learn_why_cut 15; give_up_if_idle; echo "cut:$dispatch_cut:$dispatch_reason"'


def claim(shell: Shell, number: int, job: str = "17", by: str = "gpu1, process 5, 2026") -> None:
    """Make the claim of a run."""
    name = CLAIM if number == 1 else f"{CLAIM}.{number}"
    (shell.job / name).symlink_to(f"{by}, job {job}")
