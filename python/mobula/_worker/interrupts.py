"""Where the SIGINT of a canceled normal task may become a KeyboardInterrupt.

A signal handler runs between any two bytecodes of the main thread. Two rules, both needed:

* The word of the lane in the cancel page says which run is canceled. A signal that comes when that run has ended, or
  before a later one began, finds another epoch and is swallowed.
* The interrupted frame says whose code would be torn. User code may be interrupted, and so may the one function of the shim
  that only polls for readability (`wait_readable`), when user code is waiting in it. Everywhere else the signal is kept
  as *pending*: `check` raises it where an API function returns to user code, and `tick`, called by the helper thread about every
  10 ms, sends the signal again until it lands where it may.

`tick` looks at the page and not only at `pending`, because of this interleaving:

    main:    checks for signals, goes on to enter a system call (time.sleep(1000))
    kernel:  delivers SIGINT; the C handler sets its flag; no EINTR, the call had not begun
    main:    sleeps; the Python handler has not run, so nobody set `pending`

The model is trio's `_core/_ki.py`, which also explains why a signal mask or a global flag cannot do this.
This room refuses to know tasks: it is told an epoch at the start of a run and told when the run is over.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Final

from mobula._core.context import note_canceled
from mobula._worker import trampoline

WAIT_FUNCTION: Final = "wait_readable"
"""Name of the shim's functions that only poll: what an exception raised inside cannot damage."""

_PACKAGE: Final = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
# Conveniences built on the public API. They hold no state of the shim, so they count as user code.
_OPEN: Final = _PACKAGE + "util" + os.sep
_DOORS: Final = trampoline.DOORS


def frame_may_raise(frame: FrameType | None) -> bool:
    """Whether an exception raised in `frame` would hit user code, or a wait that user code entered.

    `__del__` counts as protected: CPython prints what is raised there and goes on, so the interrupt would be lost.
    """
    waiting = frame is not None and frame.f_code.co_name == WAIT_FUNCTION and frame.f_code.co_filename.startswith(_PACKAGE)
    while frame is not None:
        code = frame.f_code
        if code in _DOORS:
            return True
        if code.co_name == "__del__":
            return False
        if not waiting and code.co_filename.startswith(_PACKAGE) and not code.co_filename.startswith(_OPEN):
            return False
        frame = frame.f_back
    return False


class Interrupts:
    """The SIGINT rule of one worker process. All methods but `tick` are for its main thread.

    `page` and `slot` name the word of the main thread's executor lane. Where no page is shared, `confirm(task_id)` is asked on
    the helper thread after a signal came, and its answer stands for the word. `wake` makes the helper thread tick now.
    """

    def __init__(self) -> None:
        self._main = threading.main_thread().ident or 0
        self._page: Sequence[int] = [0]
        self._slot = 0
        self._expected = 0  # epoch<<1|1 of the running normal task; 0: nothing may be interrupted
        self._delivered = False
        self._entered = False
        self._task_id = b""
        self.pending = False
        self._confirm: Callable[[bytes], bool] | None = None
        self._shadow = [0]
        self.wake: Callable[[], object] = _nothing

    def install(self) -> None:
        """Take over SIGINT. Before this, and while no run is announced, the signal does nothing."""
        signal.signal(signal.SIGINT, self._on_signal)

    def restore(self) -> None:
        """Take SIGINT back when the last task replaced the handler."""
        # The bare C function: signal.getsignal first tries to make an enum of the handler, for 2 µs. And == and not `is`:
        # every look at a bound method makes a new object.
        if _signal.getsignal(signal.SIGINT) != self._on_signal:
            signal.signal(signal.SIGINT, self._on_signal)

    def watch(self, page: Sequence[int] | None, slot: int, confirm: Callable[[bytes], bool] | None = None) -> None:
        """Say where the words are: a shared page, or else `confirm`."""
        if page is None:
            self._page, self._slot, self._confirm = self._shadow, 0, confirm
        else:
            self._page, self._slot, self._confirm = page, slot, None

    def begin(self, epoch: int, task_id: bytes = b"") -> None:
        """A normal task of this epoch starts; its code and arguments are not loaded yet."""
        self._delivered = False
        self.pending = False
        self._task_id = task_id
        self._expected = epoch << 1 | 1

    def canceled(self) -> bool:
        """Whether the run announced by `begin` is canceled."""
        return self._expected != 0 and self._page[self._slot] == self._expected

    def enter(self) -> bool:
        """User code comes next. False when the run was canceled before that."""
        self._entered = True
        return self._page[self._slot] != self._expected

    def end(self) -> None:
        """The run is over: whatever still comes for it is swallowed."""
        self._expected = 0
        self._entered = False
        self.pending = False
        self.restore()

    def check(self) -> None:
        """Raise a pending interrupt. Called where an API function is about to return to user code."""
        if self.pending and self._entered and threading.get_ident() == self._main:
            # Skip our own frames between here and the code that called the API.
            frame: FrameType | None = sys._getframe(1)
            while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE) and frame.f_code not in _DOORS:
                frame = frame.f_back
            if self._due() and frame_may_raise(frame):
                self._raise()

    def check_print(self) -> None:
        """Raise a pending interrupt where user code prints. Called by a stream of this package right before it writes.

        A task that prints without end is nearly always inside of a write, whose frame no signal may interrupt.
        """
        if not (self.pending and self._entered and threading.get_ident() == self._main):
            return
        # 1 is the stream. Who called it decides: the shim may print, too, in the middle of something.
        if self._due() and frame_may_raise(sys._getframe(2)):
            self._raise()

    def tick(self) -> bool:
        """Send the signal again while the canceled run has not got it; True: look again in 10 ms.

        For the helper thread, which calls it at every look around.
        """
        expected, task_id = self._expected, self._task_id
        if expected == 0 or self._delivered:
            return False
        if self._confirm is not None and self.pending and self._shadow[0] != expected and self._confirm(task_id):
            # Written for the epoch that was read before the question: when another run has begun since, it says nothing.
            self._shadow[0] = expected
        if self._page[self._slot] != expected:
            return self.pending
        # When the run ends right here, the handler finds it gone and does nothing.
        signal.pthread_kill(self._main, signal.SIGINT)
        return True

    def _due(self) -> bool:
        return self._expected != 0 and not self._delivered and self._page[self._slot] == self._expected

    def _raise(self) -> None:
        # Delivered first: a second signal between these lines must not raise as well.
        self._delivered = True
        self.pending = False
        note_canceled()
        raise KeyboardInterrupt

    def _on_signal(self, signum: int, frame: FrameType | None) -> None:
        if self._due():
            if self._entered and frame_may_raise(frame):
                self._raise()
        elif self._confirm is None or self._expected == 0 or self._delivered:
            return
        if not self.pending:
            self.pending = True
            # Once, not at every signal: it would answer with the next one at once, for as long as the shim is busy.
            self.wake()


def _nothing() -> None:
    pass
