"""Jobs that have been submitted: how they stand, how they end, and who is told."""
