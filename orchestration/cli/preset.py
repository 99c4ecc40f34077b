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
    """Show a set of values for training in params.yaml (training, dual_view), or write it there.

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
    if write:
        _write(context, name)
    if json:
        print_json(chosen.sections)
    elif not write:
        typer.echo(f"# {chosen.name}: {chosen.purpose}")
        for section, values in chosen.sections.items():
            typer.echo(f"{section}:")
            for key, value in values.items():
                typer.echo(f"  {key}: {format_value(value)}")


def _write(context: typer.Context, name: str) -> None:
    from transforms.files import write_bytes_atomic
    from transforms.params_file import change_section
    from transforms.presets import find_preset, format_value

    workspace = workspace_of(context)
    path = workspace.path / PARAMS_NAME
    text = path.read_bytes().decode()  # line ends as they are
    changed, said = text, list[str]()
    for section, values in find_preset(name).sections.items():
        shown = {key: format_value(value) for key, value in values.items()}
        changed = change_section(changed, section, shown, where=path)
        before = {
            key: format_value(value) for key, value in workspace.settings.section(section).items()
        }
        said += [
            f"{section}.{key}: {before[key]} -> {value}"
            for key, value in shown.items()
            if before[key] != value
        ]
    if changed != text:
        write_bytes_atomic(path, changed.encode())
    for line in said:
        say(line)
    say(f"{path}: {name}" + ("" if said else ", as it was"))
