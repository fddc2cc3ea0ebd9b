"""One executor lane on one thread: takes its tasks, runs them one at a time, reports each at once.

The same class serves the worker's main thread (normal tasks, single-threaded actors, creation tasks) and every thread of a threaded
actor; only the main thread has `interrupts`. It refuses to know asyncio: `loop` does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import copy_context
from types import GeneratorType
from typing import Any, Final

from mobula._core import inherited
from mobula._core.context import current, set_async_actor
from mobula._core.pb import boundary_pb2 as pb
from mobula._core.runs import Run
from mobula._worker import actor as actors
from mobula._worker import exiting, outcome, printing
from mobula._worker.actor import Actor
from mobula._worker.interrupts import Interrupts
from mobula._worker.outcome import Report
from mobula._worker.streaming import Items, refuse_other
from mobula._worker.tickets import Tickets
from mobula._worker.trampoline import call_user, take_items
from mobula._worker.worker import Lane, Worker

_NORMAL: Final = pb.NORMAL_TASK
_METHOD: Final = pb.ACTOR_TASK
#: How often a thread that could not be started is tried again.
_AGAIN_S: Final = 0.1
_NO_KEYWORDS: Final[Mapping[str, Any]] = {}


class Executor:
    """Runs the tasks of `lane` on the thread that opened it."""

    def __init__(self, worker: Worker, lane: Lane, interrupts: Interrupts | None = None) -> None:
        self._worker = worker
        self._process = worker.process
        self._lane = lane
        self._slot = lane.slot
        self._interrupts = interrupts
        self._tickets = Tickets(worker.ticket_fd, lane, worker.page)

    def serve(self) -> pb.Exit:
        """Run tasks until the core says that this process should leave.

        Raises ConnectionError when the lane is gone, and so the core.
        """
        lane = self._lane
        while True:
            # A nested request files what it reads into these fields too, so they are looked at before every wait.
            while lane.runs and lane.exit is None:
                self.run(lane.runs.popleft())
            while lane.openings and self._worker.open_lane(lane.openings[0]):
                lane.openings.popleft()
            if lane.exit is not None:
                return lane.exit
            # Nobody says when a limit of threads is raised, or a thread of another process ends.
            lane.wait(_AGAIN_S if lane.openings else None)
            lane.poll()

    def run(self, run: Run) -> None:
        """Run one task and report it, or drop it when the core has taken it back."""
        if run.bare:
            self._run(run)
            return
        if run.message.HasField("function"):
            # Before the ticket is taken: the core sends these bytes once, also with a task that is dropped.
            self._worker.functions.note(run.shape.function_id, run.message.function.data)
        try:
            self._run(run)
        finally:
            # Taken back, canceled or failed before they were loaded: large ones are pinned for this process all the same.
            self._process.drop_args(run.spec)

    def _run(self, run: Run) -> None:
        if not self._tickets.admit(run.generation, run.ticket):
            return
        kind = run.shape.type
        if kind == _METHOD:
            self._method(run)
        elif kind == _NORMAL:
            done = self._normal(run)
            printing.task_ends()
            current.set(None)
            self._process.finish(self._lane, (done,))
        else:
            self._create(run)

    def _arguments(self, run: Run) -> tuple[Sequence[Any], Mapping[str, Any]]:
        return ((), _NO_KEYWORDS) if run.bare else self._process.load_args(run.spec)

    # ------------------------------------------------------------------------------------------ normal tasks

    def _normal(self, run: Run) -> Report:
        worker, interrupts, shape = self._worker, self._interrupts, run.shape
        assert interrupts is not None, "normal tasks run on the main thread"
        interrupts.begin(run.epoch, run.task_id)
        printing.becomes(shape.name)
        try:
            worker.environment.apply(shape.resources, run.gpus)
            inherited.become(shape.runtime_env)
            context = worker.task_context(run, self._slot, shape.resources)
            current.set(context)
            function = worker.functions.function(shape.function_id)
            context.function_name = function.name
            args, kwargs = self._arguments(run)
            if not interrupts.enter():
                return outcome.done_canceled(run.task_id, run.attempt)
            # A copy: what one task sets in context variables is not for the next.
            own = copy_context()
            result = own.run(call_user, function.call, args, kwargs)
            if shape.streams:
                result = self._stream(run, result, own.run, interrupts.canceled)
            elif type(result) is GeneratorType and shape.num_returns:
                result = own.run(take_items, result, shape.num_returns)
            return outcome.done_ok(self._process, run.task_id, run.attempt, result, shape.num_returns)
        except SystemExit as error:
            # No report: a task that ends its process has crashed it, and is tried again as such.
            exiting.leave(exiting.system_exit_code(error), process=self._process)
        except BaseException as error:  # noqa: BLE001 - user code: whatever it raises is its result
            if interrupts.canceled() and outcome.is_stop(error):
                return outcome.done_canceled(run.task_id, run.attempt)
            return outcome.done_error(self._process, run.spec, run.attempt, error)
        finally:
            interrupts.end()

    # ------------------------------------------------------------------------------------------ actors

    def _create(self, run: Run) -> None:
        worker = self._worker
        actor = Actor(run.message)
        worker.environment.apply(actor.resources, run.gpus)
        inherited.become(run.shape.runtime_env)
        worker.actor = actor
        actors.become(actor)
        printing.becomes_actor(actor.class_name)
        set_async_actor(actor.is_async)
        context = worker.task_context(run, self._slot, actor.resources, f"{actor.class_name}.__init__")
        if actor.is_async and worker.construct_async is not None:
            done = worker.construct_async(run, context)
        else:
            current.set(context)
            actor.departure.start()
            done = self._guarded(run, actor, self._construct)
        self._report(actor, run, done)

    def _construct(self, actor: Actor, run: Run) -> None:
        construct(self._worker, actor, run.spec)

    def _method(self, run: Run) -> None:
        worker = self._worker
        actor = worker.actor
        assert actor is not None, "the core sends methods after the creation task"
        if not actor.departure.start():
            return  # the process leaves; the core fails what it has not reported
        name = f"{actor.class_name}.{run.shape.method}"
        current.set(worker.task_context(run, self._slot, actor.resources, name))
        if worker.is_canceled(self._slot, run.epoch):
            done: Report | None = outcome.done_canceled(run.task_id, run.attempt)
        else:
            done = self._guarded(run, actor, self._call_method)
        self._report(actor, run, done)

    def _call_method(self, actor: Actor, run: Run) -> Any:
        shape = run.shape
        args, kwargs = self._arguments(run)
        # In the thread's own context, as in Ray: what __init__ set in context variables is there in methods.
        result = call_user(actor.method(shape.method), args, kwargs)
        if shape.streams:
            return self._stream(run, result, _enter, lambda: self._worker.ask_canceled(run, self._slot), actor)
        if type(result) is GeneratorType and shape.num_returns:
            return take_items(result, shape.num_returns)
        return result

    def _stream(
        self, run: Run, result: Any, enter: Callable[..., Any], is_canceled: Callable[[], bool], actor: Actor | None = None
    ) -> Any:
        """Run the generator that a call has returned."""
        if not isinstance(result, Iterator):
            raise refuse_other(result, run.shape.name)
        return Items(self._process, run, actor, is_canceled).run(result, enter, watch=actor is not None)

    def _guarded(self, run: Run, actor: Actor, body: Callable[[Actor, Run], Any]) -> Report | None:
        """The report of what `body` does; None when it is exit_actor()."""
        try:
            return outcome.done_ok(self._process, run.task_id, run.attempt, body(actor, run), run.shape.num_returns)
        except BaseException as error:  # noqa: BLE001 - user code: whatever it raises is its result
            if outcome.is_exit(error):
                return None
            if isinstance(error, SystemExit):
                exiting.leave(exiting.system_exit_code(error), process=self._process, actor=actor.instance)
            if self._worker.is_canceled(self._slot, run.epoch) and outcome.is_stop(error):
                return outcome.done_canceled(run.task_id, run.attempt)
            return outcome.done_error(self._process, run.spec, run.attempt, error, actor)

    def _report(self, actor: Actor, run: Run, done: Report | None) -> None:
        """Send the report; after exit_actor() send that last and leave."""
        current.set(None)
        printing.task_ends()
        if done is None or actor.departure.asked_by(run.task_id):
            actor.departure.ask(run.task_id)
            actor.departure.wait_until_quiet()
            exiting.report_and_leave(self._process, self._lane, outcome.done_exit(run.task_id, run.attempt), actor.instance)
        self._process.finish(self._lane, (done,))
        actor.departure.end()


def _enter(door: Callable[..., Any], *args: Any) -> Any:
    """Methods run in the thread's own context."""
    return door(*args)


def construct(worker: Worker, actor: Actor, spec: pb.TaskSpec) -> None:
    """Make the actor's instance: load the class and the arguments, call the constructor."""
    loaded = worker.functions.actor_class(spec.function_id)
    actor.class_name = actor.class_name or loaded.name
    printing.becomes_actor(actor.class_name)
    args, kwargs = worker.process.load_args(spec)
    actor.instance = call_user(loaded.cls, args, kwargs)
    printing.becomes_actor(actor.class_name, actor.instance)
