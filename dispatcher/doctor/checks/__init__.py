"""What do the facts that a probe found say? Each module has the questions on one subject."""
