"""Container images: which one serves a job, whether its file is the right one, the catalogue."""
