"""What shells complete by, and manual pages: made from the command line's own help."""
