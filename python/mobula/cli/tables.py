"""How the command line shows rows: a table on a terminal, tab-separated words in a pipe, JSON where asked for."""

from __future__ import annotations

import json
import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any

import click

from mobula.cli import drawing
from mobula.util.state.rows import Row

#: Shorter than the fields' names, which are Ray's.
_HEADINGS = {
    "task_status": "state",
    "worker_pid": "pid",
    "required_resources": "needs",
    "resources_total": "resources",
    "placement_group_id": "id",
    "num_restarts": "restarts",
    "used_by_tasks": "tasks",
    "object_size": "size",
    "local_refs": "refs",
    "in_shared_memory": "shared",
    "creation_ms": "made in",
}
#: Columns that may take several lines.
_LONG = {"name", "class_name", "required_resources", "resources", "resources_total", "bundles", "states", "running_tasks"}
_BYTES = ("memory", "object_store_memory")


def show(rows: Sequence[Row], columns: Sequence[str], as_json: bool, title: str) -> None:
    """Print the rows to standard output: these columns of them, or as JSON all fields."""
    if as_json:
        click.echo(json.dumps([row.asdict() for row in rows], indent=2))
    elif sys.stdout.isatty():
        _table(rows, columns, title)
    else:
        for row in rows:
            click.echo("\t".join(words(row[column]) for column in columns))


def counted(count: int, things: str) -> str:
    """So many things; `things` is the word for many, by an s."""
    return f"{count} {things.removesuffix('s') if count == 1 else things}"


def words(value: Any) -> str:
    """A field, exactly, in one line."""
    if value is None or value in ("", {}, []):
        return "-"
    if isinstance(value, dict):
        return ",".join(f"{name}={_number(amount)}" for name, amount in sorted(value.items()))
    if isinstance(value, list):
        return ";".join(map(words, value))
    return _number(value)


def short(column: str, value: Any) -> str:
    """A field as people read it: sizes and times with units, of ids as much as `mobula why` takes, what is alike counted."""
    if isinstance(value, dict):
        # The machine's own marks are resources that nobody asks for.
        known = {name: amount for name, amount in value.items() if not name.startswith("node:")}
        sized = {name: size(amount).replace(" ", "") if name in _BYTES else amount for name, amount in known.items()}
        return words(sized).replace(",", ", ")  # a long line is broken at spaces
    if isinstance(value, list):
        counted = Counter(short(column, one) for one in value)
        return "; ".join(f"{count} x {text}" if count > 1 else text for text, count in counted.items()) or "-"
    if value is None or value == "":
        return "-"
    if column.endswith("_id") or column == "running_tasks":
        # What creates an actor begins alike for all of them, and is told by the actor.
        return str(value).removeprefix("f" * 16)[:12]
    if column.endswith("_ms"):
        return span(value)
    if column.endswith("_size"):
        return size(value)
    return words(value)


def _number(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def size(count: float) -> str:
    """A number of bytes."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024 or unit == "GiB":
            break
        count /= 1024
    return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"


def span(ms: float) -> str:
    """A number of milliseconds."""
    if ms < 1000:
        return f"{ms:.3g} ms"
    seconds = ms / 1000
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(int(seconds), 60)
    return f"{minutes} min {seconds} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _heading(column: str) -> str:
    return _HEADINGS.get(column) or column.removesuffix("_ms").replace("_", " ")


def _table(rows: Sequence[Row], columns: Sequence[str], title: str) -> None:
    drawn = []
    for column in columns:
        number = column.endswith(("_ms", "_size")) or any(isinstance(row[column], int) for row in rows)
        # What is long gives way; an id, a state or a number in two lines is hard to read.
        drawn.append(drawing.Column(_heading(column), right=number, long=column in _LONG))
    texts = [[short(column, row[column]) for column in columns] for row in rows]
    heading, *lines = drawing.draw(drawn, texts, shutil.get_terminal_size().columns)
    for line in (title, click.style(heading, bold=True), *lines):
        click.echo(line)
