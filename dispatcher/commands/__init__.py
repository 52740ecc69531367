"""The sub-commands of relion-dispatch, one module for each group."""
