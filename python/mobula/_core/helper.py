"""The one helper thread of a process.

Owns everything nobody waits for: it reads the notice lane (log lines, answers for futures), drains what finalizers queued
(dropped refs, unpins) within 10 ms, closes the lanes of threads that ended, asks for an ack when the log has been quiet,
writes again what a cut or lost lane left in doubt, and learns of the core's death from its pidfd. It never runs user code
that may block, save callbacks that users add to futures.

Finalizers only append to deques and cannot wake anybody, so the thread looks every 10 ms while there is activity, less
and less often when there is none: idle it costs about ten wake-ups a second, 20 µs each.
"""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from mobula._core import logs, refcount, values, wire
from mobula._core.arena import Arena
from mobula._core.lanes import Lane
from mobula._core.mutations import LOST
from mobula._core.pb import boundary_pb2 as pb
from mobula._core.replies import check
from mobula._core.session import Session
from mobula._core.transport import Stream
from mobula.exceptions import RayError, RaySystemError

if TYPE_CHECKING:
    from mobula.object_ref import ObjectRef

TICK_S = 0.01
IDLE_TICK_S = 0.1
QUIET_S = 1.0
_CONNECTION_ERRORS: tuple[type[Exception], ...] = (RaySystemError, *LOST)


class Question:
    """A Get that a future waits for. Holds the ref, so that the object lives until the answer, and no longer: the future's
    callbacks hold the question."""

    __slots__ = ("body", "future", "id", "ref")

    def __init__(self, ref: ObjectRef[Any] | None, future: Future[Any], body: bytes = b"") -> None:
        self.ref = ref
        self.future: Future[Any] | None = future
        #: A request of another kind: the future gets the reply.
        self.body = body
        self.id = 0

    def complete(self, result: Any, error: Exception | None) -> None:
        """Gives the future its outcome, unless it was canceled."""
        future, self.future, self.ref = self.future, None, None
        if future is None or not future.set_running_or_notify_cancel():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)


class Forsaken:
    """A stream that is of no use but to name requests, until mutation `carried` was applied."""

    __slots__ = ("_stream", "carried")

    def __init__(self, stream: Stream, carried: int) -> None:
        self._stream = stream
        self.carried = carried

    def close(self) -> None:
        """Closes it."""
        self._stream.close()

    def forget_in_child(self) -> None:
        """In a forked child: lets go of the descriptor without a word."""
        self._stream.detach_after_fork()


class NoticeLane(Lane):
    """The helper's lane: requests without anybody blocked on them, and log lines."""

    KIND = pb.LANE_NOTICES

    def __init__(self, session: Session, printer: logs.Printer) -> None:
        super().__init__(session)
        self.answers: deque[pb.Reply] = deque()
        self.opened = 0
        #: Messages of log lines that were read and not shown yet: as many as one read brings.
        self._unshown: deque[Sequence[pb.LogLine]] = deque()
        self._printer = printer

    def _open(self, until: float | None) -> Stream:
        stream = super()._open(until)
        self.opened += 1
        return stream

    def has_news(self) -> bool:
        """Whether poll_quietly() would find something now."""
        return self._stream is not None and self._stream.wait_readable(0)

    def _file(self, message: pb.ToShim) -> None:
        super()._file(message)
        if message.logs:
            self._unshown.append(message.logs)

    def show_next(self) -> bool:
        """Shows the next message of log lines that has arrived; False when there is none."""
        if not self._unshown:
            return False
        self._printer.show(self._unshown.popleft())
        return True

    def _stray(self, reply: pb.Reply) -> None:
        self.answers.append(reply)


