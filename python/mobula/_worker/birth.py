"""From a bare new process to `run_worker`: what forked and executed workers have in common.

Owns the process's first steps and its exit code; knows nothing of lanes and tasks.
"""

from __future__ import annotations

import gc
import importlib
import os
import signal
import sys
import traceback
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, TextIO

from mobula import as_ray
from mobula._core import inherited
from mobula._env import enter
from mobula._worker import lifeline
from mobula._worker.config import WorkerConfig
from mobula.exceptions import RuntimeEnvSetupError

EXIT_SETUP_FAILED = 72  # the worker could not set its environment up; the core's ExitSetupFailed
LOST = 3  # exit code of a worker that was never let go: its core is gone


def apply_environment(variables: Sequence[str]) -> None:
    """Set NAME=value variables of one worker."""
    for variable in variables:
        name, _, value = variable.partition("=")
        os.environ[name] = value


def apply_interpreter(options: Mapping[str, Any], *, keep_own_path: bool = False) -> None:
    """Give the process the driver's import path, arguments and working directory.

    Another interpreter than the driver's keeps its own path (`keep_own_path`): after what the driver has before its standard
    library (the script's folder, PYTHONPATH), and before the rest.
    """
    theirs: list[str] = options.get("sys_path") or []
    if keep_own_path:
        front = theirs[: options.get("sys_path_front", 0)]
        sys.path[:] = list(dict.fromkeys([*front, *sys.path[: len(sys.path) - len(theirs)], *theirs]))
        enter.activate()
    elif theirs:
        sys.path[:] = theirs
    sys.argv[:] = options.get("argv") or [""]
    if options.get("as_ray"):
        as_ray.install_as_ray()
    cwd = options.get("cwd")
    if cwd:
        try:
            os.chdir(cwd)
        except OSError as error:
            print(f"mobula: the driver's working directory cannot be used here: {error}", file=sys.stderr)


def reset_process() -> None:
    """Undo what a worker must not have from the process that made it: signals, random state, buffering."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    random = sys.modules.get("random")
    if random is not None:  # who imports it later gets a seed of its own
        random.seed()
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(line_buffering=True, errors="backslashreplace")
    gc.enable()


def become_worker(config: WorkerConfig, go_fd: int) -> NoReturn:
    """Wait for the core's word, then run the worker; ends the process in every case."""
    code = 1
    try:
        if not lifeline.wait_for_go(go_fd) or not lifeline.die_with(config.core_pid):
            os._exit(LOST)
        lifeline.set_name("mobula-worker")
        inherited.of_session(config.options.get("runtime_env") or {})
        inherited.become(config.runtime_env.encode())
        enter.enter(inherited.whole(), config.session_dir)
        _entry(config)(config)
        code = 0
    except RuntimeEnvSetupError as error:
        print(error.error_message, file=sys.stderr)
        if error.__cause__ is not None:
            traceback.print_exception(error.__cause__)
        code = EXIT_SETUP_FAILED
    except SystemExit as exit_request:
        code = _exit_code(exit_request)
    except BaseException:  # noqa: BLE001 - nothing stands above this process's first frame
        traceback.print_exc()
    finally:
        _flush(sys.stdout)
        _flush(sys.stderr)
        os._exit(code)


def _flush(stream: TextIO | None) -> None:
    try:
        if stream is not None:
            stream.flush()
    except (OSError, ValueError):
        pass  # nobody reads, or user code closed it: there is no one left to tell


def entry_of(options: Mapping[str, Any]) -> tuple[str, str]:
    """Module and function of `run_worker`, or what the configuration names instead (tests of the pool do)."""
    module, _, function = options.get("entry", "mobula._worker.main:run_worker").partition(":")
    return module, function


def _entry(config: WorkerConfig) -> Any:
    module, function = entry_of(config.options)
    return getattr(importlib.import_module(module), function)


def _exit_code(exit_request: SystemExit) -> int:
    """As the interpreter does at its own end."""
    if exit_request.code is None:
        return 0
    if isinstance(exit_request.code, int):
        return exit_request.code & 0xFF
    print(exit_request.code, file=sys.stderr)
    return 1
