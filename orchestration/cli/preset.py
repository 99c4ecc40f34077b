"""`gaitworks preset`: sets of values, shown or written into `params.yaml`."""

from typing import Annotated

import typer

from assets.workspace import PARAMS_NAME
from orchestration.cli.console import print_json, say, workspace_of


def preset(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(help="One of the list, which is shown if none is given.")
    ] = None,
    write: Annotated[
        bool, typer.Option("--write", help="Put the values into the workspace's params.yaml.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the values as JSON.")] = False,
) -> None:
    """Show a set of values for params.yaml, or write it there.

    paper, small and tiny are sizes of training (the sections training, dual_view). scoliosis and
    spinal_deformity are studies: who the demo's synthetic people are, which cameras film them, how
    they are split and which models are trained. One of each goes together. A cohort of two
    cameras, all the way to its release:

        gaitworks preset spinal_deformity --write && gaitworks demo

    Writing changes values only: comments and the rest of the file stay. What was built with other
    values becomes stale. `gaitworks preset scoliosis --write` writes what params.yaml came with.
    """
    from transforms.presets import PRESETS, find_preset, format_value

    if name is None:
        if json:
            print_json({one.name: one.purpose for one in PRESETS.values()})
        else:
            _list()
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


def _list() -> None:
    from transforms.presets import SIZES
    from transforms.study_presets import STUDIES

    width = max(map(len, (*SIZES, *STUDIES))) + 2
    for kind, presets in (("sizes of training", SIZES), ("studies", STUDIES)):
        typer.echo(f"{kind}:")
        for one in presets.values():
            typer.echo(f"  {one.name:{width}}{one.purpose}")


def _write(context: typer.Context, name: str) -> None:
    import yaml

    from transforms.files import write_bytes_atomic
    from transforms.params_file import change_section
    from transforms.presets import find_preset, format_value
    from transforms.settings import parse_settings

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
        parse_settings(yaml.safe_load(changed), where=path)  # together with what is not changed
        write_bytes_atomic(path, changed.encode())
    for line in said:
        say(line)
    say(f"{path}: {name}" + ("" if said else ", as it was"))
