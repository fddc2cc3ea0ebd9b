"""`mobula stack`: where the driver and every worker are in their Python code, by py-spy."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import click

from mobula.cli.options import of_session
from mobula.util.state.listing import list_workers, watch


@click.command(name="stack", short_help="Show where every process of a session is.")
@of_session
def command(address: str | None) -> None:
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
    failed = False
    for name, pid in processes:
        done = subprocess.run([spy, "dump", "--pid", str(pid)], capture_output=True, text=True, check=False)
        click.echo(f"--- {name} (pid {pid})")
        click.echo(done.stdout if done.returncode == 0 else f"py-spy: {done.stderr.strip()}")
        failed = failed or done.returncode != 0
    if failed:
        raise click.ClickException("py-spy could not read all of them")
