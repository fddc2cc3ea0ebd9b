"""How the command line shows rows: a table on a terminal, tab-separated words in a pipe, JSON where asked for."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Sequence
from typing import Any

import click

from mobula.util.state.rows import Row


def show(rows: Sequence[Row], columns: Sequence[str], as_json: bool, title: str) -> None:
    """Print the rows to standard output: these columns of them, or as JSON all fields."""
    if as_json:
        click.echo(json.dumps([row.asdict() for row in rows], indent=2))
    elif sys.stdout.isatty():
        _table(rows, columns, title)
    else:
        for row in rows:
            click.echo("\t".join(words(row[column]) for column in columns))


def words(value: Any) -> str:
    """A field as people read it."""
    if value is None or value == {} or value == []:
        return "-"
    if isinstance(value, dict):
        return ",".join(f"{name}={amount:g}" if isinstance(amount, float) else f"{name}={amount}" for name, amount in value.items())
    if isinstance(value, list):
        return ",".join(map(str, value))
    return str(value)


def size(count: float) -> str:
    """A number of bytes."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024 or unit == "GiB":
            break
        count /= 1024
    return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"


def _shortened(column: str, value: Any) -> Any:
    """As much of an id as `mobula why` takes; the whole is in a pipe and in JSON."""
    if isinstance(value, list):
        return [_shortened(column, one) for one in value]
    if not isinstance(value, str) or not (column.endswith("_id") or column == "running_tasks"):
        return value
    # What creates an actor begins alike for all of them, and is told by the actor.
    return value.removeprefix("f" * 16)[:12]


def _table(rows: Sequence[Row], columns: Sequence[str], title: str) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", box=None, header_style="bold", pad_edge=False)
    names = {field.name for row in rows[:1] for field in dataclasses.fields(row)}  # type: ignore[arg-type]
    for column in columns:
        number = column in names and bool(rows) and isinstance(rows[0][column], int)
        table.add_column(column.replace("_", " "), justify="right" if number else "left", overflow="fold")
    for row in rows:
        # Text, because a task may be named "[red]".
        table.add_row(*[Text(words(_shortened(column, row[column]))) for column in columns])
    Console().print(table)
