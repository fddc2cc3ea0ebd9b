"""Generators of tasks and methods whose items are objects of their own: run, one item after the other.

Owns what happens between two items: packing and sending, the look at the cancel flag, the wait for demand, and the end. An
exception of the generator's own is its last item (Ray's rule), unless the task will be tried again for it. User code is
entered through the doors of `trampoline` only.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from mobula._core import ids, streams
from mobula._core.pb import boundary_pb2 as pb
from mobula._core.runs import Run
from mobula._worker import outcome
from mobula._worker.actor import Actor
from mobula._worker.trampoline import EXHAUSTED, call_user, next_item
from mobula.exceptions import TaskCancelledError
from mobula.object_ref import ObjectRef
from mobula.object_ref_generator import DynamicObjectRefGenerator


class Carrier(Protocol):
    """What items need of the attached process."""

    def store(self, serialized: Any) -> pb.Value: ...
    def report_item(self, task_id: bytes, index: int, value: pb.Value) -> None: ...


class Items:
    """The items of one run, on their way to the core."""

    def __init__(self, process: Any, run: Run, actor: Actor | None, is_canceled: Callable[[], bool]) -> None:
        self._process = process
        self._spec = run.spec
        self._attempt = run.attempt
        self._actor = actor
        self._is_canceled = is_canceled
        # An actor with a limit for all its streams may have no room for the first item of this one.
        self._asks_first = self._spec.actor_backpressure > 0
        self._asks = self._asks_first or self._spec.backpressure > 0
        self.count = 0
        self._refs: list[ObjectRef[Any]] = []

    def run(self, generator: Iterator[Any], enter: Callable[..., Any], *, watch: bool) -> Any:
        """Take every item; what the task's return 1 is. `enter(door, *args)` enters user code.

        With `watch`, a cancel ends the generator at its next yield; elsewhere the interrupt does.
        """
        try:
            if self._asks_first:
                self._await_demand()
            while True:
                value = enter(next_item, generator)
                if value is EXHAUSTED:
                    return self.result()
                if watch and self._is_canceled():
                    raise TaskCancelledError(task_id=ids.TaskID(self._spec.task_id))
                self._send(value)
                del value
                if self._asks:
                    self._await_demand()
        except Exception as error:
            if not self._is_last_item(error):
                raise
            return self.result()
        finally:
            close = getattr(generator, "close", None)
            if close is not None:
                enter(call_user, close, (), {})

    async def run_on_loop(self, generator: Any) -> Any:
        """`run` for the methods of async actors: async generators, and sync ones, which block the loop while they compute."""
        from asyncio import sleep

        is_async = inspect.isasyncgen(generator)
        try:
            if self._asks_first:
                await self._demand()
            while True:
                if is_async:
                    try:
                        value = await anext(generator)
                    except StopAsyncIteration:
                        return self.result()
                else:
                    value = next_item(generator)
                    if value is EXHAUSTED:
                        return self.result()
                self._send(value)
                del value
                # Also without a limit: what else the loop has to do, a cancel of this among it, comes between two items.
                await sleep(0)
                if self._asks:
                    await self._demand()
        except Exception as error:
            if not self._is_last_item(error):
                raise
            return self.result()
        finally:
            if is_async:
                await generator.aclose()
            else:
                close = getattr(generator, "close", None)
                if close is not None:
                    call_user(close, (), {})

    def result(self) -> Any:
        """The value of return 1: nothing, or the list of a dynamic one."""
        return DynamicObjectRefGenerator(self._refs) if self._spec.dynamic else None

    def _await_demand(self) -> None:
        # Through a door: waiting here is waiting in the generator, and may be interrupted.
        call_user(streams.await_demand, (self._process, self._spec.task_id, self.count), {})

    async def _demand(self) -> None:
        from asyncio import wrap_future

        await wrap_future(streams.demand_future(self._process, self._spec.task_id, self.count))

    def _send(self, value: Any) -> None:
        for item in self._items(value):
            self._report(outcome.pack(self._process, item))

    def _items(self, value: Any) -> Sequence[Any]:
        """What one yield brings. Raises ValueError, in Ray's words, when that is not what was announced."""
        number = self._spec.per_yield
        if not number:
            return (value,)
        if not isinstance(value, (tuple, list)):
            raise ValueError(
                f"Streaming generator tasks with _num_objects_per_yield={number} must yield a tuple or list of length {number}."
            )
        if len(value) != number:
            raise ValueError(f"Streaming generator task yielded {len(value)} objects, but _num_objects_per_yield={number}.")
        return value

    def _report(self, packed: pb.Value) -> None:
        task_id, index = self._spec.task_id, self.count
        self._process.report_item(task_id, index, packed)
        self.count = index + 1
        if self._spec.dynamic:
            self._refs.append(ObjectRef._owned(ids.generator_item_id(task_id, index)))

    def _is_last_item(self, error: Exception) -> bool:
        """Send the exception as the last item, if it is that: not the end of the actor, of a canceled run, or to be retried."""
        spec = self._spec
        if outcome.is_exit(error) or outcome.is_stop(error) or self._is_canceled():
            return False
        done = outcome.done_error(self._process, spec, self._attempt, error, self._actor)
        if done.retryable and (spec.max_retries < 0 or self._attempt < spec.max_retries):
            if done.error.HasField("block"):
                self._process.mutate(pb.Mutation(discard=done.error.block.id.to_bytes(8, "little")))
            return False
        self._report(done.error)
        return True


def refuse_other(result: Any, name: str) -> TypeError:
    """What a function that should have given a generator is told."""
    kind = "an async generator, which only methods of async actors may be" if inspect.isasyncgen(result) else type(result).__name__
    return TypeError(f"{name} was called for a stream of items, and returned {kind}")
