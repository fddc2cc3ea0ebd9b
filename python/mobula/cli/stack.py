"""`mobula stack`: where the driver and every worker are in their Python code, by py-spy."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import Any

import click

from mobula.cli.options import as_json, of_session
from mobula.util.state.listing import list_workers, watch


@click.command(name="stack", short_help="Show where every process of a session is.")
@as_json
@of_session
def command(as_json: bool, address: str | None) -> None:
    """Show the Python stacks of a session's processes: the driver and all workers.

    py-spy reads them from outside, so a process that hangs is shown, too. It must be installed (pip install py-spy) and, where
    the system allows no process to look into another, be run as root.
    """
    spy = shutil.which("py-spy") or shutil.which("py-spy", path=os.path.dirname(sys.executable))
    if spy is None:
        raise click.ClickException("py-spy is not installed: pip install py-spy")
    core = watch(address)
    processes = [("driver", int(os.path.basename(core.folder).split("-")[2]))]
    processes += [(f"worker {one.name or one.state.lower()}", one.pid) for one in list_workers(core.folder, limit=10_000)]
    told: list[dict[str, Any]] = []
    failed = False
    for name, pid in processes:
        how = ["--json"] if as_json else []
        done = subprocess.run([spy, "dump", "--pid", str(pid), *how], capture_output=True, text=True, check=False)
        failed = failed or done.returncode != 0
        if as_json:
            found = {"threads": json.loads(done.stdout)} if done.returncode == 0 else {"error": done.stderr.strip()}
            told.append({"name": name, "pid": pid, **found})
        else:
            click.echo(f"--- {name} (pid {pid})")
            click.echo(done.stdout if done.returncode == 0 else f"py-spy: {done.stderr.strip()}")
    if as_json:
        click.echo(json.dumps(told, indent=2))
    if failed:
        raise click.ClickException("py-spy could not read all of them")
