"""The `mobula` command.

Owns the table of subcommands; each is a module of its own, imported when it is asked for, so that `mobula run` pays for no
table printing. Shell completion is click's: `eval "$(_MOBULA_COMPLETE=bash_source mobula)"`.
"""

from __future__ import annotations

import importlib
import os
import sys

import click

from mobula._version import __version__

#: Subcommand -> its one line of help, so that `mobula --help` imports none of them; the module has its name.
_COMMANDS = {
    "run": "Run a Ray program on mobula, unchanged.",
    "status": "Show a running session at a glance.",
    "list": "List tasks, actors, objects, workers, nodes or placement groups.",
    "summary": "Count tasks, actors or objects.",
    "why": "Say why a task is pending.",
    "timeline": "Write what ran when, for ui.perfetto.dev.",
    "stack": "Show where every process of a session is.",
}


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*_COMMANDS]  # once imported, the module `list` is a global here, in place of the type

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([*_COMMANDS.items()])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"mobula.cli.{cmd_name}").command
        return command


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", prog_name="mobula")
def commands() -> None:
    """Ray's Python API on a core worker written in Go."""


def main() -> None:
    """The console script. Exits with the command's status; 2 for a wrong call, 1 for what could not be done."""
    try:
        then = commands.main(prog_name="mobula", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(130)  # Ctrl-C
    except BrokenPipeError:
        # Who read our output has enough. The interpreter must not try to flush the rest.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    # A user's program is not run under click, which would answer for its exceptions and its exit.
    sys.exit(then() if callable(then) else then)
