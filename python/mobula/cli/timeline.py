"""`mobula timeline`: what ran when, as a file for Perfetto."""

from __future__ import annotations

import json

import click

from mobula import trace
from mobula.cli.options import as_json, of_session
from mobula.util.state.listing import watch


@click.command(name="timeline", short_help="Write what ran when, for ui.perfetto.dev.")
@click.option("-o", "--output", default="timeline.json", show_default=True, help="The file to write.")
@as_json
@of_session
def command(output: str, as_json: bool, address: str | None) -> None:
    """Write what has run in a session as one file that opens in Perfetto (ui.perfetto.dev) and chrome://tracing.

    Arrows lead from each call over its runs to the get of what it returned. With --json it is printed, and no file written.
    """
    core = watch(address)
    attempts = list(core.attempts())
    written = trace.perfetto(attempts, list(core.gets()), core.folder)
    if as_json:
        click.echo(json.dumps(written))
        return
    try:
        with open(output, "w", encoding="utf-8") as file:
            json.dump(written, file)
    except OSError as error:
        raise click.FileError(output, error.strerror or str(error)) from None
    arrows = sum(event["ph"] == "s" for event in written["traceEvents"])
    click.echo(f"{len(attempts)} runs of tasks, {arrows} arrows in {output}: open it in ui.perfetto.dev", err=True)
