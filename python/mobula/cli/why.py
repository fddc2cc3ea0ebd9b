"""`mobula why`: what a task waits for, and who has that."""

from __future__ import annotations

import json

import click

from mobula.cli.options import as_json, of_session
from mobula.exceptions import RaySystemError
from mobula.util.state.listing import MOST, list_tasks, watch


def _pending(context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    try:
        found = list_tasks(context.params.get("address"), limit=MOST)
    except (ConnectionError, RaySystemError):
        return []  # a line that is being typed is no place for an error
    return sorted({task.name for task in found if task.end_time_ms is None and task.name.startswith(begun)})


@click.command(name="why", short_help="Say why a task is pending.")
@click.argument("task", shell_complete=_pending)
@as_json
@of_session
def command(task: str, as_json: bool, address: str | None) -> None:
    """Say what TASK waits for, who has that, and what that waits for in turn. Tasks that wait for each other are named.

    TASK is a name, or the beginning of an id (four digits or more), as `mobula list tasks` shows them.
    """
    answer = watch(address).why(task)
    if as_json:
        click.echo(json.dumps([{"depth": line.depth, "text": line.text} for line in answer.lines], indent=2))
        return
    if not answer.found:
        raise click.ClickException(f"no pending task has the name {task!r} or an id that begins so: see `mobula list tasks`")
    for line in answer.lines:
        click.echo("  " * line.depth + line.text)
    shown = sum(line.depth == 0 for line in answer.lines)
    if answer.found > shown:
        click.echo(f"… and {answer.found - shown} more of that name")
