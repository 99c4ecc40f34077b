"""The `gaitworks` command line with all its commands."""

import typer

from orchestration.cli import (
    audit,
    cohort,
    doctor,
    gap,
    interchange,
    pipeline,
    predict,
    preset,
    release,
    shards,
    weights,
)
from orchestration.cli.frame import options, run_app

app = typer.Typer(
    name="gaitworks",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help=(
        "From raw walking videos to silhouette datasets and results that can be verified.\n\n"
        "Start with `gaitworks demo`: it makes a synthetic cohort and takes it all the way. With "
        "your own videos: put a batch under `raw/`, check it with `gaitworks intake`, then "
        "`gaitworks run`.\n\n"
        "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 bad input or settings, 4 damaged files, "
        "5 refused, 6 something is not installed."
    ),
)
app.command()(cohort.synth)
app.command()(cohort.intake)
app.command("import")(interchange.import_tree)
app.command("export")(interchange.export_tree)
app.command()(pipeline.demo)
app.command()(pipeline.run)
app.command()(pipeline.status)
app.command()(pipeline.verify)
app.command()(preset.preset)
app.command()(audit.audit)
app.command()(gap.gap)
app.command()(predict.predict)
app.command()(pipeline.ui)
app.command()(doctor.doctor)
app.add_typer(shards.app, name="shards")
app.add_typer(release.app, name="release")
app.add_typer(weights.app, name="weights")


app.callback()(options)


def main() -> None:
    """Run the command line."""
    run_app(app)
