"""Does a partition, or this machine, have what jobs need? Small jobs look, and Python judges."""