class Helper:
    """The thread, and the queues by which others leave it work."""

    def __init__(
        self,
        session: Session,
        arena: Arena | None,
        *,
        on_core_gone: Callable[[str], None],
    ) -> None:
        self.session = session
        #: Called at every tick; a true answer asks for the next tick in 10 ms.
        self.tick_hooks: list[Callable[[], object]] = []
        self._arena = arena
        self._on_core_gone = on_core_gone
        self._wake_fd = -1  # from start() to stop()
        self._printer = logs.Printer()
        self._lane = NoticeLane(session, self._printer)
        self._asked: deque[Question] = deque()
        self._forgotten: deque[Question] = deque()
        self._open_questions: dict[int, Question] = {}
        self._opened = 0
        self._retired: deque[Lane] = deque()
        self._leaving: list[Lane | Forsaken] = []
        self._forsaken: deque[Stream] = deque()
        self._stopped = False  # stop() has closed what there was
        self._stopping = False
        self._listens = False  # until the core has ended, for what workers printed last
        self._emptied = threading.Event()
        self._pause = TICK_S
        self._active_until = 0.0
        self._seen_last = 0
        self._quiet_since = 0.0
        self._probed = -1
        self._thread = threading.Thread(target=self._run, name="mobula-helper", daemon=True)

    # ------------------------------------------------------------------------------------------ for other threads

    def start(self) -> pb.Attached:
        """Attaches the notice lane, starts the thread, and returns what the core said of this process."""
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._lane.ready()
        self._opened = self._lane.opened
        attached = self._lane.attached
        self._thread.start()
        return attached

    def wake(self) -> None:
        """Makes the thread look now. Safe in finalizers and signal handlers."""
        fd = self._wake_fd
        if fd >= 0:
            try:
                os.eventfd_write(fd, 1)
            except OSError:
                pass  # closed this moment: there is nothing to do any more

    def ask(self, ref: ObjectRef[Any], future: Future[Any]) -> None:
        """Completes `future` with the raw value of `ref` when it is there."""
        self._ask(Question(ref, future), future)

    def ask_reply(self, body: bytes, future: Future[pb.Reply]) -> None:
        """Completes `future` with the reply to a request, checked; `body` encodes its kind."""
        self._ask(Question(None, future, body), future)

    def _ask(self, question: Question, future: Future[Any]) -> None:
        future.add_done_callback(lambda done: self._forget(question) if done.cancelled() else None)
        self._asked.append(question)
        if self.session.ended is not None or self._stopping:
            self._fail_questions()
        else:
            self.wake()

    def _forget(self, question: Question) -> None:
        self._forgotten.append(question)
        self.wake()

    def retire(self, lane: Lane) -> None:
        """Takes over the lane of a thread that ended, to close it once what it carried has arrived."""
        self._retired.append(lane)
        self.wake()

    def stray(self, reply: pb.Reply) -> None:
        """The answer to a question that was given up: what it holds for us is given back."""
        arena = self._arena
        if arena is not None:
            arena.unpins.extend([block.to_bytes(8, "little") for block in values.blocks_of(reply)])

    def forsake(self, stream: Stream) -> None:
        """Takes over a stream that an interrupt broke, to close it when the core knows that its answers were given up."""
        self._forsaken.append(stream)
        if self._stopped:
            self._close_forsaken()  # the thread that waited was told of the end after we were: nobody else comes by
        else:
            self.wake()

    def _close_forsaken(self) -> None:
        # Each stream is taken out by one of stop() and forsake(), whichever order they come in.
        while True:
            try:
                stream = self._forsaken.popleft()
            except IndexError:
                return
            stream.close()

    def finish(self, timeout: float = 2.0) -> None:
        """Ends the work of the thread after a last look at every queue. It goes on showing what workers print, which the
        core hands on until its own end; stop() comes after that."""
        thread = self._thread
        if thread.ident is None or thread is threading.current_thread():
            return
        self._listens = self._stopping = True
        self.wake()
        self._emptied.wait(timeout)

    def hear_out(self, timeout: float = 2.0) -> None:
        """After finish(): waits until the core has ended our lane, and all was read that it brought."""
        thread = self._thread
        if thread.ident is not None and thread is not threading.current_thread():
            thread.join(timeout)

    def stop(self, timeout: float = 2.0) -> None:
        """Ends the thread after a last look at every queue. Idempotent."""
        self._stopping = True
        self._listens = False
        self.wake()
        thread = self._thread
        if thread.ident is not None and thread is not threading.current_thread():
            thread.join(timeout)
            if thread.is_alive():
                return  # blocked in a callback of the user's; a daemon thread may be left behind
        self._lane.close()
        for lane in (*self._leaving, *self._retired):
            lane.close()
        self._stopped = True
        self._close_forsaken()
        self._fail_questions()
        fd, self._wake_fd = self._wake_fd, -1
        if fd >= 0:
            os.close(fd)

    def forget_in_child(self) -> None:
        """In a forked child, where the thread does not exist: lets go of the descriptors."""
        self._stopping = True
        fd, self._wake_fd = self._wake_fd, -1
        if fd >= 0:
            os.close(fd)
        for lane in (self._lane, *self._leaving, *self._retired):
            lane.forget_in_child()
        for stream in self._forsaken:
            stream.detach_after_fork()
        self._forsaken.clear()
        self._retired.clear()
        self._leaving.clear()

    def gather(self) -> list[bytes]:
        """Mutations for all that finalizers queued about refs. Only under the lock of the log (refcount.drain)."""
        out = []
        refs = refcount.drain()
        handles = refcount.drain_handles()
        # Handles that came, before refs that went: the ref may have been all that kept the object with the handle inside.
        if handles is not None and handles[0]:
            out.append(pb.Mutation(actor_handles=pb.ActorHandles(added=handles[0])).SerializeToString())
        if refs is not None:
            out.append(pb.Mutation(refs=pb.Refs(added=refs[0], dropped=refs[1])).SerializeToString())
        if handles is not None and handles[1]:
            out.append(pb.Mutation(actor_handles=pb.ActorHandles(dropped=handles[1])).SerializeToString())
        if refcount.unsure or refcount.handles_unsure:
            unsure, handles_unsure = refcount.drain_unsure()
            if unsure:
                out.append(pb.Mutation(refs=pb.Refs(unsure=unsure)).SerializeToString())
            if handles_unsure:
                out.append(pb.Mutation(actor_handles=pb.ActorHandles(unsure=handles_unsure)).SerializeToString())
        # What nobody took has never been looked into here, so the place among the others does not matter.
        streams = refcount.drain_streams()
        if streams:
            out.append(pb.Mutation(drop_streams=streams).SerializeToString())
        return out

    # ------------------------------------------------------------------------------------------ the thread

    def _run(self) -> None:
        # Signals are for the main thread: one taken here would not wake it out of a system call.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            while not self._stopping and not self.session.core_gone():
                self._sleep()
                self._look()
            while self._lane.show_next():
                pass
            if not self.session.ended:
                self._send_queued()
            self._fail_questions()
            self._emptied.set()
            if self._stopping:
                self._listen()
        except _CONNECTION_ERRORS as error:
            if not self._stopping:
                self.session.core_gone(1.0)
                self.session.end(str(error))
        except BaseException as error:
            self.session.end(f"the helper thread failed: {error!r}")
            raise
        finally:
            self._fail_questions()
            self._emptied.set()
            self._printer.finish()
            ended = self.session.ended
            if ended is not None and not self._stopping:
                self._on_core_gone(ended)

    def _sleep(self) -> None:
        poll = select.poll()
        poll.register(self._wake_fd, select.POLLIN)
        if self.session.pidfd >= 0:
            poll.register(self.session.pidfd, select.POLLIN)
        fd = self._lane.fileno()
        if fd >= 0:
            poll.register(fd, select.POLLIN)
        ready = poll.poll(self._pause * 1000)
        for which, _ in ready:
            if which == self._wake_fd:
                os.eventfd_read(self._wake_fd)
        if ready:
            self._active_until = time.monotonic() + 50 * TICK_S

    def _listen(self) -> None:
        """Reads until the core closes the lane, or stop() says that it has ended: then what has arrived is all there is."""
        lane = self._lane
        poll = select.poll()
        poll.register(self._wake_fd, select.POLLIN)
        while lane.is_open():
            last = not self._listens
            fd = lane.fileno()
            poll.register(fd, select.POLLIN)
            ready = poll.poll(0 if last else None)
            if any(which == self._wake_fd for which, _ in ready):
                os.eventfd_read(self._wake_fd)
            while lane.has_news():  # the end of the stream may have come along with messages, and is told after them
                lane.poll_quietly()
                while lane.show_next():
                    pass
            if last and not any(which == fd for which, _ in ready):
                return
            poll.unregister(fd)

    def _look(self) -> None:
        lane = self._lane
        lane.poll_quietly()
        worked = False
        # One read of a worker that prints without end takes a second to show, and for ever where the terminal stands still:
        # what refs were dropped meanwhile goes out between two messages.
        while lane.show_next():
            worked = self._send_queued() or worked
        self._answer()
        self._put_questions()
        worked = self._send_queued() or worked
        self._retire()
        self._probe()
        self._printer.tick()
        for hook in self.tick_hooks:
            if hook():
                worked = True
        now = time.monotonic()
        if worked:
            self._active_until = now + 50 * TICK_S
        self._pause = TICK_S if now < self._active_until else min(self._pause * 1.5, IDLE_TICK_S)

    def _send_queued(self) -> bool:
        log = self.session.log
        encoded = []
        arena = self._arena
        if arena is not None:
            arena.recent.forget()
        if arena is not None and arena.unpins:
            encoded.append(pb.Mutation(unpin=arena.take_unpins()).SerializeToString())
        if arena is not None and arena.discards:
            encoded.append(pb.Mutation(discard=arena.take_discards()).SerializeToString())
        if encoded or refcount.pending() or log.unwritten():
            log.write(self._lane, encoded, gather=self.gather)
            return True
        return False

    def _probe(self) -> None:
        """Asks for an ack when there was no traffic for a while: it empties the log, and shows what was lost unnoticed."""
        log = self.session.log
        log.trim()
        last = log.last()
        now = time.monotonic()
        if last != self._seen_last:
            self._seen_last = last
            self._quiet_since = now
            self._active_until = now + 50 * TICK_S
            self._probed = -1
        elif log.unacknowledged() and now - self._quiet_since > QUIET_S:
            if self._probed == log.acked:
                # The core was asked a second ago and has not applied a thing since: a lane died with our bytes.
                log.doubt()
            self._probed = log.acked
            self._quiet_since = now
            self._sync()

    def _sync(self) -> None:
        self._send_requests([wire.request(self._lane.next_id(), wire.SYNC_BODY)])

    def _send_requests(self, messages: list[bytes]) -> None:
        lane = self._lane
        while messages:
            stream = lane.ready()
            try:
                lane.send(stream, messages)
                return
            except LOST:
                lane.drop(stream)

    # ------------------------------------------------------------------------------------------ futures

    def _put_questions(self) -> None:
        lane = self._lane
        messages: list[bytes] = []
        if self._open_questions and not lane.is_open():
            lane.ready()  # nothing else may be there to send, and so nobody else to notice
        if lane.opened != self._opened:
            # The old stream took the questions with it.
            self._opened = lane.opened
            self._asked.extendleft(self._open_questions.values())
            self._open_questions.clear()
        while self._forgotten:
            question = self._forgotten.popleft()
            question.ref, question.body = None, b""
            if self._open_questions.pop(question.id, None) is not None:
                messages.append(wire.request(0, wire.abandon_body(question.id)))
        log = self.session.log
        if self._asked and log.unwritten():
            log.write(lane, ())
        after = wire.after(log.last())
        while self._asked:
            question = self._asked.popleft()
            body = question.body
            if question.ref is not None:
                body = wire.get_body(question.ref._id, -1, b"")
            if not body or question.future is None or question.future.cancelled():
                continue
            question.id = lane.next_id()
            self._open_questions[question.id] = question
            messages.append(after + wire.request(question.id, body))
        self._send_requests(messages)

    def _answer(self) -> None:
        answers = self._lane.answers
        while answers:
            reply = answers.popleft()
            question = self._open_questions.pop(reply.id, None)
            if question is None:
                self.stray(reply)
                continue
            try:
                checked = check(reply)
                if question.body:
                    question.complete(checked, None)
                    continue
                got = checked.get
                data, metadata = values.opened(got.values[0], self._arena)
            except (RayError, ValueError, OSError) as error:
                question.complete(None, error)
                continue
            ref = question.ref
            if ref is not None and ref._value is None and isinstance(data, bytes):
                ref._value = (data, metadata)
            del ref
            question.complete((data, metadata), None)

    def _fail_questions(self) -> None:
        sentence = self.session.ended or "mobula was shut down before the value was there"
        questions = list(self._open_questions.values())
        self._open_questions.clear()
        while self._asked:
            questions.append(self._asked.popleft())
        for question in questions:
            question.complete(None, RaySystemError(sentence))

    # ------------------------------------------------------------------------------------------ retired lanes

    def _retire(self) -> None:
        """Closes lanes of ended threads once the core has applied what they carried: closing earlier may lose bytes that
        the core has received but not looked at."""
        log = self.session.log
        fresh = bool(self._retired or self._forsaken)
        while self._retired:
            self._leaving.append(self._retired.popleft())
        while self._forsaken:
            # What its requests were given up by was deferred before: now it has a number. The stream stays where stop()
            # finds it until then, for the write raises when the core has died.
            carried = log.write(self._lane, ())
            self._leaving.append(Forsaken(self._forsaken.popleft(), carried))
        if not self._leaving:
            return
        staying = []
        for lane in self._leaving:
            if lane.carried <= log.seen:
                lane.close()
            else:
                staying.append(lane)
        self._leaving = staying
        if staying and fresh:
            self._sync()
