"""From a submission to a plan: everything decided for one job, and why."""
