"""How many ranks and threads a job gets, on how many GPUs of which partition."""
