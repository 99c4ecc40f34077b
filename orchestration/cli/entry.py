"""The console script's way in, kept free of imports.

Worker processes are spawned and import the parent's main module again: whatever stood here at the
top, Dagster above all, every worker would load for nothing.
"""


def main() -> None:
    """Run the command line."""
    from orchestration.cli.main import main as run

    run()


if __name__ == "__main__":
    main()
