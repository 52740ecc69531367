"""Submitting to a scheduler, and reading what it answers."""
