"""The image catalogue: what ``relion-dispatch images …`` does."""
