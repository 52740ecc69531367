"""What did the site's jobs use, what was wasted, and what would help?"""
