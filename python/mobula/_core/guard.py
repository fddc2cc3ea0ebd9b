"""A lock for the steps of one object that an interrupt cannot leave locked.

No form of `with` or try/finally closes the gap between taking a lock and being obliged to give it back:

    main thread:   acquire()  <- KeyboardInterrupt right here, before the `try` is entered
    other threads: wait for a lock that nobody will release

So a lock whose holder has no frame in `Guard._run_locked` any more counts as left behind. Its own thread gives it back on its
next visit; other threads find out after some fruitless waiting, and put a new lock in its place. `MutationLog` does the same, with
code of its own because it is on the path of every call.

It is reentrant: a finalizer or signal handler that comes inside of a guarded step may take another one.
"""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Protocol, TypeVar, cast

T = TypeVar("T")

LOCK_PATIENCE_S = 0.3
STRIKES = 3


class RLock(Protocol):
    """threading.RLock: a function before Python 3.13, so no type to name; `_is_owned` is what Condition relies on."""

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool: ...
    def release(self) -> None: ...
    def _is_owned(self) -> bool: ...


def new_lock() -> RLock:
    """An unlocked one."""
    return cast("RLock", threading.RLock())


class Guard:
    """Runs steps one at a time: of several threads one after the other, of one thread also inside each other."""

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = new_lock()

    def run(self, step: Callable[[], T]) -> T:
        """What `step()` returns, or raises, while no other thread runs a step of this guard."""
        if self._lock._is_owned() and self._is_inside(sys._getframe(1)):
            return step()
        return self._run_locked(step)

    def _run_locked(self, step: Callable[[], T]) -> T:
        lock = self._enter()
        try:
            return step()
        finally:
            # A handler that came right after the lock was taken, before this frame held it, has given it back.
            if lock._is_owned():
                lock.release()

    def _enter(self) -> RLock:
        strikes = 0
        while True:
            lock = self._lock
            while lock._is_owned():  # left behind: this thread has no frame inside
                lock.release()
            if lock.acquire(True, LOCK_PATIENCE_S):
                if lock is self._lock:
                    return lock
                lock.release()
                continue
            me = threading.get_ident()
            inside = any(self._is_inside(frame) for thread, frame in frames_of_threads().items() if thread != me)
            strikes = 0 if inside else strikes + 1
            if strikes == STRIKES and lock is self._lock:
                self._lock = new_lock()

    def _is_inside(self, frame: FrameType | None) -> bool:
        while frame is not None:
            code: CodeType = frame.f_code
            if code is _WAITS and frame.f_locals["self"] is self:
                return False
            if code is _HOLDS and frame.f_locals["self"] is self:
                return True
            frame = frame.f_back
        return False


_HOLDS = Guard._run_locked.__code__
_WAITS = Guard._enter.__code__


def frames_of_threads() -> dict[int, FrameType]:
    """sys._current_frames(), safe before CPython 3.12: it allocates while it holds the interpreter's list of threads.

    this thread:  lists the frames -> allocates -> collects garbage -> a finalizer lets go of the interpreter lock
    other thread: starts or ends -> waits for the list of threads with the interpreter lock in its hand: for ever
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        return sys._current_frames()
    finally:
        if collecting:
            gc.enable()
