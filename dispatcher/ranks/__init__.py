"""How many ranks a job has, and how they share its nodes and GPUs."""
