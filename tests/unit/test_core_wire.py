"""Hand-built envelopes say the same as the generated code."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mobula._core import wire
from mobula._core.pb import boundary_pb2 as pb

numbers = st.integers(0, 2**64 - 1)
texts = st.binary(max_size=300)


@given(numbers, texts)
def test_a_mutation(number: int, value: bytes) -> None:
    mutation = pb.Mutation(export=pb.Export(key=b"k", value=value))
    message = pb.FromShim.FromString(wire.mutation(number, mutation.SerializeToString()))
    assert message == pb.FromShim(first_mutation=number, mutations=[mutation])


@given(numbers, numbers, texts, texts, st.integers(-1, 2**53), st.booleans())
def test_a_get(after: int, request_id: int, ids: bytes, task: bytes, timeout: int, told: bool) -> None:
    data = wire.after(after) + wire.request(request_id, wire.get_body(ids, timeout, task, told))
    get = pb.Get(object_ids=ids, timeout_ms=timeout, task_id=task, told=told)
    assert pb.FromShim.FromString(data) == pb.FromShim(after=after, request=pb.Request(id=request_id, get=get))


@given(numbers, texts, st.integers(0, 2**32 - 1), texts, st.integers(-1, 2**53), st.booleans())
def test_a_wait(request_id: int, ids: bytes, count: int, task: bytes, timeout: int, told: bool) -> None:
    wait = pb.Wait(object_ids=ids, num_returns=count, timeout_ms=timeout, task_id=task, told=told)
    message = pb.FromShim.FromString(wire.request(request_id, wire.wait_body(ids, count, timeout, task, told)))
    assert message == pb.FromShim(request=pb.Request(id=request_id, wait=wait))


@given(numbers, numbers)
def test_small_requests(request_id: int, value: int) -> None:
    def parsed(body: bytes) -> pb.Request:
        return pb.FromShim.FromString(wire.request(request_id, body)).request

    assert parsed(wire.allocate_body(value)) == pb.Request(id=request_id, allocate=pb.Allocate(size=value))
    assert parsed(wire.abandon_body(value)) == pb.Request(id=request_id, abandon=pb.Abandon(id=value))
    assert parsed(wire.SYNC_BODY) == pb.Request(id=request_id, sync=pb.Sync())


@given(numbers, numbers)
def test_a_request_that_is_given_up(lane: int, request_id: int) -> None:
    given_up = pb.Mutation(give_up=pb.GiveUp(lane=lane, request=request_id))
    assert pb.Mutation.FromString(wire.give_up(lane, request_id)) == given_up


@given(st.binary(min_size=28, max_size=28), st.booleans(), st.booleans())
def test_a_cancel_and_its_barrier(object_id: bytes, force: bool, recursive: bool) -> None:
    cancel = pb.Mutation(cancel=pb.Cancel(object_id=object_id, force=force, recursive=recursive))
    assert pb.Mutation.FromString(wire.cancel(object_id, force, recursive)) == cancel
    request = pb.FromShim.FromString(wire.request(300, wire.sync_body(object_id))).request
    assert request == pb.Request(id=300, sync=pb.Sync(object_ids=object_id))
    many = pb.FromShim.FromString(wire.request(300, wire.sync_body(40 * object_id))).request
    assert many == pb.Request(id=300, sync=pb.Sync(object_ids=40 * object_id))


@given(texts)
def test_attach_and_done(value: bytes) -> None:
    attach, done = pb.Attach(worker_id=value), pb.TaskDone(task_id=value)
    assert pb.FromShim.FromString(wire.attach(attach.SerializeToString())) == pb.FromShim(attach=attach)
    assert pb.FromShim.FromString(wire.attach(attach.SerializeToString() + wire.lane_number(300))).attach == pb.Attach(
        worker_id=value, lane=300
    )
    assert pb.Mutation.FromString(wire.done(done.SerializeToString())) == pb.Mutation(done=done)


@given(st.binary(min_size=24, max_size=24), st.integers(0, 2**32 - 1) | st.just(0), texts, st.binary(max_size=20))
def test_the_report_of_one_value(task_id: bytes, attempt: int, data: bytes, metadata: bytes) -> None:
    value = pb.Value(data=data, metadata=metadata)
    done = pb.TaskDone(task_id=task_id, attempt=attempt, returns=[value])
    assert pb.Mutation.FromString(wire.done_one(task_id, attempt, data, metadata)) == pb.Mutation(done=done)


def test_a_resend_is_cut_into_chunks_of_consecutive_numbers() -> None:
    encoded = [pb.Mutation(unpin=bytes([n]) * 300_000).SerializeToString() for n in range(10)]
    entries = [(n + 7, one) for n, one in enumerate(encoded)]
    messages = [pb.FromShim.FromString(one) for one in wire.chunks(entries)]
    assert len(messages) == 3
    numbered = [(m.first_mutation + i, one.unpin) for m in messages for i, one in enumerate(m.mutations)]
    assert numbered == [(n + 7, bytes([n]) * 300_000) for n in range(10)]


def test_no_entries_no_messages() -> None:
    assert wire.chunks([]) == []
