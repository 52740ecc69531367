"""A site as one file, and set up again elsewhere: what ``relion-dispatch site …`` does."""
