"""An exception after every bytecode of the public API in a driver: the program goes on, and nothing is lost, doubled or left.

The same as test_core_interrupts.py one floor up, from `.remote()`, `wait`, `cancel`, `next` and so on down to the socket.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bytecodes import WHOLE, interrupted, run_everywhere
from core_kit import failure, inline
from fake_core import FakeCore
from interrupt_checks import nothing_left, works

import mobula
from mobula import session
from mobula._core.pb import boundary_pb2 as pb
from mobula._core.process import Process
from mobula.object_ref import ObjectRef

# An interrupted connect() leaves its socket to the garbage collector, which warns before it closes it.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"),
    pytest.mark.timeout(1800 if WHOLE else 120),
]


@pytest.fixture
def core(tmp_path: Path) -> Iterator[FakeCore]:
    with FakeCore(str(tmp_path)) as core:
        yield core


@pytest.fixture
def process(core: FakeCore) -> Iterator[Process]:
    session._load()
    gc.collect()  # the refs that an earlier test left in a cycle would be dropped in this session, whose core never counted them
    process = Process.attach_driver(core)
    yield process
    process.close()


@mobula.remote
def echo(value: Any, *more: Any, option: Any = None) -> Any:
    """The fake core gives the first argument back."""
    return value


@mobula.remote
def count(value: Any) -> Iterator[Any]:
    """The fake core makes a stream of five times the argument of it."""
    yield value


@mobula.remote
class Actor:
    """Its calls are answered by the fake core."""

    def echo(self, value: Any) -> Any:
        return value


def submitted(core: FakeCore) -> list[bytes]:
    return [one.submit.task_id for one in core.history if one.HasField("submit")]


def once(core: FakeCore) -> None:
    """No call came twice."""
    calls = submitted(core)
    assert len(calls) == len(set(calls))


def test_a_call(core: FakeCore, process: Process) -> None:
    argument = mobula.put("argument")
    mobula.get(echo.remote(0))
    returned: list[Any] = []

    def call(step: int) -> None:
        returned.append(echo.remote(argument, step, option=step))

    assert run_everywhere(".remote()", call, works(core, process), 4) > 300
    assert mobula.get(returned) == ["argument"] * len(returned)
    once(core)
    returned.clear()
    argument = None  # type: ignore[assignment]
    nothing_left(core)


def test_a_call_with_a_large_argument(core: FakeCore, process: Process) -> None:
    mobula.get(echo.remote(0))
    large = "x" * 200_000

    def call(step: int) -> None:
        core._next_offset = 0  # the bytes do not matter here
        echo.remote(0, large)

    assert run_everywhere(".remote() with a large argument", call, works(core, process), 12) > 300
    once(core)
    nothing_left(core)


def test_a_call_with_many_returns(core: FakeCore, process: Process) -> None:
    three = echo.options(num_returns=3)
    mobula.get(three.remote(0))
    assert run_everywhere(".remote() of three returns", lambda step: three.remote(step), works(core, process), 6) > 300
    once(core)
    nothing_left(core)


def test_the_first_call_of_a_function(core: FakeCore, process: Process) -> None:
    """Its code is in the table before any call of it is, however often that was interrupted."""
    functions: list[Any] = []

    def first(step: int) -> None:
        functions.append(mobula.remote(lambda value: value))
        functions[-1].remote(step)

    def check(step: int) -> None:
        works_(step)
        if functions:
            assert mobula.get(functions.pop().remote("again")) == "again"

    works_ = works(core, process)
    first(0)
    assert run_everywhere("first .remote() of a function", first, check, 40) > 1000
    known = set()
    for one in core.history:
        if one.HasField("export"):
            known.add(one.export.key[-28:])
        elif one.HasField("submit"):
            assert one.submit.function_id in known
    once(core)
    functions.clear()
    nothing_left(core)


def test_wait(core: FakeCore, process: Process) -> None:
    refs = [echo.remote(0), echo.options(name="never").remote(1)]

    def wait(step: int) -> None:
        refs[0]._value = None  # as if it were asked for the first time
        assert mobula.wait(refs, num_returns=1, timeout=60) == (refs[:1], refs[1:])

    wait(0)
    assert run_everywhere("wait", wait, works(core, process), 4) > 200
    refs.clear()
    nothing_left(core)


@pytest.mark.parametrize("waits", [True, False], ids=["waited-for", "noted"])
def test_cancel(core: FakeCore, process: Process, waits: bool) -> None:
    if not waits:
        process._words = memoryview(bytearray(8 * 8)).cast("Q")
    ref = echo.options(name="never").remote(1)
    mobula.cancel(ref)
    length = run_everywhere("cancel", lambda step: mobula.cancel(ref, force=True), works(core, process), 4)
    assert length > 100
    assert {one.object_id for one in core.cancels} == {ref.binary()}
    assert len(core.cancels) <= length
    ref = None
    nothing_left(core)


def test_a_dropped_ref(core: FakeCore, process: Process) -> None:
    """Its end has no bytecode of ours. What tells the core of it has."""

    def drop(step: int) -> None:
        echo.remote(step)
        refs = [mobula.put(step) for _ in range(2)]
        del refs[0]
        ObjectRef(refs[0].binary())

    drop(0)
    assert run_everywhere("drop of refs", drop, works(core, process), 12) > 400
    nothing_left(core)


#: At most so many bytecodes of one next() come when the ref is in its hand: an interrupt there is as one right after it.
IN_HAND = 4


class Items:
    """Reads streams to their ends; what a caller holds at an interrupt is what came before it."""

    def __init__(self, first: Any) -> None:
        self.stream = first
        self.got: list[Any] = []

    def read(self, step: int) -> None:
        for ref in self.stream:
            self.got.append(ref)


@pytest.mark.parametrize("limited", [False, True], ids=["plain", "limited"])
def test_next(core: FakeCore, process: Process, limited: bool) -> None:
    """An interrupted next() leaves its item to the one after it: none is lost, none comes twice, for this thread or another."""
    function = count.options(_generator_backpressure_num_objects=3) if limited else count
    works_ = works(core, process)
    reader = Items(function.remote("x"))
    ends = 0

    def read(step: int) -> None:
        nonlocal ends
        reader.stream, reader.got = function.remote(step), []
        reader.read(step)
        ends += 1

    def check(step: int) -> None:
        works_(step)
        if reader.got or step % 3:
            rest = threading.Thread(target=reader.read, args=(step,))
            rest.start()
            rest.join(60)
            assert not rest.is_alive(), "the stream's lock was left behind"
        else:
            reader.read(step)
        numbers = [int.from_bytes(ref.binary()[24:], "little") - 2 for ref in reader.got]
        if len(numbers) == 4:
            lost.append(step)
            assert numbers == sorted(set(numbers)), step
        else:
            assert numbers == [0, 1, 2, 3, 4], step
        assert reader.stream.is_finished()

    lost: list[int] = []
    read(0)
    steps = run_everywhere(f"next of a {'limited ' if limited else ''}stream", read, check, 71)
    assert steps > 1000
    assert len(lost) <= 5 * IN_HAND
    reader.stream = None
    reader.got = []
    nothing_left(core)


def test_the_error_at_the_end_of_a_stream(core: FakeCore, process: Process) -> None:
    """It comes once, as the only item, whichever next() was interrupted."""
    error = failure(ValueError("it fails"))
    stream: Any = None
    got: list[Any] = []

    def fail(spec: pb.TaskSpec) -> None:
        core.objects[spec.task_id + b"\1\0\0\0"] = error
        core.failing_streams.add(spec.task_id)

    def read(step: int) -> None:
        nonlocal stream
        stream = None
        got.clear()
        stream = count.remote(step)
        got.extend(stream)

    lost: list[int] = []

    def check(step: int) -> None:
        if stream is not None:
            got.extend(stream)
            if not got:
                lost.append(step)
            else:
                assert got == [stream._generator_ref], step

    core.on_submit = fail
    read(0)
    run_everywhere("next of a failed stream", read, check, 11)
    assert len(lost) <= IN_HAND
    stream = None
    got.clear()
    nothing_left(core)


def test_an_actor(core: FakeCore, process: Process) -> None:
    actors: list[Any] = []
    actors.append(Actor.remote())
    assert run_everywhere("creation of an actor", lambda step: actors.append(Actor.remote()), works(core, process), 12) > 500
    once(core)
    assert mobula.get([one.echo.remote(1) for one in actors]) == [1] * len(actors)
    actors.clear()
    nothing_left(core)


def test_a_method(core: FakeCore, process: Process) -> None:
    actor = Actor.remote()
    mobula.get(actor.echo.remote(0))
    assert run_everywhere("method call", lambda step: actor.echo.remote(step), works(core, process), 4) > 300
    once(core)
    actor = None
    nothing_left(core)


def test_a_named_actor(core: FakeCore, process: Process) -> None:
    """Either its name is free afterwards, or the actor is there to be used; never half of it."""
    named = Actor.options(name="n")
    works_ = works(core, process)
    actors: list[Any] = []

    def check(step: int) -> None:
        works_(step)
        gc.collect()
        if actors:
            assert mobula.get(actors[0].echo.remote(1)) == 1
            assert mobula.get_actor("n") == actors.pop()
        core.until(lambda: not core.named)  # with the last handle; a registration that nobody holds would stay

    def create(step: int) -> None:
        actors.append(named.remote())

    create(0)
    check(0)
    assert run_everywhere("creation of a named actor", create, check, 71) > 800
    actors.clear()
    nothing_left(core)


def test_a_named_actor_that_is_there(core: FakeCore, process: Process) -> None:
    """Who is interrupted while he gets it takes no count of others."""
    mine = Actor.options(name="n").remote()
    named = Actor.options(name="n", get_if_exists=True)
    assert run_everywhere("get_if_exists", lambda step: named.remote(), works(core, process), 23) > 800
    assert run_everywhere("get_actor", lambda step: mobula.get_actor("n"), works(core, process), 12) > 300
    gc.collect()
    core.until(lambda: core.handles[mine._actor] == 1)
    assert len(core.registered) == 1
    mine = None
    nothing_left(core)


def test_a_future(core: FakeCore, process: Process) -> None:
    def ask(step: int) -> None:
        assert echo.remote(step).future().result(60) == step

    ask(0)
    assert run_everywhere("future", ask, works(core, process), 12) > 300
    nothing_left(core)


def test_kill(core: FakeCore, process: Process) -> None:
    actor = Actor.remote()
    assert run_everywhere("kill", lambda step: mobula.kill(actor), works(core, process), 6) > 200
    actor = None
    nothing_left(core)


def test_interrupts_in_two_places(core: FakeCore, process: Process) -> None:
    """The next operation is interrupted as well, before anything could be mended."""
    mobula.get(echo.remote(0))
    check = works(core, process)

    def twice(step: int) -> None:
        interrupted(step % 97 + 1, lambda: mobula.get(echo.remote(step)))
        echo.remote(step)

    twice(0)
    assert run_everywhere("a call after an interrupted one", twice, check, 17) > 300
    once(core)
    nothing_left(core)


def test_a_value_that_is_got_ahead(core: FakeCore, process: Process) -> None:
    def call(step: int) -> None:
        assert mobula.get(echo.remote(step)) == step

    call(0)
    assert run_everywhere("call and get", call, works(core, process), 6) > 400
    core.finish(b"z" * 28, inline(0))
    nothing_left(core)
