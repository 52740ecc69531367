"""The site's files: what an admin writes, checked, and where each file lies."""
