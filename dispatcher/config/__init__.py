"""The site's files: what an admin writes, checked, and the path of each file."""
