"""The one order of everything this process changes.

Owns the numbers of mutations and the log of those the core has not acknowledged. A number is given and its bytes are
written under one lock, so an earlier number is always written before a later one, whichever lane carries it:

    thread X: submit → ref handed to Y        the core reads the two lanes in any order, but Y's request says
    thread Y: get(ref, after=n)               "after n", and n is on the wire before `.remote()` returned.

Exceptions may land between any two bytecodes. Therefore every step leaves the log true: an entry carries its own number
(one append makes it exist), and `safe` says up to where bytes went completely to lanes that still live. Whatever lies
above `safe` is written again by whoever comes next, at the latest by the helper thread; the core ignores a number it has
seen. It refuses to know what a mutation means.
"""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from types import CodeType, FrameType
from typing import Protocol

from mobula._core import page, wire
from mobula._core.guard import LOCK_PATIENCE_S, STRIKES, RLock, frames_of_threads, new_lock
from mobula._core.transport import LaneClosed, RpcError, Stream

# One mutation may not be longer than this: the core would end every lane that brings it.
MAX_MUTATION_BYTES = 256 << 20
# After about this many bytes of mutations a writer reads the acks on its lane, so that the log does not grow with a thread
# that never asks anything. A mutation counts as at least 1/1024 of it.
READ_ACKS_EVERY_BYTES = 4 << 20

# How a stream says that it is gone. Not OSError: a signal handler that raises TimeoutError must get through.
LOST: tuple[type[Exception], ...] = (LaneClosed, RpcError)


class Writer(Protocol):
    """What the log needs of a lane."""

    carried: int

    def ready(self) -> Stream: ...
    def send_one(self, stream: Stream, message: bytes) -> None: ...
    def send(self, stream: Stream, messages: Sequence[bytes]) -> None: ...
    def drop(self, stream: Stream) -> None: ...
    def poll_quietly(self) -> None: ...


