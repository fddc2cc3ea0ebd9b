"""The log of mutations: every number written once and in order, whatever is cut, interrupted or left behind."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import pytest

from mobula._core import mutations as module
from mobula._core import wire
from mobula._core.mutations import MutationLog
from mobula._core.pb import boundary_pb2 as pb
from mobula._core.transport import LaneClosed


class Pipe:
    """A lane that only remembers, and fails when it is told to."""

    def __init__(self, log: MutationLog) -> None:
        self.log = log
        self.carried = 0
        self.sent: list[bytes] = []
        self.streams = [object()]
        self.faults: list[BaseException] = []
        self.on_send: Callable[[], None] = lambda: None

    def ready(self) -> object:
        return self.streams[-1]

    def send(self, stream: object, messages: Sequence[bytes]) -> None:
        assert stream is self.streams[-1]
        self.on_send()
        if self.faults:
            self.sent += messages[:-1]
            raise self.faults.pop(0)
        self.sent += messages

    def drop(self, stream: object) -> None:
        self.streams.append(object())
        self.log.doubt()

    def poll_quietly(self) -> None:
        pass

    def numbers(self) -> list[int]:
        parsed = [pb.FromShim.FromString(one) for one in self.sent]
        return [m.first_mutation + i for m in parsed for i in range(len(m.mutations))]


@pytest.fixture
def log() -> MutationLog:
    return MutationLog()


@pytest.fixture
def pipe(log: MutationLog) -> Pipe:
    return Pipe(log)


def mutation(text: bytes = b"x") -> bytes:
    return pb.Mutation(discard=text).SerializeToString()


def test_numbers_begin_at_one_and_go_on(log: MutationLog, pipe: Pipe) -> None:
    assert log.last() == 0
    assert log.write(pipe, [mutation()]) == 1
    assert log.write(pipe, [mutation(), mutation()]) == 3
    assert pipe.numbers() == [1, 2, 3]


def test_acks_empty_the_log_and_keep_the_count(log: MutationLog, pipe: Pipe) -> None:
    log.write(pipe, [mutation()] * 5)
    log.note(3)
    log.trim()
    assert (log.unacknowledged(), log.last()) == (2, 5)
    log.note(5)
    log.trim()
    assert (log.unacknowledged(), log.last()) == (0, 5)
    assert log.write(pipe, [mutation()]) == 6


def test_an_old_ack_changes_nothing(log: MutationLog, pipe: Pipe) -> None:
    log.write(pipe, [mutation()] * 5)
    log.note(4)
    log.note(2)
    log.trim()
    assert log.unacknowledged() == 1


def test_a_lost_lane_writes_again_what_is_not_acknowledged(log: MutationLog, pipe: Pipe) -> None:
    log.write(pipe, [mutation()] * 3)
    log.note(2)
    pipe.faults = [LaneClosed("gone")]
    assert log.write(pipe, [mutation()]) == 4
    assert pipe.numbers() == [1, 2, 3, 3, 4]


def test_an_interrupt_in_the_write_leaves_the_mutation_to_the_next(log: MutationLog, pipe: Pipe) -> None:
    pipe.faults = [KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        log.write(pipe, [mutation(b"first")])
    assert log.unwritten()
    assert log.write(pipe, []) == 1
    assert not log.unwritten()
    assert pipe.numbers() == [1]


def test_a_doubt_noted_during_a_write_is_not_wiped_out_by_it(log: MutationLog, pipe: Pipe) -> None:
    log.write(pipe, [mutation()])
    pipe.on_send = log.doubt  # another lane is lost at this very moment
    log.write(pipe, [mutation()])
    assert log.unwritten()
    pipe.on_send = lambda: None
    log.write(pipe, [])
    assert pipe.numbers() == [1, 2, 1, 2]


def test_a_finalizer_inside_a_write_leaves_its_mutation_to_it(log: MutationLog, pipe: Pipe) -> None:
    def finalizer() -> None:
        pipe.on_send = lambda: None
        log.write(pipe, [mutation(b"inner")])

    pipe.on_send = finalizer
    log.write(pipe, [mutation(b"outer")])
    assert log.unwritten()
    log.write(pipe, [])
    parsed = [pb.FromShim.FromString(one) for one in pipe.sent]
    assert [(m.first_mutation, m.mutations[0].discard) for m in parsed] == [(1, b"outer"), (2, b"inner")]


def test_a_finalizer_inside_a_write_may_not_block(log: MutationLog, pipe: Pipe) -> None:
    caught: list[BaseException] = []

    def finalizer() -> None:
        try:
            log.write(pipe, [], wire.after)
        except RuntimeError as error:
            caught.append(error)

    pipe.on_send = finalizer
    log.write(pipe, [mutation()])
    assert caught


def test_the_tail_travels_in_the_same_message(log: MutationLog, pipe: Pipe) -> None:
    log.write(pipe, [mutation()], wire.after)
    log.write(pipe, [], wire.after)
    assert [pb.FromShim.FromString(one).after for one in pipe.sent] == [1, 1]


def test_what_is_gathered_under_the_lock_comes_first(log: MutationLog, pipe: Pipe) -> None:
    log.write(pipe, [mutation(b"b")], gather=lambda: [mutation(b"a")])
    (sent,) = pipe.sent
    assert [one.discard for one in pb.FromShim.FromString(sent).mutations] == [b"a", b"b"]


def test_a_mutation_that_is_too_long_gets_no_number(log: MutationLog, pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_MUTATION_BYTES", 10)
    with pytest.raises(ValueError, match="put"):
        log.write(pipe, [b"x" * 11])
    assert log.last() == 0


def test_a_lock_left_behind_by_its_own_thread_is_taken_back(log: MutationLog, pipe: Pipe) -> None:
    log._lock.acquire()  # what an interrupt right after acquire() leaves
    log.write(pipe, [mutation()])
    assert log.write(pipe, [mutation()]) == 2
    done = threading.Event()
    threading.Thread(target=lambda: (log.write(pipe, [mutation()]), done.set())).start()
    assert done.wait(60)


def test_a_lock_left_behind_by_another_thread_is_replaced(log: MutationLog, pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOCK_PATIENCE_S", 0.02)
    thread = threading.Thread(target=log._lock.acquire)
    thread.start()
    thread.join()
    results: list[int] = []
    writers = [threading.Thread(target=lambda: results.append(log.write(pipe, [mutation()]))) for _ in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert sorted(results) == [1, 2, 3]
    assert pipe.numbers() == [1, 2, 3]


def test_a_lock_that_is_held_for_long_is_waited_for(log: MutationLog, pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOCK_PATIENCE_S", 0.01)
    inside, go = threading.Event(), threading.Event()

    def slow() -> None:
        pipe.on_send = lambda: None
        inside.set()
        assert go.wait(60)

    pipe.on_send = slow
    first = threading.Thread(target=lambda: log.write(pipe, [mutation()]))
    first.start()
    assert inside.wait(60)
    second = threading.Thread(target=lambda: log.write(pipe, [mutation()]))
    second.start()
    second.join(0.2)
    assert second.is_alive()
    go.set()
    first.join(60)
    second.join(60)
    assert pipe.numbers() == [1, 2]


def test_many_threads_share_one_order(log: MutationLog) -> None:
    pipes = [Pipe(log) for _ in range(4)]

    def work(pipe: Pipe) -> None:
        for _ in range(500):
            log.write(pipe, [mutation()])

    threads = [threading.Thread(target=work, args=(pipe,)) for pipe in pipes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(number for pipe in pipes for number in pipe.numbers()) == list(range(1, 2001))
    for pipe in pipes:
        assert pipe.numbers() == sorted(pipe.numbers())
