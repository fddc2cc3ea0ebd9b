"""`mobula status`: a running session at a glance."""

from __future__ import annotations

import json
from typing import Any

import click

from mobula.cli import tables
from mobula.cli.options import as_json, of_session
from mobula.util.state.listing import watch


@click.command(name="status", short_help="Show a running session at a glance.")
@as_json
@of_session
def command(as_json: bool, address: str | None) -> None:
    """Show what a running session has, and what of it is in use."""
    from mobula._core.pb import boundary_pb2 as pb

    core = watch(address)
    told = core.state(pb.STATE_SESSION).session
    counts = told.counts
    facts: dict[str, Any] = {
        "session": core.folder,
        "version": told.version,
        "age_s": told.age_ms / 1000,
        "workers": counts.workers,
        "idle_workers": counts.idle_workers,
        "tasks_pending": counts.tasks_pending,
        "tasks_running": counts.tasks_running,
        "actors": counts.actors,
        "objects": counts.objects,
        "store_bytes": told.store_bytes,
        "store_used": told.store_used,
        "resources": {name: {"total": total, "available": told.available[name]} for name, total in sorted(told.total.items())},
    }
    if as_json:
        click.echo(json.dumps(facts, indent=2))
        return
    click.echo(f"session   {core.folder} (mobula {told.version}), up {told.age_ms / 1000:.1f} s")
    click.echo(f"workers   {counts.workers}, of which {counts.idle_workers} idle")
    click.echo(f"tasks     {counts.tasks_pending} without an outcome, of which {counts.tasks_running} in a worker")
    click.echo(f"actors    {counts.actors}")
    click.echo(f"objects   {counts.objects}")
    click.echo(f"store     {tables.size(told.store_used)} of {tables.size(told.store_bytes)}")
    # Marks of the machine that nobody asks for, and what "store" says already.
    named = [name for name in sorted(told.total) if not name.startswith("node:") and name != "object_store_memory"]
    width = max([9, *map(len, named)])
    for name in named:
        total, used = told.total[name], told.total[name] - told.available[name]
        amounts = f"{tables.size(used)} of {tables.size(total)}" if name == "memory" else f"{used:g} of {total:g}"
        click.echo(f"{name:<{width}} {amounts} in use")
