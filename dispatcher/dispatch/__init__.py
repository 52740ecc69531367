"""From RELION's submission script to a job in the queue: the order of the steps."""
