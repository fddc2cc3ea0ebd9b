"""`mobula list`: what there is in a running session, one a row."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import click

from mobula.cli import tables
from mobula.cli.options import as_json, of_session
from mobula.util.state import listing
from mobula.util.state.rows import Row

_KINDS: dict[str, tuple[Callable[..., Sequence[Row]], tuple[str, ...]]] = {
    "tasks": (listing.list_tasks, ("task_id", "name", "state", "worker_pid", "running_ms", "required_resources")),
    "actors": (listing.list_actors, ("actor_id", "class_name", "name", "state", "pid", "num_restarts", "required_resources")),
    "objects": (
        listing.list_objects,
        ("object_id", "object_size", "task_status", "local_refs", "borrowers", "used_by_tasks", "in_shared_memory"),
    ),
    "workers": (listing.list_workers, ("worker_id", "pid", "state", "name", "resources", "running_tasks")),
    "nodes": (listing.list_nodes, ("node_id", "node_name", "node_ip", "state", "resources_total")),
    "placement-groups": (
        listing.list_placement_groups,
        ("placement_group_id", "name", "state", "strategy", "bundles", "creation_ms"),
    ),
}


@click.command(name="list", short_help="List tasks, actors, objects, workers, nodes or placement groups.")
@click.argument("kind", type=click.Choice(list(_KINDS)))
@click.option("--filter", "filters", multiple=True, metavar="FIELD=VALUE", help="Only these rows; != for all but these.")
@click.option("--limit", default=listing.LIMIT, show_default=True, help="Rows at most.")
@as_json
@of_session
def command(kind: str, filters: tuple[str, ...], limit: int, as_json: bool, address: str | None) -> None:
    """List what there is of KIND in a running session.

    \b
    mobula list tasks --filter state=RUNNING
    mobula list objects --json
    """
    what, columns = _KINDS[kind]
    rows = what(address, [_parsed(one) for one in filters], limit)
    tables.show(rows, columns, as_json, tables.counted(len(rows), kind.replace("-", " ")))


def _parsed(text: str) -> tuple[str, str, str]:
    field, sign, value = text.partition("=")
    if not sign or not field.strip("!"):
        raise click.BadParameter(f"{text!r} is no filter: FIELD=VALUE or FIELD!=VALUE", param_hint="--filter")
    return (field[:-1], "!=", value) if field.endswith("!") else (field, "=", value)
