"""ObjectRef: what it counts, how it is copied and pickled, and what waiting for it does. No core is running here."""

from __future__ import annotations

import asyncio
import copy
import gc
import pickle
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import pytest

from mobula import object_ref
from mobula._core import process, refcount
from mobula._core.ids import JobID, TaskID
from mobula.exceptions import RayTaskError
from mobula.object_ref import ObjectRef
from mobula.serialization import deserialize, error_value, serialize

ID = bytes(range(24)) + b"\x01\0\0\0"


@pytest.fixture(autouse=True)
def counts() -> Iterator[None]:
    gc.collect()
    refcount.clear()
    yield
    object_ref._forget_pinned()
    refcount.clear()


# ------------------------------------------------------------------------------------------------------- counting


def test_a_handle_made_by_hand_is_an_addition_and_its_end_a_drop() -> None:
    ref = ObjectRef(ID)
    assert refcount.drain() == (ID, b"")
    assert refcount.drain() is None
    assert not refcount.pending()
    del ref
    assert refcount.pending()
    assert refcount.drain() == (b"", ID)


def test_a_handle_of_a_submit_is_only_dropped() -> None:
    ref = ObjectRef._owned(ID)
    assert refcount.drain() is None
    del ref
    assert refcount.drain() == (b"", ID)


def test_one_entry_for_each_handle() -> None:
    refs = [ObjectRef(ID), ObjectRef(ID)]
    assert refcount.drain() == (ID + ID, b"")
    del refs
    assert refcount.drain() == (b"", ID + ID)


def test_a_refused_id_counts_nothing() -> None:
    with pytest.raises(TypeError):
        ObjectRef("text")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="28"):
        ObjectRef(b"short")
    assert refcount.drain() is None


def test_handles_of_actors_have_queues_of_their_own() -> None:
    refcount.handles_added.append(b"a" * 16)
    refcount.handles_dropped.append(b"b" * 16)
    assert refcount.drain() is None
    assert refcount.drain_handles() == (b"a" * 16, b"b" * 16)


def test_a_drain_never_has_a_drop_whose_addition_is_still_to_come() -> None:
    # Threads make and drop handles while this one drains; the drains are counted as the core would.
    def churn(n: int) -> None:
        one = bytes((n,)) * 28
        for _ in range(5000):
            ObjectRef(one)

    threads = [threading.Thread(target=churn, args=(n,)) for n in range(3)]
    count: Counter[bytes] = Counter()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads) or refcount.pending():
            added, dropped = refcount.drain() or (b"", b"")
            count.update(added[start : start + 28] for start in range(0, len(added), 28))
            count.subtract(dropped[start : start + 28] for start in range(0, len(dropped), 28))
            assert min(count.values(), default=0) >= 0
    finally:
        sys.setswitchinterval(interval)
        for thread in threads:
            thread.join()
    assert set(count.values()) == {0}


# ------------------------------------------------------------------------------------------------------- identity


def test_ids_and_text() -> None:
    ref = ObjectRef(ID)
    assert ref.binary() == ID
    assert ref.hex() == ID.hex()
    assert repr(ref) == f"ObjectRef({ID.hex()})"
    assert ref.task_id() == TaskID(ID[:24])
    assert ref.job_id() == JobID(ID[20:24])
    assert not ref.is_nil()
    assert ObjectRef.nil().is_nil()
    assert ObjectRef.from_hex(ref.hex()) == ref == ObjectRef.from_binary(ID)
    assert ObjectRef.size() == 28


def test_refs_of_one_object_are_equal_and_hash_alike() -> None:
    other = ObjectRef(bytes(28))
    assert ObjectRef(ID) == ObjectRef(ID) != other
    assert len({ObjectRef(ID), ObjectRef(ID), other}) == 2
    assert ObjectRef(ID) != ID


def test_copies_are_the_ref_itself() -> None:
    ref = ObjectRef(ID)
    assert copy.copy(ref) is ref
    assert copy.deepcopy({"k": [ref]})["k"][0] is ref


def test_the_class_takes_a_type_parameter() -> None:
    assert ObjectRef[int](ID) == ObjectRef(ID)


# ------------------------------------------------------------------------------------------------------- pickling


def test_a_ref_inside_a_value_is_contained_and_counted_where_it_is_loaded() -> None:
    ref = ObjectRef(ID)
    refcount.drain()
    written = serialize({"k": [ref, (ref,)]})
    assert written.contained == [ID]
    assert not object_ref._pinned
    assert refcount.drain() is None
    _, read = deserialize(written.to_bytes(), written.metadata)
    assert read["k"] == [ref, (ref,)]
    assert refcount.drain() == (ID, b"")  # one handle: the pickle shares it


