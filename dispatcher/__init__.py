"""The queue command for RELION on clusters with containers."""

__version__ = "0.1.0"
