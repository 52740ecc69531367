"""Looking after a site: checking its configuration, and moving it elsewhere."""
