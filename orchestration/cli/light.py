"""The commands that need no Dagster, as a command line of their own that starts without it.

`orchestration.cli.main` has them too: which of the two is run changes nothing but the time.
"""

import typer

from orchestration.cli.frame import options, run_app
from orchestration.cli.predict import predict
from transforms.processes import spare_collector

app = typer.Typer(
    name="gaitworks",
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.callback()(options)
app.command()(predict)


def main() -> None:
    """Run the command line."""
    with spare_collector():
        run_app(app)
