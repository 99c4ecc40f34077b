"""`gaitworks preset`: sets of training values, shown or written into `params.yaml`."""

from typing import Annotated

import typer

from assets.workspace import PARAMS_NAME
from orchestration.cli.console import print_json, say, workspace_of


def preset(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(help="paper, small or tiny; lists them if not given.")
    ] = None,
    write: Annotated[
        bool, typer.Option("--write", help="Put the values into the workspace's params.yaml.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the values as JSON.")] = False,
) -> None:
    """Show a set of values for the training section of params.yaml, or write it there.

    Writing changes values only: comments and the rest of the file stay. Models that were trained
    with other values become stale.
    """
    from transforms.presets import PRESETS, find_preset, format_value

    if name is None:
        if json:
            print_json({one.name: one.purpose for one in PRESETS.values()})
            return
        for one in PRESETS.values():
            typer.echo(f"{one.name:8}{one.purpose}")
        return
    chosen = find_preset(name)
    values = chosen.training.model_dump(mode="json")
    if write:
        _write(context, name)
    if json:
        print_json(values)
    elif not write:
        typer.echo(f"# {chosen.name}: {chosen.purpose}\ntraining:")
        for key, value in values.items():
            typer.echo(f"  {key}: {format_value(value)}")


def _write(context: typer.Context, name: str) -> None:
    from transforms.files import write_bytes_atomic
    from transforms.params_file import change_section
    from transforms.presets import find_preset, format_value, list_changes

    workspace = workspace_of(context)
    path = workspace.path / PARAMS_NAME
    before, after = workspace.settings.training, find_preset(name).training
    changes = list_changes(before, after)
    values = {key: format_value(value) for key, value in after.model_dump(mode="json").items()}
    text = path.read_bytes().decode()  # line ends as they are
    changed = change_section(text, "training", values, where=path)
    if changed != text:
        write_bytes_atomic(path, changed.encode())
    for key, (old, new) in changes.items():
        say(f"training.{key}: {old} -> {new}")
    say(f"{path}: {name}" + ("" if changes else ", as it was"))
