"""Building container images from recipes."""
