"""How much memory the ranks of a job take: on their GPUs and on the host."""