class MutationLog:
    """Numbers 1, 2, 3 … of one process, and what is not acknowledged yet."""

    __slots__ = ("_deferred", "_doubted", "_entries", "_lock", "_unread", "acked", "on_doubt", "safe", "seen")

    def __init__(self, on_doubt: Callable[[], None] = lambda: None) -> None:
        # Re-entrant: a finalizer of the user's may run inside our own allocation and call kill() or submit.
        self._lock = new_lock()
        self._entries: deque[tuple[int, bytes]] = deque()
        self._deferred: deque[bytes] = deque()  # from finalizers that ran inside `write`
        self.acked = 0  # trimmed up to here; set before entries go, so that `last` never falls back
        self.seen = 0  # highest ack that any lane read; trimmed by the next writer
        self.safe = 0  # written completely
        # A lane was lost: what was written may not have arrived. A flag of its own, because a writer on another lane may
        # be about to raise `safe` at this moment, and would wipe out a doubt that was noted there.
        self._doubted = False
        self._unread = 0
        self.on_doubt = on_doubt  # called when something was left unwritten: wakes the helper thread

    def last(self) -> int:
        """The number of the last mutation."""
        try:
            return self._entries[-1][0]
        except IndexError:
            return self.acked

    def unacknowledged(self) -> int:
        """How many mutations are kept for a resend."""
        return len(self._entries)

    def note(self, applied: int) -> None:
        """Files an ack. Without the lock: a smaller value that overwrites a greater one is mended by the next ack."""
        if applied > self.seen:
            self.seen = applied

    def doubt(self) -> None:
        """A lane was lost: what it carried may not have arrived, so all that is unacknowledged is written again."""
        self._doubted = True
        self.on_doubt()

    def unwritten(self) -> bool:
        """Whether something waits for a writer: appended, deferred, or in doubt."""
        return self._doubted or bool(self._deferred) or self.safe < self.last()

    def start_at(self, applied: int) -> None:
        """A fresh attachment of a process whose earlier numbers the core knows."""
        if applied > self.last():
            self.acked = self.seen = self.safe = applied

    # ------------------------------------------------------------------------------------------ writing

    def write(
        self,
        lane: Writer,
        encoded: Sequence[bytes],
        tail: Callable[[int], bytes] | None = None,
        gather: Callable[[], Sequence[bytes]] | None = None,
    ) -> int:
        """Numbers the encoded mutations and writes them to the lane; returns the last number of the process.

        `tail(last)` gives further FromShim fields for the same message (a request, results). `gather()` gives mutations
        that may only be collected under the lock; they get numbers before `encoded`. A lost lane is replaced and
        the bytes are written again; RaySystemError when there is no core any more.

        Called by a finalizer or signal handler that interrupted this very function in this very thread, it leaves the
        mutations to the interrupted call, which writes them before it returns.
        """
        for one in encoded:
            if len(one) > MAX_MUTATION_BYTES:
                raise ValueError(
                    f"one call carries {len(one)} bytes, more than the {MAX_MUTATION_BYTES} that may travel at once; "
                    "put() large values first and pass the refs"
                )
            self._unread += len(one) + READ_ACKS_EVERY_BYTES // 1024
        if self._unread > READ_ACKS_EVERY_BYTES:
            self._unread = 0
            lane.poll_quietly()
        if self._lock._is_owned() and _in_locked_code(sys._getframe(1)):
            if tail is not None:
                raise RuntimeError("a finalizer or signal handler may not block on mobula inside another mobula call")
            return self.defer(encoded)
        fresh: list[Sequence[bytes]] = [encoded]
        while True:
            # Outside of what counts as locked code: it may wait for the core.
            last = self._write_locked(lane, lane.ready(), fresh, tail, gather)
            if last is not None:
                return last

    def write_one(self, lane: Writer, encoded: bytes, end: bytes = b"", words: memoryview | None = None) -> bool:
        """write() of one mutation with further FromShim fields behind it, for the path of every call; not to be called from
        inside this log. False when the mutation was left to others or is written without `end`: a lost lane, or other
        mutations to be written first.

        With `words`, the cancel page, its number is noted there before it is written. True, and nothing unwritten(), then means
        that whatever the core is told by anybody from now on, it reads this first.
        """
        weight = len(encoded) + READ_ACKS_EVERY_BYTES // 1024
        self._unread += weight
        if self._unread > READ_ACKS_EVERY_BYTES or weight > MAX_MUTATION_BYTES:
            self._unread -= weight
            self.write(lane, (encoded,))
            return False
        stream = lane.ready()
        lock = self._lock
        if lock._is_owned() or self._doubted or self._deferred or not self._write_one_locked(lane, stream, encoded, end, words):
            self.write(lane, (encoded,))
            return False
        return True

    def _write_one_locked(self, lane: Writer, stream: Stream, encoded: bytes, end: bytes, words: memoryview | None) -> bool:
        """False when nothing was done. A lane that is lost in here loses what it carries, as in `_send`."""
        lock = self._lock
        if not lock.acquire(False):
            lock = self._enter()
        try:
            entries = self._entries
            if self.seen > self.acked:
                self._trim()
            last = entries[-1][0] if entries else self.acked
            if lock is not self._lock or self._doubted or self._deferred or self.safe != last:
                return False
            last += 1
            entries.append((last, encoded))
            lane.carried = last
            if words is not None:
                words[page.ASKED] = last
            try:
                lane.send_one(stream, wire.mutation(last, encoded) + end)
            except LOST:
                lane.drop(stream)  # which puts in doubt what it carried: the next writer brings it
            except BaseException:
                lane.drop(stream)
                raise
            else:
                self.safe = last
            return True
        finally:
            lock.release()

    def _write_locked(
        self,
        lane: Writer,
        stream: Stream,
        fresh: list[Sequence[bytes]],
        tail: Callable[[int], bytes] | None,
        gather: Callable[[], Sequence[bytes]] | None,
    ) -> int | None:
        """write() from the lock on; None when the lane was lost. What was in `fresh` has numbers afterwards."""
        lock = self._enter()
        try:
            if self.seen > self.acked:
                self._trim()
            if self._doubted:
                self.safe = self.acked
                self._doubted = False
            # First, for they came first: a call that a finalizer made, before the drop of its ref that is gathered below.
            if self._deferred:
                deferred = self._deferred
                self._entries.extend(zip(_numbers(self.last(), len(deferred)), iter(deferred.popleft, None), strict=False))
            if fresh:
                if gather is not None:
                    for one in gather():
                        self._entries.append((self.last() + 1, one))
                self._entries.extend(zip(_numbers(self.last(), len(fresh[0])), fresh[0], strict=False))
                fresh.clear()
            last = self.last()
            if self._send(lane, stream, last, tail):
                self.safe = last
                return last
            return None
        finally:
            lock.release()

    def is_interrupted(self) -> bool:
        """Whether the caller is a finalizer or signal handler that interrupted write() in this very thread."""
        return self._lock._is_owned() and _in_locked_code(sys._getframe(1))

    def defer(self, encoded: Sequence[bytes]) -> int:
        """Leaves mutations to the next writer, at the latest the helper thread: for finalizers and signal handlers that
        run inside another call of their thread. Returns the last number given so far."""
        self._deferred.extend(encoded)
        self.on_doubt()
        return self.last()

    def _send(self, lane: Writer, stream: Stream, last: int, tail: Callable[[int], bytes] | None) -> bool:
        """Writes all above `safe`; False when the lane was lost, and then everything unacknowledged is in doubt."""
        end = tail(last) if tail is not None else b""
        first = self.safe + 1
        if first == last:
            messages = [wire.mutation(last, self._entries[-1][1]) + end]
        else:
            messages = wire.chunks(self._since(first))
            if not messages:
                messages = [end] if end else []
            elif end:
                messages[-1] += end
        try:
            if messages:
                lane.carried = last
                lane.send(stream, messages)
        except LOST:
            lane.drop(stream)
            return False
        except BaseException:
            # Cut in the middle of a frame: this lane is of no use any more, its bytes are in doubt.
            lane.drop(stream)
            raise
        return True

    def _since(self, first: int) -> list[tuple[int, bytes]]:
        entries = []
        for entry in reversed(self._entries):
            if entry[0] < first:
                break
            entries.append(entry)
        entries.reverse()
        return entries

    def _trim(self) -> None:
        applied = min(self.seen, self.last())
        self.acked = max(self.acked, applied)
        if self.safe < applied:
            self.safe = applied
        entries = self._entries
        while entries and entries[0][0] <= applied:
            entries.popleft()

    def trim(self) -> None:
        """Forgets what was acknowledged: for the helper thread, when no writer came by to do it."""
        if self.seen > self.acked:
            lock = self._enter()
            try:
                self._trim()
            finally:
                lock.release()

    # ------------------------------------------------------------------------------------------ the lock
    #
    # No form of `with` or try/finally closes the gap between taking a lock and being obliged to give it back:
    #
    #     main thread:   acquire()  <- KeyboardInterrupt right here, before the `try` is entered
    #     other threads: wait for a lock that nobody will release
    #
    # So a lock whose holder has no frame in `_write_locked` or `trim` any more counts as left behind. Its own thread gives it back
    # on its next visit; other threads find out after some fruitless waiting, and put a new lock in its place.

    def _enter(self) -> RLock:
        strikes = 0
        while True:
            lock = self._lock
            while lock._is_owned():
                lock.release()
            if lock.acquire(True, LOCK_PATIENCE_S):
                if lock is self._lock:
                    return lock
                lock.release()
            else:
                strikes = 0 if _anybody_in_locked_code() else strikes + 1
                if strikes == STRIKES:
                    self._lock = new_lock()


def _numbers(last: int, count: int) -> range:
    """For entries that are appended by one C call: either all of a list has numbers after an interrupt, or none of it."""
    return range(last + 1, last + 1 + count)


_LOCKED_CODE: frozenset[CodeType] = frozenset(
    {MutationLog._write_locked.__code__, MutationLog._write_one_locked.__code__, MutationLog.trim.__code__}
)
_ENTER_CODE = MutationLog._enter.__code__


def _in_locked_code(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code in _LOCKED_CODE:
            return True
        if frame.f_code is _ENTER_CODE:
            return False  # waits for the lock
        frame = frame.f_back
    return False


def _anybody_in_locked_code() -> bool:
    me = threading.get_ident()
    return any(_in_locked_code(frame) for thread, frame in frames_of_threads().items() if thread != me)
