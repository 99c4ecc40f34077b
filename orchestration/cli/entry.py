"""The console script's way in, kept free of imports.

Worker processes are spawned and import the parent's main module again: whatever stood here at the
top, Dagster above all, every worker would load for nothing.
"""

import sys

_LIGHT_COMMANDS = ("predict",)


def main() -> None:
    """Run the command line."""
    if find_command(sys.argv[1:]) in _LIGHT_COMMANDS:
        from orchestration.cli.light import main as run
    else:
        from orchestration.cli.main import main as run
    run()


def find_command(words: list[str]) -> str | None:
    """Return the command among the words of a command line; None where options hide it."""
    waiting = iter(words)
    for word in waiting:
        if word in ("-C", "--workspace"):
            next(waiting, None)
        elif not word.startswith("-"):
            return word
    return None


if __name__ == "__main__":
    main()
