"""A core and an attached process made of queues, for tests of what runs in a worker.

`FakeProcess` has the shape of `mobula._core.process.Process` as far as `_worker` uses it (`worker.Attachment`). Feed a lane with
`FakeLane.feed`; what the worker reports arrives in `FakeProcess.done`.
"""

from __future__ import annotations

import os
import pickle
import queue
import select
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from mobula import serialization
from mobula._core import page
from mobula._core.pb import boundary_pb2 as pb
from mobula._core.runs import Run
from mobula.serialization import deserialize, serialize


class FakeLane:
    """A lane whose other end is the test. `feed` may be called on any thread."""

    def __init__(self, slot: int, group: str = "", opening: int = 0, event_loop: bool = False) -> None:
        self.slot = slot
        self.group = group
        self.opening = opening
        self.event_loop = event_loop
        self.runs: deque[Run] = deque()
        self.cancels: deque[pb.CancelRun] = deque()
        self.openings: deque[pb.OpenLane] = deque()
        self.exit: pb.Exit | None = None
        self.dropped: list[int] = []
        self.lost = False
        self.caught_up = 0
        self._sent: deque[pb.ToShim] = deque()
        self._fd = os.eventfd(0, os.EFD_NONBLOCK)

    def feed(self, *runs: Run, **fields: Any) -> None:
        self._sent.append(pb.ToShim(run=[one.message for one in runs], **fields))
        os.eventfd_write(self._fd, 1)

    def lose(self) -> None:
        self.lost = True
        os.eventfd_write(self._fd, 1)

    def fileno(self) -> int:
        return self._fd

    def wait(self, timeout: float | None = None) -> bool:
        return wait_readable(self._fd, timeout)

    def poll(self) -> None:
        try:
            os.eventfd_read(self._fd)
        except BlockingIOError:
            pass
        while self._sent:
            message = self._sent.popleft()
            self.runs.extend([Run.of(one) for one in message.run])
            self.cancels.extend(message.cancel)
            if message.HasField("open_lane"):
                self.openings.append(message.open_lane)
            if message.HasField("exit"):
                self.exit = message.exit
        if self.lost:
            raise ConnectionError("the test cut this lane")

    def send_dropped(self, generation: int) -> None:
        self.dropped.append(generation)

    def catch_up(self) -> None:
        self.caught_up += 1


def wait_readable(fd: int, timeout: float | None) -> bool:
    return bool(select.select([fd], [], [], timeout)[0])


class FakeProcess:
    """An attached process. `done` gets one (lane, TaskDone) for each report, in order."""

    def __init__(self) -> None:
        self.job_id = b"\1\0\0\0"
        self.words = memoryview(bytearray(8 * 64)).cast("Q")
        self.page: Sequence[int] | None = self.words
        self.ticket_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_SEMAPHORE)
        self.done: queue.Queue[tuple[FakeLane, pb.TaskDone]] = queue.Queue()
        self.lanes: queue.Queue[FakeLane] = queue.Queue()
        self.table: dict[bytes, bytes] = {}
        self.closed = False
        self.dropped_args = 0
        self.tick_hooks: list[Callable[[], object]] = []
        self.wakes = 0
        self.requests: list[pb.Request] = []
        self.thread_lanes: dict[int, FakeLane] = {}
        self._slots = page.FIRST_SLOT
        self._lock = threading.Lock()

    def open_executor_lane(self, group: str = "", opening: int = 0, event_loop: bool = False) -> FakeLane:
        with self._lock:
            self._slots += 1
            lane = FakeLane(self._slots, group, opening, event_loop)
        self.thread_lanes[threading.get_ident()] = lane
        self.lanes.put(lane)
        return lane

    def finish(self, lane: FakeLane, reports: Sequence[pb.TaskDone | bytes]) -> None:
        for done in reports:
            self.done.put((lane, pb.Mutation.FromString(done).done if isinstance(done, bytes) else done))

    def load_args(self, spec: pb.TaskSpec) -> tuple[list[Any], dict[str, Any]]:
        args: list[Any] = []
        kwargs: dict[str, Any] = {}
        for arg in spec.args:
            failed, value = deserialize(arg.value.data, arg.value.metadata)
            if failed:
                raise value
            if arg.has_keyword:
                kwargs[arg.keyword] = value
            else:
                args.append(value)
        del spec.args[:]
        return args, kwargs

    def drop_args(self, spec: pb.TaskSpec) -> None:
        self.dropped_args += len(spec.args)
        del spec.args[:]

    def store(self, serialized: Any) -> pb.Value:
        return pb.Value(data=serialized.to_bytes(), metadata=serialized.metadata)

    def kv_get(self, namespace: str, key: bytes) -> bytes | None:
        assert namespace == "fun"
        return self.table.get(key)

    def request(self, request: pb.Request) -> pb.Reply:
        self.requests.append(request)
        return pb.Reply()

    def close(self) -> None:
        self.closed = True

    def wake_helper(self) -> None:
        self.wakes += 1

    def ask_canceled(self, task_id: bytes) -> bool:
        raise AssertionError("not asked where the page is shared")

    def cancel(self, lane: FakeLane, epoch: int) -> None:
        self.words[lane.slot] = epoch << 1 | 1

    def give_tickets(self, count: int) -> None:
        os.eventfd_write(self.ticket_fd, count)

    def next_done(self, timeout: float = 20) -> pb.TaskDone:
        return self.done.get(timeout=timeout)[1]

    def next_value(self, timeout: float = 20) -> Any:
        return value_of(self.next_done(timeout))


