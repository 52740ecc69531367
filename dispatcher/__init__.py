"""The queue command for RELION on clusters with containers."""

__version__ = "0.2.0"
