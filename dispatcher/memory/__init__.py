"""How many bytes the ranks of a job hold: on their GPUs and on the host."""
