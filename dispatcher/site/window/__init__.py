"""What makes RELION's window the site's, for the shells and modules in which users start it."""
