"""Two real users of one machine: one calls our programs, the other has prepared the folders."""
