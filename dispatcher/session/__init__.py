"""RELION in its container, with the queue outside: what ``relion-dispatch relion`` does."""
