"""Running a recorded job again: what ``relion-dispatch reproduce`` does."""
