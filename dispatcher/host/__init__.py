"""The machine that the dispatcher runs on: programs, shell words, locks, files."""
