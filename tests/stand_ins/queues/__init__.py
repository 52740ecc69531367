"""A stand-in for the daemons of a cluster, one dialect for each scheduler."""
