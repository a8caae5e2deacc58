"""The command line: one face over the same questions and answers as Python."""

__all__ = ["main"]


def main() -> None:
    """Runs ``doworld`` and leaves with its exit code."""
    from doworld.cli.entry import run

    raise SystemExit(run())
