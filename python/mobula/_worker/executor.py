"""One executor lane on one thread: takes its tasks, runs them one at a time, reports each at once.

The same class serves the worker's main thread (normal tasks, single-threaded actors, creation tasks) and every thread of a threaded
actor; only the main thread has `interrupts`. It refuses to know asyncio: `loop` does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextvars import copy_context
from types import GeneratorType
from typing import Any

from mobula._core import inherited
from mobula._core.context import current, set_async_actor
from mobula._core.pb import boundary_pb2 as pb
from mobula._worker import actor as actors
from mobula._worker import exiting, outcome, printing
from mobula._worker.actor import Actor
from mobula._worker.interrupts import Interrupts
from mobula._worker.streaming import Items, refuse_other, streams_items
from mobula._worker.tickets import Tickets
from mobula._worker.trampoline import call_user, take_items
from mobula._worker.worker import Lane, Worker


class Executor:
    """Runs the tasks of `lane` on the thread that opened it."""

    def __init__(self, worker: Worker, lane: Lane, interrupts: Interrupts | None = None) -> None:
        self._worker = worker
        self._process = worker.process
        self._lane = lane
        self._slot = lane.slot
        self._interrupts = interrupts
        self._tickets = Tickets(worker.ticket_fd, lane.send_dropped)

    def serve(self) -> pb.Exit:
        """Run tasks until the core says that this process should leave.

        Raises ConnectionError when the lane is gone, and so the core.
        """
        lane = self._lane
        while True:
            # A nested request files what it reads into these fields too, so they are looked at before every wait.
            while lane.runs and lane.exit is None:
                self.run(lane.runs.popleft())
            while lane.openings:
                self._worker.open_lane(lane.openings.popleft())
            if lane.exit is not None:
                return lane.exit
            lane.wait()
            lane.poll()

    def run(self, run: pb.RunTask) -> None:
        """Run one task and report it, or drop it when the core has taken it back."""
        try:
            self._run(run)
        finally:
            # Taken back, canceled or failed before they were loaded: large ones are pinned for this process all the same.
            self._process.drop_args(run.spec)

    def _run(self, run: pb.RunTask) -> None:
        spec = run.spec
        if run.HasField("function"):
            # Before the ticket is taken: the core sends these bytes once, also with a task that is dropped.
            self._worker.functions.note(spec.function_id, run.function.data)
        if not self._tickets.admit(run.generation, run.ticket):
            return
        if spec.type == pb.NORMAL_TASK:
            done = self._normal(run, spec)
            printing.task_ends()
            current.set(None)
            self._process.finish(self._lane, (done,))
        elif spec.type == pb.ACTOR_TASK:
            self._method(run, spec)
        else:
            self._create(run, spec)

    # ------------------------------------------------------------------------------------------ normal tasks

    def _normal(self, run: pb.RunTask, spec: pb.TaskSpec) -> pb.TaskDone:
        worker, interrupts = self._worker, self._interrupts
        assert interrupts is not None, "normal tasks run on the main thread"
        interrupts.begin(run.epoch, spec.task_id)
        printing.becomes(spec.name)
        try:
            resources = {resource.name: resource.amount for resource in spec.resources}
            worker.environment.apply(resources, run.gpus)
            inherited.become(spec.runtime_env)
            context = worker.task_context(run, self._slot, resources)
            current.set(context)
            function = worker.functions.function(spec.function_id)
            context.function_name = function.name
            args, kwargs = self._process.load_args(spec)
            if not interrupts.enter():
                return outcome.done_canceled(spec.task_id, run.attempt)
            # A copy: what one task sets in context variables is not for the next.
            own = copy_context()
            result = own.run(call_user, function.call, args, kwargs)
            if streams_items(spec):
                result = self._stream(run, result, own.run, interrupts.canceled)
            elif type(result) is GeneratorType and spec.num_returns:
                result = own.run(take_items, result, spec.num_returns)
            return outcome.done_ok(self._process, spec.task_id, run.attempt, result, spec.num_returns)
        except SystemExit as error:
            # No report: a task that ends its process has crashed it, and is tried again as such.
            exiting.leave(exiting.system_exit_code(error), process=self._process)
        except BaseException as error:  # noqa: BLE001 - user code: whatever it raises is its result
            if interrupts.canceled() and outcome.is_stop(error):
                return outcome.done_canceled(spec.task_id, run.attempt)
            return outcome.done_error(self._process, spec, run.attempt, error)
        finally:
            interrupts.end()

    # ------------------------------------------------------------------------------------------ actors

    def _create(self, run: pb.RunTask, spec: pb.TaskSpec) -> None:
        worker = self._worker
        actor = Actor(run)
        worker.environment.apply(actor.resources, run.gpus)
        inherited.become(spec.runtime_env)
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
            done = self._guarded(run, spec, lambda: construct(worker, actor, spec))
        self._report(actor, spec, run, done)

    def _method(self, run: pb.RunTask, spec: pb.TaskSpec) -> None:
        worker = self._worker
        actor = worker.actor
        assert actor is not None, "the core sends methods after the creation task"
        if not actor.departure.start():
            return  # the process leaves; the core fails what it has not reported
        current.set(worker.task_context(run, self._slot, actor.resources, f"{actor.class_name}.{spec.method}"))
        if worker.is_canceled(self._slot, run.epoch):
            done: pb.TaskDone | None = outcome.done_canceled(spec.task_id, run.attempt)
        else:
            done = self._guarded(run, spec, lambda: self._call_method(actor, run, spec))
        self._report(actor, spec, run, done)

    def _call_method(self, actor: Actor, run: pb.RunTask, spec: pb.TaskSpec) -> Any:
        args, kwargs = self._process.load_args(spec)
        # In the thread's own context, as in Ray: what __init__ set in context variables is there in methods.
        result = call_user(actor.method(spec.method), args, kwargs)
        if streams_items(spec):
            return self._stream(run, result, _enter, lambda: self._worker.ask_canceled(run, self._slot), actor)
        if type(result) is GeneratorType and spec.num_returns:
            return take_items(result, spec.num_returns)
        return result

    def _stream(
        self, run: pb.RunTask, result: Any, enter: Callable[..., Any], is_canceled: Callable[[], bool], actor: Actor | None = None
    ) -> Any:
        """Run the generator that a call has returned."""
        if not isinstance(result, Iterator):
            raise refuse_other(result, run.spec.name)
        return Items(self._process, run, actor, is_canceled).run(result, enter, watch=actor is not None)

    def _guarded(self, run: pb.RunTask, spec: pb.TaskSpec, body: Any) -> pb.TaskDone | None:
        """The report of what `body` does; None when it is exit_actor()."""
        try:
            return outcome.done_ok(self._process, spec.task_id, run.attempt, body(), spec.num_returns)
        except BaseException as error:  # noqa: BLE001 - user code: whatever it raises is its result
            if outcome.is_exit(error):
                return None
            if isinstance(error, SystemExit):
                exiting.leave(exiting.system_exit_code(error), process=self._process, actor=self._worker.instance())
            if self._worker.is_canceled(self._slot, run.epoch) and outcome.is_stop(error):
                return outcome.done_canceled(spec.task_id, run.attempt)
            return outcome.done_error(self._process, spec, run.attempt, error, self._worker.actor)

    def _report(self, actor: Actor, spec: pb.TaskSpec, run: pb.RunTask, done: pb.TaskDone | None) -> None:
        """Send the report; after exit_actor() send that last and leave."""
        current.set(None)
        printing.task_ends()
        if done is None or actor.departure.asked_by(spec.task_id):
            actor.departure.ask(spec.task_id)
            actor.departure.wait_until_quiet()
            exiting.report_and_leave(self._process, self._lane, outcome.done_exit(spec.task_id, run.attempt), actor.instance)
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
