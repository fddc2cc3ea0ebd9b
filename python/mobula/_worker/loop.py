"""Async actors: one event loop, one thread and one lane for each concurrency group.

The lane is read by `add_reader`. Each task becomes an asyncio.Task in a context of its own, started in the order of arrival; how
many at once is the core's business. Sync methods run on the loop too and block it, as in Ray. `__init__` runs on the
loop of the default group, before that has a lane, so that it may make asyncio objects and start background tasks.

A blocking `mobula.get` on the loop's thread reads the lane itself and files what it finds into `lane.runs` and `lane.cancels`. The
descriptor then shows nothing new, so the selector looks at these before it blocks (`_LaneSelector`).
"""

from __future__ import annotations

import asyncio
import selectors
import threading
import traceback
from collections.abc import AsyncGenerator, Iterator
from concurrent.futures import Future
from types import GeneratorType
from typing import Any

from mobula._core.context import TaskContext, current
from mobula._core.pb import boundary_pb2 as pb
from mobula._core.runs import Run
from mobula._worker import exiting, outcome, printing
from mobula._worker.actor import Actor
from mobula._worker.executor import construct
from mobula._worker.outcome import Report
from mobula._worker.streaming import Items, refuse_other
from mobula._worker.tickets import Tickets
from mobula._worker.trampoline import call_user, take_items
from mobula._worker.worker import Lane, Worker


class _LaneSelector(selectors.DefaultSelector):
    """Does not block while the lane holds something that was read already."""

    lane: Lane | None = None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        lane = self.lane
        if lane is None or (timeout is not None and timeout <= 0):
            return super().select(timeout)
        try:
            if not (_has_filed(lane) or lane.wait(0)):
                return super().select(timeout)
        except exiting.LANE_LOST:
            self.lane = None  # the end of the main lane ends the process; until then the loop goes on
            return super().select(timeout)
        ready = super().select(0)
        fd = lane.fileno()
        if all(key.fd != fd for key, _ in ready):
            ready.append((self.get_key(fd), selectors.EVENT_READ))
        return ready


def _has_filed(lane: Lane) -> bool:
    return bool(lane.runs or lane.cancels or lane.openings or lane.exit is not None)


class _Execution:
    """One task on the loop."""

    __slots__ = ("canceled", "context", "run", "started", "task")

    def __init__(self, run: Run, context: TaskContext) -> None:
        self.run = run
        self.context = context
        self.started = False
        self.canceled = False
        self.task: asyncio.Task[None] | None = None


