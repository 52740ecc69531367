"""``python -m dispatcher``, and the console command ``relion-dispatch``."""

import sys

__all__ = ["main"]


def main() -> int:
    """Run the hook for ``submit SCRIPT`` without importing the command line's libraries."""
    if sys.argv[1:2] == ["submit"] and not {"-h", "--help"} & set(sys.argv):
        from .hook import main as hook

        return hook(sys.argv[2:])
    from .cli import main as command_line

    return command_line()


if __name__ == "__main__":
    sys.exit(main())
