"""The command that says what is installed, what works and what would mend the rest."""

from dataclasses import asdict
from typing import Annotated

import typer

from orchestration.cli.console import print_json
from transforms.errors import MissingDependencyError


def doctor(
    json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Say what is installed, which backends and accelerators work, and how to mend the rest.

    Ends with exit code 6 if something the base installation needs is missing or broken.
    """
    from transforms.doctor import diagnose

    findings = diagnose()
    if json:
        print_json([asdict(finding) for finding in findings])
    else:
        marks = {"ok": "✓", "missing": "·", "broken": "✗"}
        for finding in findings:
            typer.echo(f"{marks[finding.status]} {finding.name:24} {finding.detail}")
            if finding.status != "ok" and finding.fix:
                typer.echo(f"  {'':24} for {finding.needed_for}: {finding.fix}")
    if any(finding.status != "ok" and finding.needed_for == "base" for finding in findings):
        raise typer.Exit(MissingDependencyError.exit_code)
