"""What an admin asks about GPUs: what fits, on which card, and what a card really takes."""
