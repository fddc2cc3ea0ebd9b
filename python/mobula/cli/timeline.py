"""`mobula timeline`: what ran when, as a file for Perfetto."""

from __future__ import annotations

import json

import click

from mobula import events
from mobula.cli.options import of_session
from mobula.util.state.listing import watch


@click.command(name="timeline", short_help="Write what ran when, for ui.perfetto.dev.")
@click.option("-o", "--output", default="timeline.json", show_default=True, help="The file to write.")
@of_session
def command(output: str, address: str | None) -> None:
    """Write what has run in a session as one file that opens in Perfetto (ui.perfetto.dev) and chrome://tracing."""
    core = watch(address)
    trace = [events.complete(event, event.method or event.name) for event in core.attempts()]
    try:
        with open(output, "w", encoding="utf-8") as file:
            json.dump(trace, file)
    except OSError as error:
        raise click.FileError(output, error.strerror or str(error)) from None
    click.echo(f"{len(trace)} events in {output}", err=True)