class LoopThread:
    """The event loop of one concurrency group, on a thread of its own."""

    def __init__(self, worker: Worker, group: str) -> None:
        self._worker = worker
        self._process = worker.process
        self._group = group
        self._selector = _LaneSelector()
        self._loop = asyncio.SelectorEventLoop(self._selector)
        self._lane: Lane | None = None
        self._lane_fd = -1
        self._tickets: Tickets | None = None
        self._executions: dict[bytes, _Execution] = {}
        self._thread = threading.Thread(target=self._serve, name=f"mobula-loop-{group or 'default'}", daemon=True)
        self._thread.start()

    # ------------------------------------------------------------------------------------------ called by the main thread

    def construct(self, run: Run, context: TaskContext) -> Report | None:
        """Run the actor's `__init__` on the loop; its report, or None when it called exit_actor()."""
        done: Future[Report | None] = Future()

        def start() -> None:
            self._start_in(context, self._construct(run, done))

        self._loop.call_soon_threadsafe(start)
        return done.result()

    def attach(self, opening: pb.OpenLane) -> None:
        """Open the lane that answers `opening`."""
        self._loop.call_soon_threadsafe(self._attach, opening)

    # ------------------------------------------------------------------------------------------ the loop's thread

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        while True:
            try:
                self._loop.run_forever()
            except SystemExit as error:  # noqa: PERF203
                # From a callback or a task of the user's own: asyncio lets it through and stops.
                exiting.leave(exiting.system_exit_code(error), process=self._process, actor=self._worker.instance())
            except KeyboardInterrupt:
                traceback.print_exc()  # the same, but nothing asked this process to end
            except BaseException:  # noqa: BLE001 - the shim failed; its methods would never be answered
                traceback.print_exc()
                exiting.leave_at_once(exiting.EXIT_FAULT)
            else:
                return

    def _attach(self, opening: pb.OpenLane) -> None:
        try:
            lane = self._process.open_executor_lane(group=self._group, opening=opening.opening, event_loop=True)
        except exiting.LANE_LOST:
            traceback.print_exc()  # the core is going, or took the opening back
            return
        self._lane = lane
        self._tickets = Tickets(self._worker.ticket_fd, lane, self._worker.page)
        self._watch(lane)
        self._pump()

    def _watch(self, lane: Lane) -> None:
        """Let the loop wake up for the lane; its descriptor changes when the lane was replaced."""
        fd = lane.fileno()
        if fd == self._lane_fd:
            return
        if self._lane_fd >= 0:
            self._loop.remove_reader(self._lane_fd)
        self._loop.add_reader(fd, self._pump)
        self._lane_fd = fd
        self._selector.lane = lane

    def _pump(self) -> None:
        lane = self._lane
        assert lane is not None
        try:
            lane.poll()
        except exiting.LANE_LOST:
            # The loop goes on for what user code still does there; the process ends with its first lane.
            self._selector.lane = None
            self._loop.remove_reader(self._lane_fd)
            return
        self._watch(lane)
        while lane.runs:
            self._start(lane.runs.popleft())
        # After the runs: a cancel never comes before the task it names.
        while lane.cancels:
            self._cancel(lane.cancels.popleft().task_id)
        while lane.openings:
            self._worker.open_lane(lane.openings.popleft())
        if lane.exit is not None:
            farewell, self._selector.lane = lane.exit, None
            self._loop.remove_reader(self._lane_fd)
            threading.Thread(target=exiting.obey, args=(farewell, self._worker), daemon=True).start()

    def _start_in(self, context: TaskContext, body: Any) -> asyncio.Task[None]:
        # A task copies the context it is made in.
        token = current.set(context)
        try:
            return self._loop.create_task(body)
        finally:
            current.reset(token)

    def _start(self, run: Run) -> None:
        actor, lane = self._worker.actor, self._lane
        assert actor is not None
        assert lane is not None
        assert self._tickets is not None
        if not self._tickets.admit(run.generation, run.ticket) or not actor.departure.start():
            self._drop_args(run)
            return
        context = self._worker.task_context(run, lane.slot, actor.resources, f"{actor.class_name}.{run.shape.method}")
        execution = self._executions[run.task_id] = _Execution(run, context)
        execution.task = self._start_in(context, self._execute(execution, actor))

    def _cancel(self, task_id: bytes) -> None:
        execution = self._executions.get(task_id)
        if execution is None or execution.canceled:
            return  # it has ended, or it knows: a second cancel must not break its cleanup
        execution.canceled = execution.context.told = True
        # One that has not begun must not be canceled by asyncio: it would end without running a line of `_execute`,
        # which has to report it.
        if execution.started and execution.task is not None:
            execution.task.cancel()

    async def _execute(self, execution: _Execution, actor: Actor) -> None:
        run = execution.run
        task_id = run.task_id
        execution.started = True
        done: Report | None
        if execution.canceled:
            done = outcome.done_canceled(task_id, run.attempt)
        else:
            done = await self._guarded(run, actor, self._call(actor, execution))
        self._drop_args(run)  # of one that was canceled before they were loaded
        del self._executions[task_id]
        if done is None or actor.departure.asked_by(task_id):
            actor.departure.ask(task_id)
            await self._until_quiet(actor)
            exiting.report_and_leave(self._process, self._lane, outcome.done_exit(task_id, run.attempt), actor.instance)
        self._send(done)
        actor.departure.end()

    def _drop_args(self, run: Run) -> None:
        if not run.bare:
            self._process.drop_args(run.spec)

    def _send(self, done: Report) -> None:
        printing.task_ends()
        try:
            self._process.finish(self._lane, (done,))
        except exiting.LANE_LOST:
            exiting.leave_at_once(exiting.EXIT_CORE_LOST)

    async def _call(self, actor: Actor, execution: _Execution) -> Any:
        run = execution.run
        shape = run.shape
        args, kwargs = ((), {}) if run.bare else self._process.load_args(run.spec)
        result = call_user(actor.method(shape.method), args, kwargs)
        if shape.streams:
            if not isinstance(result, (Iterator, AsyncGenerator)):
                raise refuse_other(result, shape.name)
            return await Items(self._process, run, actor, lambda: execution.canceled).run_on_loop(result)
        if asyncio.iscoroutine(result):
            return await result
        if type(result) is GeneratorType and shape.num_returns:
            return take_items(result, shape.num_returns)
        return result

    async def _construct(self, run: Run, done: Future[Report | None]) -> None:
        actor = self._worker.actor
        assert actor is not None
        actor.departure.start()
        done.set_result(await self._guarded(run, actor, self._make(actor, run.spec)))

    async def _make(self, actor: Actor, spec: pb.TaskSpec) -> None:
        construct(self._worker, actor, spec)

    async def _guarded(self, run: Run, actor: Actor, body: Any) -> Report | None:
        """The report of what `body` does; None when it is exit_actor()."""
        shape = run.shape
        try:
            return outcome.done_ok(self._process, run.task_id, run.attempt, await body, shape.num_returns)
        except BaseException as error:  # noqa: BLE001 - user code: whatever it raises is its result
            if isinstance(error, asyncio.CancelledError) and shape.type == pb.ACTOR_TASK:
                return outcome.done_canceled(run.task_id, run.attempt)
            if outcome.is_exit(error):
                return None
            if isinstance(error, SystemExit):
                exiting.leave(exiting.system_exit_code(error), process=self._process, actor=actor.instance)
            return outcome.done_error(self._process, run.spec, run.attempt, error, actor)

    async def _until_quiet(self, actor: Actor) -> None:
        quiet = asyncio.Event()
        actor.departure.when_quiet(lambda: self._loop.call_soon_threadsafe(quiet.set))
        while not quiet.is_set():
            try:
                await quiet.wait()
            except asyncio.CancelledError:  # noqa: PERF203
                continue  # the method has ended; there is nothing left to cancel


class Loops:
    """The event loops of this process's async actor, by concurrency group."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._loops: dict[str, LoopThread] = {}

    def of(self, group: str) -> LoopThread:
        """The loop of a group; started when it is first asked for. Main thread only."""
        found = self._loops.get(group)
        if found is None:
            found = self._loops[group] = LoopThread(self._worker, group)
        return found
