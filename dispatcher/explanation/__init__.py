"""Why is a job as it is, and what became of it? For a person, on one screen."""
