"""One attachment of this Python process to mobula-core: what the public API and the worker speak to.

Owns which attachment is the current one, the making of ids, and the assembly of the parts: session, log, lanes, helper
thread, arena. Nothing here is a stable interface. It refuses to validate what users pass (the API does) and to know what
functions, classes and options are.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from itertools import count
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from mobula._core import context, forks, gets, ids, page, refcount, streams, transport, values, wire
from mobula._core.arena import Arena, Reservation
from mobula._core.context import TaskContext, current_task
from mobula._core.executor import ExecutorLane
from mobula._core.futures import RefFuture
from mobula._core.guard import Guard
from mobula._core.helper import Helper
from mobula._core.lanes import Lane, LaneTable, Take, TooLate
from mobula._core.pb import boundary_pb2 as pb
from mobula._core.replies import check
from mobula._core.session import Session
from mobula._core.unary import call_unary
from mobula.exceptions import RaySystemError
from mobula.serialization import Serialized, deserialize

if TYPE_CHECKING:
    from mobula._worker.config import WorkerConfig
    from mobula.object_ref import ObjectRef

T = TypeVar("T")

#: So many outcomes of canceled tasks are asked for at once.
MOST_CANCELED = 1024

EXIT_CORE_LOST = 71
#: How long a driver that leaves a session waits for what it has sent to be read.
_ARRIVE_S = 5.0

# The driver's numbers go on through shutdown() and init(): its task id is the same in every session, so a ref that outlived
# one session must not have the id of an object of the next.
_driver_puts = count(1)
_driver_children = count(1)

_current: Process | None = None
_forked = False
_auto_init: Callable[[], object] | None = None


class CoreHandle(Protocol):
    """What attach_driver needs of launch.Core."""

    @property
    def socket_path(self) -> str: ...
    @property
    def token(self) -> bytes: ...
    @property
    def arena_fd(self) -> int: ...
    @property
    def arena_bytes(self) -> int: ...
    @property
    def spill_fd(self) -> int: ...
    @property
    def page_fd(self) -> int: ...
    @property
    def pid(self) -> int: ...
    def stop(self) -> object: ...
    def describe_end(self) -> str: ...


def current() -> Process | None:
    """The attachment of this process, or None before init() and after shutdown()."""
    return _current


def require() -> Process:
    """The attachment of this process; starts one the way init() does where there is none.

    Raises RuntimeError in a child forked from a process that is attached.
    """
    process = _current
    if process is not None:
        return process
    if _forked:
        raise RuntimeError(forks.SENTENCE)
    if _auto_init is None:
        raise RuntimeError("mobula is not running in this process; call mobula.init() first")
    _auto_init()
    if _current is None:
        raise RuntimeError("mobula.init() was called for you and left no session behind")
    return _current


def set_auto_init(start: Callable[[], object] | None) -> None:
    """Says what require() calls when nothing is attached."""
    global _auto_init
    _auto_init = start


class Process:
    """One attachment; made by attach_driver or attach_worker."""

    def __init__(
        self,
        session: Session,
        mode: str,
        arena: Arena | None,
        on_core_gone: Callable[[str], None],
        stop_core: Callable[[], object] | None = None,
    ) -> None:
        self.session = session
        self.mode = mode
        self.worker_id = session.worker_id
        self._join(b"")
        self.node_id = b""
        self.namespace = ""
        self.arena = arena
        #: The cancel page as 64-bit words; None in the driver and where the transport shares no memory.
        self.page: memoryview | None = None
        self.pid = os.getpid()
        self._log = session.log
        self._helper = Helper(session, arena, on_core_gone=on_core_gone)
        session.log.on_doubt = self._helper.wake
        session.on_forsaken = self._helper.forsake
        self._lanes = LaneTable(session, self._helper.retire)
        self._lane = self._lanes.get
        self._plain = threading.local()
        self._exported: set[tuple[str, bytes]] = set()
        # Stock grpcio hands messages to a thread of its own: only an answer shows that they are on the wire.
        self._writes_through = transport.writes_through()
        # A task that waits lends its CPU, of which the core has to be told: only a driver waits without asking.
        self._expects = mode == "driver" and self._writes_through
        # The cancel page, where the core reads how many of this process's mutations cancel something; None: it is waited for.
        self._words: memoryview | None = None
        #: Refs whose tasks were canceled lately and that nobody has got since: one request tells of all (gets.py).
        self.canceled: dict[bytes, weakref.ref[ObjectRef[Any]]] = {}
        #: Of the last wait: the ids that are left, and which of them it found ready too (gets.py).
        self.waited = b"", b""
        self._stop_core = stop_core
        self._outlived = False  # the core goes on when this driver leaves
        self._close_guard = Guard()
        self._closed = False

    # ------------------------------------------------------------------------------------------ attaching

    @classmethod
    def attach_driver(
        cls, core: CoreHandle, namespace: str = "", job_id: bytes = b"\x01\x00\x00\x00", *, outlived: bool = False
    ) -> Process:
        """Attaches this process as the driver of a core that was started for it, or (`outlived`) goes on without it, and makes that
        the current one.

        Raises RaySystemError when the core refuses or is gone.
        """
        session = Session(
            socket_path=core.socket_path,
            token=core.token.hex(),
            role=pb.ROLE_DRIVER,
            worker_id=ids.driver_worker_id(job_id),
            core_pid=core.pid,
            opener=transport.opener(),
            describe_end=core.describe_end,
        )
        try:
            arena = Arena(core.arena_fd, core.arena_bytes, core.spill_fd) if core.arena_fd >= 0 else None
            process = cls(session, "driver", arena, lambda sentence: None, core.stop)
            process._outlived = outlived
            if core.page_fd >= 0 and transport.uses_page():
                process._words = page.map_asked(core.page_fd)
            process._start(namespace, job_id)
            return process
        except BaseException:
            session.close()
            raise

    @classmethod
    def attach_worker(cls, config: WorkerConfig) -> Process:
        """Attaches this process as a worker, and makes that the current one. The process ends with the core."""
        session = Session(
            socket_path=config.socket_path,
            token=config.token.hex(),
            role=pb.ROLE_WORKER,
            worker_id=config.worker_id,
            core_pid=config.core_pid,
            opener=transport.opener(),
        )
        arena = Arena(config.arena_fd, config.arena_bytes, config.spill_fd) if config.arena_fd >= 0 else None
        process = cls(session, "worker", arena, lambda sentence: os._exit(EXIT_CORE_LOST))
        if config.page_fd >= 0 and transport.uses_page():
            process.page = page.map_words(config.page_fd)
        process._start(config.namespace, config.job_id)
        return process

    def _start(self, namespace: str, job_id: bytes) -> None:
        global _current, _forked
        if self.mode == "driver":
            # What finalizers noted belongs to a session that is over.
            refcount.clear()
        try:
            attached = self._helper.start()
            self._log.start_at(attached.applied)
            self._join(attached.job_id or job_id)
            self.node_id = attached.node_id
            self.namespace = namespace or attached.namespace
            context.attach_page(self.page, self._ask_canceled, is_worker=self.mode == "worker")
            forks.on_child(self._forget_in_child)
            _forked = False
            _current = self
        except BaseException:
            # The core is the caller's to stop. Interrupted in the last moment it may have been whole.
            if _current is self:
                _current = None
            forks.forget(self._forget_in_child)
            context.attach_page(None, None, is_worker=False)
            self._helper.stop()
            self.session.close()
            raise

    def _join(self, job_id: bytes) -> None:
        self.job_id = job_id
        self._driver_task = ids.driver_task_id(job_id)
        # What the ids of the driver's calls are made of, whose number alone changes.
        self._driver_family = ids.family(job_id, self._driver_task)
        self._no_actor = ids.no_actor(job_id)

    def _forget_in_child(self) -> None:
        global _current, _forked
        _forked = True
        if _current is self:
            _current = None
        self._closed = True
        self._words = None
        self.session.forked = True
        self._helper.forget_in_child()
        for lane in self._lanes.all():
            lane.forget_in_child()
        self.session.close()
        refcount.clear()
        context.attach_page(None, None, is_worker=False)

    def close(self) -> None:
        """Ends the attachment: tells the core what finalizers queued, closes the lanes, and stops the core in a driver.

        Idempotent, and what an interrupt has left is done by the next call. Calls of other threads that are under way fail with
        RaySystemError. Views of large objects stay valid.
        """
        if os.getpid() == self.pid:
            self._close_guard.run(self._close)

    def _close(self) -> None:
        global _current
        if self._closed:
            return
        forks.forget(self._forget_in_child)
        try:
            if self._stop_core is None:
                self._helper.stop()
            else:
                self._helper.finish()
                if self._outlived:
                    self._arrive()
        finally:
            self.session.closed = True
            if _current is self:
                _current = None
                context.attach_page(None, None, is_worker=False)
            # A lane in use belongs to a thread that waits: it ends by itself, when the core ends.
            for lane in self._lanes.all():
                if not lane.in_use():
                    lane.close()
            self._words = None
            if self.arena is not None:
                self.arena.close()
            if self._stop_core is not None:
                self._stop_core()
                if self._outlived:
                    self._helper.hear_out()
                self._helper.stop()
            self.session.close()
            if self.mode == "driver":
                refcount.clear()
        self._closed = True

    def _arrive(self) -> None:
        """Waits until the core has applied all that was sent: what is said on another connection would overtake it."""
        with contextlib.suppress(RaySystemError, TooLate):  # the session is over, or stands still
            self._lane().call(lambda: wire.SYNC_BODY, until=time.monotonic() + _ARRIVE_S)

    # ------------------------------------------------------------------------------------------ mutations

    def mutate(self, *mutations: pb.Mutation) -> int:
        """Numbers the mutations and writes them; on the wire when this returns. Returns the last number so far."""
        return self.write([one.SerializeToString() for one in mutations])

    def submit_encoded(self, spec: bytes, *more: bytes) -> int:
        """mutate() with one encoded TaskSpec to be submitted, and further encoded mutations: the path of `.remote()`."""
        return self.write((wire.field(0x0A, spec), *more))

    def submit_one(self, spec: bytes, object_id: bytes) -> None:
        """submit_encoded() of a task with one return, which the calling thread may be about to wait for."""
        if self._expects:
            lane = self._lane()
            if not lane.in_use() and lane.expect(object_id):
                written = False
                try:
                    written = self._log.write_one(lane, wire.field(0x0A, spec), wire.AHEAD)
                finally:
                    if not written:
                        lane.forget(object_id)
                return
        self.submit_encoded(spec)

    def write(self, encoded: Sequence[bytes]) -> int:
        """mutate() with encoded Mutations."""
        lane = self._lane()
        if lane.in_use() and lane.is_inside():
            # A finalizer or signal handler inside another call of this thread: the helper thread writes it.
            return self._log.defer(encoded)
        last = self._log.write(lane, encoded)
        if not self._writes_through:
            lane.call(lambda: wire.SYNC_BODY)
        return last

    def cancel(self, ref: ObjectRef[Any], force: bool, recursive: bool) -> None:
        """Cancels the task that makes `ref`. When it returns, nothing that anybody tells the core from then on overtakes it.

        A driver writes it and waits for nothing: its number is in shared memory, and the core reads what the driver has written
        before it listens to anybody else (page.py). Elsewhere the core is asked, and its answer brings the outcome of a task that
        was ended at once, so that a get need not ask. From a finalizer or signal handler inside another call of this thread
        it does not wait, as nothing there may.
        """
        object_id = ref._id
        encoded = wire.cancel(object_id, force, recursive)
        lane = self._lane()
        log = self._log
        if (lane.in_use() and lane.is_inside()) or log.is_interrupted():
            self.write((encoded,))
            return
        if self._words is None:
            reply: pb.Reply = lane.call(lambda: wire.sync_body(object_id), (encoded,))
            gets.note_ended((ref,), reply.get.values)
        elif log.write_one(lane, encoded, b"", self._words) and not log.unwritten():
            if len(self.canceled) < MOST_CANCELED:
                self.canceled[object_id] = weakref.ref(ref)
        else:
            lane.call(lambda: wire.SYNC_BODY)

    def flush(self) -> int:
        """Writes what finalizers queued so far; returns the last number."""
        if refcount.pending() or self._log.unwritten():
            return self._log.write(self._lane(), (), gather=self._helper.gather)
        return self._log.last()

    def export(self, namespace: str, key: bytes, value: bytes, function: tuple[str, str, str, str]) -> None:
        """Puts an entry into the function table, once a key. What it holds: module, name of the class, name, hash."""
        if (namespace, key) in self._exported:
            return
        module, class_name, name, digest = function
        self.mutate(
            pb.Mutation(
                export=pb.Export(
                    namespace=namespace,
                    key=key,
                    value=value,
                    module=module,
                    class_name=class_name,
                    function_name=name,
                    function_hash=digest,
                )
            )
        )
        self._exported.add((namespace, key))

    # ------------------------------------------------------------------------------------------ requests

    def call(self, body: Callable[[], bytes], until: float | None = None) -> pb.Reply:
        """The reply to one request after all mutations so far, unchecked; `body()` encodes its kind.

        Raises TooLate when `until` (time.monotonic) has passed without an answer.
        """
        return self._lane().call(body, until=until)

    def call_and_take(self, body: Callable[[], bytes], take: Take[T], until: float | None = None) -> T:
        """`call` for an answer that hands something over; see Lane.call."""
        return self._lane().call(body, take=take, until=until)

    def request(self, request: pb.Request) -> pb.Reply:
        """The reply to one request after all mutations so far; `request.id` is filled in here.

        Raises what the core's refusal stands for (ValueError, ObjectStoreFullError, …), and RaySystemError when the core
        is gone.
        """
        request.ClearField("id")
        encoded = request.SerializeToString()
        return check(self._lane().call(lambda: encoded))

    def kv_get(self, namespace: str, key: bytes) -> bytes | None:
        """An entry of the function table, or None."""
        found = self.request(pb.Request(kv_get=pb.KvGet(namespace=namespace, key=key))).kv
        return found.value if found.found else None

    def unary(self, method: str, message: bytes) -> bytes:
        """One unary call of the Boundary service, on a connection of its own."""
        return call_unary(self.session, method, message)

    def inspect(self, validate: bool = False) -> pb.InspectReply:
        """Counts of everything alive in the core; with `validate`, `broken` says which invariant of it does not hold."""
        question = pb.InspectRequest(validate=validate)
        return pb.InspectReply.FromString(self.unary("Inspect", question.SerializeToString()))

    def ask_canceled(self, task_id: bytes) -> bool:
        """Whether a task is in this worker's canceled set: the RPC that the cancel page saves."""
        question = pb.IsTaskCanceledRequest(worker_id=self.worker_id, task_id=task_id)
        return pb.IsTaskCanceledReply.FromString(self.unary("IsTaskCanceled", question.SerializeToString())).canceled

    def _ask_canceled(self, task: TaskContext) -> bool:
        return self.ask_canceled(task.task_id)

    # ------------------------------------------------------------------------------------------ objects

    def put(self, serialized: Serialized, object_id: bytes) -> tuple[bytes, bytes] | None:
        """Makes an object; returns what its first ref may keep as `_value` (None for a large one).

        Raises ObjectStoreFullError or OutOfDiskError when there is no room.
        """
        value, reservation = self.reserve(serialized)
        self.mutate(pb.Mutation(put=pb.Put(object_id=object_id, value=value)))
        if reservation is None:
            return value.data, value.metadata
        reservation.keep()
        return None

    def store(self, serialized: Serialized) -> pb.Value:
        """A value as a message: inline up to 100 KiB, else in a block of the arena that is written when this returns.

        Whoever gets a block must seal it (in a put, an argument or a result) or discard it.
        """
        value, reservation = self.reserve(serialized)
        if reservation is not None:
            reservation.keep()
        return value

    def reserve(self, serialized: Serialized) -> tuple[pb.Value, Reservation | None]:
        """`store` for a caller that may be interrupted: a block is given back unless its reservation is kept."""
        return values.store(serialized, self.arena, self._allocate)

    def _allocate(self, size: int) -> tuple[pb.Block, Reservation]:
        arena = self.arena
        assert arena is not None

        def take(reply: pb.Reply, settle: Callable[[], object]) -> tuple[pb.Reply, Reservation | None]:
            if reply.WhichOneof("kind") == "allocate":
                return reply, arena.reserved(reply.allocate.id, settle)
            settle()
            return reply, None

        reply, reservation = self.call_and_take(lambda: wire.allocate_body(size), take)
        block = check(reply).allocate
        if reservation is None:
            raise RaySystemError("mobula-core was asked for room and answered something else; versions differ?")
        return block, reservation

    def load(self, value: pb.Value, object_id: bytes | None = None) -> tuple[bool, Any]:
        """(is_error, object) of a value that was received; unpickled anew. Call it once for every Block received."""
        data, metadata = values.opened(value, self.arena)
        return deserialize(data, metadata, object_id)

    def load_args(self, spec: pb.TaskSpec) -> tuple[list[Any], dict[str, Any]]:
        """The arguments of a task whose Arg.values are resolved; taken out of it. Raises the error that one of them is.

        An argument that had been spilled when the task was sent comes without a value, and is got here.
        """
        # All maps first: after an error half way, what is not mapped would stay pinned.
        opened: list[tuple[pb.Arg, values.Raw]] = []
        try:
            for arg in spec.args:
                if not arg.HasField("value"):
                    gets.fill_in(self, spec)
                opened.append((arg, values.opened(arg.value, self.arena)))
        finally:
            del spec.args[: len(opened)]
        args: list[Any] = []
        kwargs: dict[str, Any] = {}
        for arg, (data, metadata) in opened:
            failed, value = deserialize(data, metadata, arg.ref or None)
            if failed:
                raise values.error_of(value)
            if arg.has_keyword:
                kwargs[arg.keyword] = value
            else:
                args.append(value)
        return args, kwargs

    def drop_args(self, spec: pb.TaskSpec) -> None:
        """Gives back what the arguments that load_args has not taken hold for us: of a task that is not run after all."""
        arena = self.arena
        if arena is not None:
            for arg in spec.args:
                if arg.value.HasField("block"):
                    arena.unpins.append(arg.value.block.id.to_bytes(8, "little"))
        del spec.args[:]

    def outcome(self, object_id: bytes) -> values.Inline | None:
        """The outcome of a call of this thread that is sent ahead, waited for; None where it has to be asked for."""
        return self._lane().outcome(object_id) if self._expects else None

    def get(self, refs: Sequence[ObjectRef[Any]], timeout: float | None = None) -> list[Any]:
        """The values of the refs, in order; duplicates are fine.

        `timeout` in seconds: None waits for ever, 0 only looks; GetTimeoutError when it is over, ValueError when it is
        negative. Raises the first error among the values, as soon as it is known. Every get unpickles anew.
        """
        return gets.get(self, refs, timeout)

    def wait(
        self, refs: Sequence[ObjectRef[Any]], num_returns: int = 1, timeout: float | None = None
    ) -> tuple[list[ObjectRef[Any]], list[ObjectRef[Any]]]:
        """(ready, rest), both in the order of the input; never more than num_returns are ready."""
        return gets.wait(self, refs, num_returns, timeout)

    def future(self, ref: ObjectRef[Any]) -> Future[Any]:
        """A future of the value of `ref`. Canceling it does not cancel the task."""
        object_id = ref._id
        made = RefFuture(lambda raw: deserialize(raw[0], raw[1], object_id))
        self._complete(ref, made)
        return made

    def raw_future(self, ref: ObjectRef[Any]) -> Future[values.Raw]:
        """A future of (data, metadata) of the value of `ref`; the data of a large one is a view that pins it."""
        made: Future[values.Raw] = Future()
        self._complete(ref, made)
        return made

    def ask_later(self, body: bytes) -> Future[pb.Reply]:
        """A future of the reply to a request; `body` encodes its kind. Canceling it gives the request up."""
        made: Future[pb.Reply] = Future()
        self._helper.ask_reply(body, made)
        return made

    def _complete(self, ref: ObjectRef[Any], future: Future[Any]) -> None:
        cached = ref._value
        if cached is not None:
            future.set_result(cached)
        else:
            self._helper.ask(ref, future)

    # ------------------------------------------------------------------------------------------ ids

    def next_put_id(self) -> bytes:
        """The object id of the next put of the calling code."""
        task = current_task.get()
        if task is not None:
            return ids.put_id(task.task_id, next(task.puts), task.attempt)
        if self.mode == "driver":
            return ids.put_id(self._driver_task, next(_driver_puts))
        plain = self._plain_thread()
        return ids.put_id(plain.task_id, next(plain.puts))

    def new_task_id(self, actor_id: bytes | None = None) -> bytes:
        """The id of a task that the calling code submits: of a method call when `actor_id` is given."""
        if current_task.get() is None and self.mode == "driver":
            unique = ids.child_unique(self._driver_family, next(_driver_children))
        else:
            parent, children = self._parent()
            unique = ids.child_unique(ids.family(self.job_id, parent), next(children))
        return unique + (self._no_actor if actor_id is None else actor_id)

    def new_actor_id(self) -> bytes:
        """The id of an actor that the calling code creates; ids.actor_creation_task_id gives that of its creation."""
        parent, children = self._parent()
        return ids.new_actor_id(self.job_id, parent, next(children), time.time_ns())

    def current_task_id(self) -> bytes:
        """The task the calling code counts as: the running one, the driver's, or a random one for a plain thread of a
        worker (Ray's answer)."""
        task = current_task.get()
        if task is not None:
            return task.task_id
        return self._driver_task if self.mode == "driver" else self._plain_thread().task_id

    def _parent(self) -> tuple[bytes, Any]:
        task = current_task.get()
        if task is not None:
            return task.internal_id(), task.children
        if self.mode == "driver":
            return self._driver_task, _driver_children
        plain = self._plain_thread()
        return plain.task_id, plain.children

    def _plain_thread(self) -> TaskContext:
        try:
            found: TaskContext = self._plain.task
        except AttributeError:
            unique = ids.TASK_BYTES - ids.ACTOR_BYTES
            task_id = os.urandom(unique) + b"\xff" * (ids.ACTOR_BYTES - ids.JOB_BYTES) + self.job_id
            found = self._plain.task = TaskContext(task_id=task_id, job_id=self.job_id)
        return found

    # ------------------------------------------------------------------------------------------ for workers

    @property
    def tick_hooks(self) -> list[Callable[[], object]]:
        """Called by the helper thread at every look around, 10 to 100 ms apart; after a true answer 10 ms apart."""
        return self._helper.tick_hooks

    def wake_helper(self) -> None:
        """Makes the helper thread look now. Safe in signal handlers."""
        self._helper.wake()

    def open_executor_lane(self, group: str = "", opening: int = 0, event_loop: bool = False) -> ExecutorLane:
        """A lane that brings tasks; it becomes the calling thread's, so nested requests use it."""
        lane = ExecutorLane(self.session, group, opening, event_loop)
        self._lanes.adopt(lane)
        return lane

    def finish(self, lane: Lane, reports: Sequence[pb.TaskDone | bytes]) -> None:
        """Sends results: mutations like others, after every one of this process so far, noted refs included.

        A report in bytes is an encoded mutation, of a value that contains no refs. The returns of others keep what they
        contain from now on, so the hold that packing took (outcome.py) is given back.
        """
        encoded = [one if isinstance(one, bytes) else wire.done(one.SerializeToString()) for one in reports]
        self._log.write(lane, encoded, gather=self._helper.gather if refcount.pending() else None)
        for done in reports:
            if not isinstance(done, bytes):
                for value in done.returns:
                    if value.contained:
                        refcount.dropped.extend(ids.split_objects(value.contained))

    def report_item(self, task_id: bytes, index: int, value: pb.Value) -> None:
        """Sends an item of a running generator, as `finish` sends results."""
        lane = self._lane()
        self._log.write(lane, (streams.item(task_id, index, value),), gather=self._helper.gather)
        if not self._writes_through:
            lane.call(lambda: wire.SYNC_BODY)
        if value.contained:
            refcount.dropped.extend(ids.split_objects(value.contained))
