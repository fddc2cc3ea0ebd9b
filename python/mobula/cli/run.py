"""`mobula run`: a Ray program, unchanged, on mobula.

The program runs in this very process as `__main__`, so what it sees of itself (`__file__`, `sys.argv`, `sys.path[0]`, its exit
code, its tracebacks) is what `python script.py` would show. `runpy` would take its globals away when the last line is done, under
the feet of threads and exit handlers that still use them.
"""

from __future__ import annotations

import functools
import io
import os
import runpy
import sys
from collections.abc import Callable
from types import ModuleType, TracebackType

import click

from mobula import as_ray


@click.command(
    name="run",
    short_help="Run a Ray program on mobula, unchanged.",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.option("-m", "as_module", is_flag=True, help="SCRIPT is the name of a module, as with python -m.")
@click.argument("script", type=click.Path())
@click.argument("arguments", nargs=-1, type=click.Path())
def command(script: str, arguments: tuple[str, ...], as_module: bool) -> Callable[[], None]:
    """Run SCRIPT with ARGUMENTS; `import ray` in it, and in its workers, is mobula.

    \b
    mobula run train.py --epochs 3
    mobula run -m package.program
    """
    as_ray.install_as_ray()
    if as_module:
        return functools.partial(run_module, script, arguments)
    try:
        with io.open_code(os.path.abspath(script)) as file:
            source = file.read()
    except OSError as error:
        raise click.FileError(script, error.strerror or str(error)) from None
    return functools.partial(run_source, source, script, arguments)


def run_source(source: bytes, script: str, arguments: tuple[str, ...]) -> None:
    """Be `python script *arguments`. Raises whatever the program raises."""
    main = ModuleType("__main__")
    main.__file__ = script
    main.__builtins__ = sys.modules["builtins"]  # type: ignore[attr-defined]
    sys.argv[:] = [script, *arguments]
    # The folder that python puts first is ours: of the `mobula` script, or, with -m, the working directory.
    sys.path[0] = os.path.dirname(os.path.abspath(script))
    sys.modules["__main__"] = main
    sys.excepthook = functools.partial(_show_from, script)
    exec(compile(source, script, "exec", dont_inherit=True), main.__dict__)


def run_module(name: str, arguments: tuple[str, ...]) -> None:
    """Be `python -m name *arguments`. Raises whatever the program raises."""
    sys.argv[:] = [name, *arguments]
    sys.path[0] = os.getcwd()
    runpy.run_module(name, run_name="__main__", alter_sys=True)


def _show_from(script: str, kind: type[BaseException], error: BaseException, where: TracebackType | None) -> None:
    """Python's own report of an uncaught exception, from the program's first line on: how it was started is not its fault."""
    begin = where
    while begin is not None and begin.tb_frame.f_code.co_filename != script:
        begin = begin.tb_next
    if begin is None and not issubclass(kind, SyntaxError):
        begin = where
    # Printing reads the traceback from the error, not from the argument.
    sys.__excepthook__(kind, error.with_traceback(begin), begin)
