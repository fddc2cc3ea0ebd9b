"""How a worker process ends of its own will: exit_actor(), the core's Exit, a lost core.

Every way out ends in `leave`, which never returns and may be called on any thread. Threads are not joined and no destructor of the
interpreter runs: what user code left running must not hold a worker that nobody wants any more.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any, Final, NoReturn

from mobula._core.pb import boundary_pb2 as pb
from mobula.exceptions import RaySystemError

EXIT_CLEAN: Final = 0
EXIT_FAULT: Final = 70  # EX_SOFTWARE: the shim itself failed
EXIT_CORE_LOST: Final = 71


LANE_LOST: Final = (ConnectionError, RaySystemError)
"""What using a lane raises once the core is gone."""


class ActorExit(SystemExit):
    """Raised by exit_actor() in a sync or threaded actor, so that `except Exception` does not stop it."""


class AsyncActorExit(Exception):
    """Raised by exit_actor() in an async actor: SystemExit would tear down the event loop of its neighbours."""


class Departure:
    """Whether this actor is leaving, and how many of its methods still run.

    exit_actor() lets methods that already run come to their end, as Ray does, and starts no more. The method that asked is
    reported last, so nothing is lost when the core acts on its report at once.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running = 0
        self._waiting: list[Callable[[], object]] = []
        self._asked: set[bytes] = set()

    def ask(self, task_id: bytes) -> None:
        """exit_actor() was called by this task. What it raises may be swallowed; this is not."""
        with self._lock:
            self._asked.add(task_id)

    def asked_by(self, task_id: bytes) -> bool:
        """Whether this very task called exit_actor()."""
        return task_id in self._asked

    def start(self) -> bool:
        """A method is about to run. False: the actor is leaving, so it must not."""
        with self._lock:
            if self._asked:
                return False
            self._running += 1
            return True

    def end(self) -> None:
        """A method that `start` let in was reported."""
        with self._lock:
            self._running -= 1
            if not self._waiting:
                return
            ready = self._take_if_quiet()
        for call in ready:
            call()

    def when_quiet(self, call: Callable[[], object]) -> None:
        """Call `call`, here or on another thread, once only methods that wait for this are left."""
        with self._lock:
            self._waiting.append(call)
            ready = self._take_if_quiet()
        for ready_call in ready:
            ready_call()

    def wait_until_quiet(self) -> None:
        """Like `when_quiet`, for a thread that can block."""
        quiet = threading.Event()
        self.when_quiet(quiet.set)
        quiet.wait()

    def wait_until_alone(self) -> None:
        """Block until no method runs. For a thread that runs none itself."""
        quiet = threading.Event()
        with self._lock:
            self._running += 1
        self.when_quiet(quiet.set)
        quiet.wait()

    def _take_if_quiet(self) -> list[Callable[[], object]]:
        if not self._waiting or self._running > len(self._waiting):
            return []
        # They stay counted as running: they never call `end`, the process leaves instead.
        ready, self._waiting = self._waiting, []
        self._running -= len(ready)
        return ready


_leaving = threading.Lock()


def leave(code: int, *, process: Any = None, actor: Any = None) -> NoReturn:
    """End this process: the actor's `__ray_shutdown__`, atexit handlers, output, lanes, then `os._exit(code)`.

    The first caller does it; another thread that calls waits for the end.
    """
    _leaving.acquire()
    hook = getattr(actor, "__ray_shutdown__", None)
    for step in (hook, atexit._run_exitfuncs):
        if step is not None:
            try:
                step()
            except BaseException:  # noqa: BLE001 - nothing of the user's may keep the process
                traceback.print_exc()
    _flush()
    if process is not None:
        try:
            process.close()
        except Exception:  # noqa: BLE001 - told, and the process ends all the same
            traceback.print_exc()
            _flush()
    os._exit(code)


def report_and_leave(process: Any, lane: Any, done: pb.TaskDone, actor: Any) -> NoReturn:
    """Send the last report of this process, see that the core has read it, and leave."""
    try:
        process.finish(lane, (done,))
        process.request(pb.Request(sync=pb.Sync()))  # the same lane: answered after the report was read
    except LANE_LOST:
        pass  # the core read the report and hung up first, or is gone itself
    except Exception:  # noqa: BLE001 - told, and the process ends all the same
        traceback.print_exc()
    leave(EXIT_CLEAN, process=process, actor=actor)


def obey(farewell: pb.Exit, worker: Any) -> NoReturn:
    """Leave because the core said so: at once, or when what still runs has ended."""
    actor = worker.actor
    if actor is not None and not farewell.now:
        actor.departure.ask(b"")
        actor.departure.wait_until_alone()
    leave(EXIT_CLEAN, process=worker.process, actor=worker.instance())


def leave_at_once(code: int) -> NoReturn:
    """End this process without a last word of user code: the core is gone, or the shim is broken."""
    _flush()
    os._exit(code)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):  # noqa: PERF203
            continue  # the reader is gone, or user code closed or replaced it


def system_exit_code(error: SystemExit) -> int:
    """The exit status that `sys.exit(...)` asks for, as the interpreter reads it."""
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code & 0xFF
    print(error.code, file=sys.stderr)
    return 1