def value_of(done: pb.TaskDone) -> Any:
    """What a get of the task's one return gives: the value, or raises."""
    if done.outcome == pb.OUTCOME_OK:
        (only,) = done.returns
        failed, value = deserialize(only.data, only.metadata)
        assert not failed
        return value
    raise error_of(done)


def error_of(done: pb.TaskDone) -> Exception:
    assert done.outcome == pb.OUTCOME_ERROR, done
    failed, error = deserialize(done.error.data, done.error.metadata)
    assert failed
    return error


_ids = iter(range(1, 1 << 60))


def function_export(function: Callable[..., Any]) -> bytes:
    return pickle.dumps(
        {
            "function_name": f"{function.__module__}.{function.__name__}",
            "module": function.__module__,
            "function": serialization.dumps(function),
        }
    )


def class_export(cls: type) -> bytes:
    return pickle.dumps({"class_name": cls.__name__, "module": cls.__module__, "class": serialization.dumps(cls)})


def args_of(*args: Any, **kwargs: Any) -> list[pb.Arg]:
    return [pb.Arg(value=_value(value)) for value in args] + [
        pb.Arg(value=_value(value), keyword=name, has_keyword=True) for name, value in kwargs.items()
    ]


def _value(value: Any) -> pb.Value:
    serialized = serialize(value)
    return pb.Value(data=serialized.to_bytes(), metadata=serialized.metadata)


def _run(**fields: Any) -> Run:
    return Run.of(pb.RunTask(**fields))


def without_function(run: Run) -> Run:
    """The same run, as the core sends it to a process that has its function."""
    run.message.ClearField("function")
    return Run.of(run.message)


def run_of(
    function: Callable[..., Any],
    *args: Any,
    epoch: int = 0,
    num_returns: int = 1,
    ticket: bool = False,
    generation: int = 0,
    **spec: Any,
) -> Run:
    """A normal task that calls `function` with positional arguments; `spec` are further fields of the TaskSpec."""
    number = next(_ids)
    return _run(
        spec=pb.TaskSpec(
            task_id=number.to_bytes(24, "big"),
            function_id=number.to_bytes(28, "big"),
            name=getattr(function, "__name__", "task"),
            args=args_of(*args),
            num_returns=num_returns,
            **spec,
        ),
        epoch=epoch or number,
        generation=generation,
        ticket=ticket,
        function=pb.Value(data=function_export(function)),
    )


ACTOR_ID = bytes(range(16))


def creation_of(cls: type, *args: Any, is_asyncio: bool = False, **spec: Any) -> Run:
    number = next(_ids)
    return _run(
        spec=pb.TaskSpec(
            type=pb.ACTOR_CREATION_TASK,
            task_id=number.to_bytes(24, "big"),
            function_id=number.to_bytes(28, "big"),
            name=f"{cls.__name__}.__init__",
            args=args_of(*args),
            actor_id=ACTOR_ID,
            actor=pb.ActorCreation(class_name=cls.__name__, is_asyncio=is_asyncio),
            **spec,
        ),
        epoch=number,
        function=pb.Value(data=class_export(cls)),
    )


def method_of(name: str, *args: Any, epoch: int = 0, num_returns: int = 1, **kwargs: Any) -> Run:
    number = next(_ids)
    return _run(
        spec=pb.TaskSpec(
            type=pb.ACTOR_TASK,
            task_id=number.to_bytes(24, "big"),
            name=f"Actor.{name}",
            method=name,
            args=args_of(*args, **kwargs),
            num_returns=num_returns,
            actor_id=ACTOR_ID,
        ),
        epoch=epoch or number,
    )