def test_a_ref_made_while_serializing_lives_as_long_as_the_serialized_value() -> None:
    class Makes:
        def __reduce__(self) -> tuple[Any, ...]:
            return list, ([ObjectRef._owned(ID)],)

    written = serialize(Makes())
    gc.collect()
    assert written.contained == [ID]
    assert refcount.drain() is None
    del written
    assert refcount.drain() == (b"", ID)


def test_a_ref_pickled_by_hand_stays_for_good() -> None:
    ref = ObjectRef(ID)
    pickled = pickle.dumps(ref)
    del ref
    gc.collect()
    assert refcount.drain() == (ID, b"")
    again = pickle.loads(pickled)
    assert again == ObjectRef(ID)
    del again
    object_ref._forget_pinned()
    assert (refcount.drain() or (b"", b""))[1].count(ID) == 3


# -------------------------------------------------------------------------------------------------------- waiting


class Session:
    """What `await` needs of an attached process."""

    def __init__(self) -> None:
        self.futures: list[Future[Any]] = []

    def raw_future(self, ref: ObjectRef[Any]) -> Future[Any]:
        self.futures.append(Future())
        return self.futures[-1]

    def future(self, ref: ObjectRef[Any]) -> Future[Any]:
        return self.raw_future(ref)

    async def asked(self, count: int) -> None:
        """Until `count` values were asked for."""
        while len(self.futures) < count:  # noqa: ASYNC110 - the fake has nobody who could set an event in this loop
            await asyncio.sleep(0.001)

    def answer(self, value: Any) -> None:
        written = value if hasattr(value, "to_bytes") and hasattr(value, "metadata") else serialize(value)
        for future in self.futures:
            if not future.cancelled():
                future.set_result((written.to_bytes(), written.metadata))


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Session:
    made = Session()
    monkeypatch.setattr(process, "require", lambda: made)
    return made


def later(session: Session, value: Any) -> None:
    """Answers from another thread, once somebody waits."""

    def answer() -> None:
        while not session.futures:
            asked.wait(0.001)
        session.answer(value)

    asked = threading.Event()
    threading.Thread(target=answer).start()


def test_await_gives_the_value(session: Session) -> None:
    async def main() -> Any:
        later(session, (1, "two"))
        return await ObjectRef(ID)

    assert asyncio.run(main()) == (1, "two")


def test_await_raises_the_error(session: Session) -> None:
    async def main() -> Any:
        later(session, error_value(LookupError("from task"), function_name="f"))
        return await ObjectRef(ID)

    with pytest.raises(LookupError, match="from task") as caught:
        asyncio.run(main())
    assert isinstance(caught.value, RayTaskError)


def test_a_known_value_needs_no_session() -> None:
    async def main() -> Any:
        ref: ObjectRef[list[int]] = ObjectRef(ID)
        written = serialize([1])
        ref._value = (written.to_bytes(), written.metadata)
        return await ref, await ref

    first, second = asyncio.run(main())
    assert first == second == [1]
    assert first is not second


def test_gather_and_wait_for_take_refs(session: Session) -> None:
    async def main() -> Any:
        later(session, 7)
        values = await asyncio.gather(ObjectRef(ID))
        waits = asyncio.create_task(asyncio.wait_for(ObjectRef(ID), 5))
        await session.asked(2)
        session.futures[1].set_result((serialize(8).to_bytes(), b"XLANG"))
        return values, await waits

    assert asyncio.run(main()) == ([7], 8)


def test_a_canceled_waiter_gives_up_and_leaves_nothing(session: Session) -> None:
    async def main() -> None:
        ref = ObjectRef(ID)

        async def wait() -> Any:
            return await ref

        task = asyncio.create_task(wait())
        await session.asked(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert session.futures[0].cancelled()
        again = asyncio.create_task(wait())
        await session.asked(2)
        session.futures[1].set_result((b"late", b"RAW"))
        assert await again == b"late"

    asyncio.run(main())
    gc.collect()
    added, dropped = refcount.drain() or (b"", b"")
    assert added == dropped == ID


def test_an_answer_that_comes_too_late_is_let_go(session: Session) -> None:
    class Block(bytearray):
        pass

    async def main() -> None:
        async def wait() -> Any:
            return await ObjectRef(ID)

        task = asyncio.create_task(wait())
        await session.asked(1)
        # Running futures cannot be canceled: the answer still comes, and nobody wants it.
        session.futures[0].set_running_or_notify_cancel()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    import weakref

    asyncio.run(main())
    block = Block(b"x" * 100)
    gone = weakref.ref(block)
    session.futures.pop().set_result((memoryview(block), b"RAW"))
    del block
    gc.collect()
    assert gone() is None


def test_as_future_is_an_asyncio_future(session: Session) -> None:
    async def main() -> Any:
        later(session, 5)
        future = ObjectRef(ID).as_future()
        assert asyncio.isfuture(future)
        return await future

    assert asyncio.run(main()) == 5


def test_future_is_the_sessions(session: Session) -> None:
    assert ObjectRef(ID).future() is session.futures[0]
