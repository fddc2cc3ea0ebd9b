"""The consumer's and the producer's questions about streams of items.

Owns the messages; who keeps items and counts them is `mobula.object_ref_generator`, who makes them `_worker.streaming`.
"""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING

from mobula._core import context, gets, ids
from mobula._core.lanes import TooLate
from mobula._core.pb import boundary_pb2 as pb
from mobula._core.replies import check

if TYPE_CHECKING:
    from mobula._core.process import Process

AHEAD = 128
"""How many items one answer brings at most; the core bounds their bytes as well."""


def ask(process: Process, object_id: bytes, timeout: float | None) -> pb.ItemsReply:
    """Items from the one with this id on. `timeout` in seconds; None waits for ever, 0 only looks.

    Raises TaskCancelledError when the asking task is canceled meanwhile.
    """
    deadline = gets.deadline_of(timeout)
    task_id, told = context.asking()
    try:
        reply = process.call(lambda: _next_body(object_id, gets.remaining_ms(deadline), task_id, told), gets.give_up_at(deadline))
    except TooLate:
        return pb.ItemsReply(timed_out=True)
    return check(reply).items


def _next_body(object_id: bytes, timeout_ms: int, task_id: bytes, told: bool) -> bytes:
    # Request.next_items is field 30: a tag of two bytes.
    wanted = pb.NextItems(object_id=object_id, timeout_ms=timeout_ms, task_id=task_id, most=AHEAD, told=told)
    return pb.Request(next_items=wanted).SerializeToString()


def tell_taken(process: Process, generator: bytes, taken: int) -> None:
    """Says that the consumer has taken so many items, so that a producer that is held back may go on."""
    process.mutate(pb.Mutation(consumed=pb.StreamConsumed(object_id=generator, taken=taken)))


def await_demand(process: Process, task_id: bytes, produced: int) -> None:
    """Blocks until the consumer wants more items than were produced. Raises TaskCancelledError when the task is canceled."""
    process.request(pb.Request(demand=_demand(task_id, produced, task_id)))


def demand_future(process: Process, task_id: bytes, produced: int) -> Future[pb.Reply]:
    """`await_demand` without blocking."""
    body = pb.Request(demand=_demand(task_id, produced, b"")).SerializeToString()
    return process.ask_later(body)


def _demand(task_id: bytes, produced: int, asking: bytes) -> pb.Demand:
    return pb.Demand(object_id=ids.return_id(task_id, 1), produced=produced, task_id=asking)


def item(task_id: bytes, index: int, value: pb.Value) -> bytes:
    """The mutation that brings an item."""
    return pb.Mutation(item=pb.GeneratorItem(task_id=task_id, index=index, value=value)).SerializeToString()
