"""What RELION writes and reads: submissions, commands, STAR files, exit files, pipelines."""
