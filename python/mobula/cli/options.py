"""What several subcommands share: which session, and how errors end."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click

from mobula._core import session_dir
from mobula.exceptions import RaySystemError


def of_session(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --session, and makes one line of what goes wrong while a session is asked."""

    @functools.wraps(function)
    def asked(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except BrokenPipeError:
            raise  # of standard output, not of a session
        except (ConnectionError, RaySystemError, ValueError) as error:
            raise click.ClickException(str(error)) from None

    where = "The driver's process id, or the session's folder, where several run."
    return click.option("--session", "address", metavar="PID", help=where, shell_complete=_drivers)(asked)


def _drivers(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    return [str(pid) for _, pid in session_dir.living() if str(pid).startswith(begun)]


as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
