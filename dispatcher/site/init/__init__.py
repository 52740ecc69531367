"""What a new site's site.json says: from the scheduler's own words to a file with comments."""
