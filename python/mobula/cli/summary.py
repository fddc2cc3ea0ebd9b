"""`mobula summary`: how many tasks, actors or objects there are of what, and in which state."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import click

from mobula.cli import tables
from mobula.cli.options import as_json, of_session
from mobula.util.state import summary
from mobula.util.state.rows import Row

_KINDS: dict[str, Callable[..., dict[str, Any]]] = {
    "tasks": summary.summarize_tasks,
    "actors": summary.summarize_actors,
    "objects": summary.summarize_objects,
}


@dataclasses.dataclass(frozen=True)
class _Count(Row):
    name: str
    type: str
    total: int
    states: dict[str, int]


@click.command(name="summary", short_help="Count tasks, actors or objects.")
@click.argument("kind", type=click.Choice(list(_KINDS)))
@as_json
@of_session
def command(kind: str, as_json: bool, address: str | None) -> None:
    """Count what there is of KIND in a running session, by name and state.

    \b
    mobula summary tasks
    mobula summary objects --json
    """
    told = _KINDS[kind](address)["cluster"]
    if as_json:
        click.echo(json.dumps(told, indent=2))
    elif kind == "objects":
        click.echo(f"objects   {told['total_objects']}, of which {told['in_shared_memory']} in shared memory")
        click.echo(f"size      {tables.size(told['total_size_mb'] * 2**20)}")
        for state, count in sorted(told["task_state_counts"].items()):
            click.echo(f"{state.lower():<9} {count}")
    else:
        counts = [
            _Count(name, one.get("type", "ACTOR"), sum(one["state_counts"].values()), dict(sorted(one["state_counts"].items())))
            for name, one in told["summary"].items()
        ]
        counts.sort(key=lambda one: (-one.total, one.name))
        columns = ("name", "type", "total", "states") if kind == "tasks" else ("name", "total", "states")
        title = f"{tables.counted(sum(one.total for one in counts), kind)} of {tables.counted(len(counts), 'names')}"
        tables.show(counts, columns, False, title)
