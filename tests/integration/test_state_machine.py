"""Programs that nobody thought of: hypothesis draws steps of a driver, and a model says what each of them may answer.

The model is the promise, not the mechanism: it knows which outcomes a ref may have (a value, a cancel, a death), narrows them as
they are observed, and holds that a ref has one outcome for ever. A failure prints the steps as a program.
`STATE_MACHINE_EXAMPLES=2000` looks for longer, at other programs each time, and shortens the one it finds.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, multiple, rule, run_state_machine_as_test

import mobula
import mobula.testing
from mobula import ObjectRef
from mobula.exceptions import ActorDiedError, GetTimeoutError, RayError, TaskCancelledError, WorkerCrashedError

EXAMPLES = int(os.environ.get("STATE_MACHINE_EXAMPLES", "20"))
DEEP = EXAMPLES > 100
PATIENCE = 60


@mobula.remote(num_cpus=0, max_concurrency=1000)
class Doors:
    """What calls wait for: the result of `behind(door)` is there when the driver has opened the door."""

    def __init__(self) -> None:
        self.events: dict[int, asyncio.Event] = {}

    async def behind(self, door: int) -> int:
        await self.events.setdefault(door, asyncio.Event()).wait()
        return door

    async def open(self, door: int) -> None:
        self.events.setdefault(door, asyncio.Event()).set()


@mobula.remote(num_cpus=0)
class Journal:
    """Keeps what its calls brought, in the order in which they ran."""

    def __init__(self) -> None:
        self.entries: list[int] = []

    def note(self, entry: int, waited_for: int) -> int:
        self.entries.append(entry)
        return entry

    def read(self) -> list[int]:
        return self.entries


@mobula.remote
def add(*terms: int) -> int:
    return sum(terms)


@mobula.remote
def fails() -> int:
    raise ZeroDivisionError("on purpose")


@mobula.remote(max_retries=0)
def dies() -> int:
    os._exit(3)


@mobula.remote
def count(n: int) -> Iterator[int]:
    yield from range(n)


@dataclass(eq=False)
class Known:
    """A ref, and what a get of it may give."""

    ref: ObjectRef[Any]
    value: Any = None  #: if it gives one
    own_errors: tuple[type[BaseException], ...] = ()  #: those it may raise, whatever becomes of its arguments
    surely: bool = False  #: it raises one of them
    door: int = 0  #: the one that it waits for
    of: tuple[Known, ...] = ()  #: its arguments
    ahead: tuple[Known, ...] = ()  #: what its actor runs before
    seen: Any = None  #: its outcome, once observed: a value or the type of an error

    def errors(self) -> tuple[type[BaseException], ...]:
        """What it may raise. An argument that fails, now or once it is canceled, fails it, too."""
        return (*self.own_errors, RayError) if any(one.errors() for one in self.of) else self.own_errors

    def certain(self) -> bool:
        return self.surely or any(one.certain() for one in self.of)

    def stands(self, closed: set[int]) -> bool:
        """Whether it cannot have an outcome yet."""
        if self.seen is not None or self.errors():
            return False
        return self.door in closed or any(one.stands(closed) for one in (*self.of, *self.ahead))

    def may_stand(self, closed: set[int]) -> bool:
        """Whether a get of it may have to wait for a door."""
        if self.seen is not None:
            return False
        return self.door in closed or any(one.may_stand(closed) for one in (*self.of, *self.ahead))


@dataclass(eq=False)
class Actor:
    handle: Any
    killed: bool = False
    calls: list[tuple[int, Known]] = field(default_factory=list)  #: in the order in which they were made


class Driver(RuleBasedStateMachine):
    refs = Bundle("refs")
    calls = Bundle("calls")  #: those of them that can be canceled
    actors = Bundle("actors")
    doors: Any  #: one actor for all programs: a process a program would be most of what they cost
    numbers = itertools.count(1)

    def __init__(self) -> None:
        super().__init__()
        self.closed: set[int] = set()
        self.all_refs: list[Known] = []
        self.all_actors: list[Actor] = []

    def known(self, ref: ObjectRef[Any], **what: Any) -> Known:
        one = Known(ref, **what)
        self.all_refs.append(one)
        return one

    def observe(self, one: Known) -> None:
        got: Any
        try:
            got = mobula.get(one.ref, timeout=PATIENCE)
        except GetTimeoutError:
            raise AssertionError("lost: it has no outcome") from None
        except one.errors() as error:
            got = type(error)
        else:
            assert not one.certain(), f"{got!r} where only {one.errors()} may be"
            assert got == one.value
        assert one.seen in (None, got), "two outcomes of one ref"
        one.seen = got

    # ---- what a driver does

    @rule(target=refs, value=st.integers(-99, 99), large=st.booleans())
    def put(self, value: int, large: bool) -> Known:
        kept = [value] * 40_000 if large else value
        if large:  # sums take numbers: a large value is reached through its ref
            held = mobula.put(kept)
            assert mobula.get(held) == kept
        return self.known(mobula.put(value), value=value)

    @initialize(target=refs)
    def shut_a_door(self) -> Known:
        door = next(self.numbers)
        self.closed.add(door)
        return self.known(self.doors.behind.remote(door), value=door, door=door)

    @rule()
    def open_the_doors(self) -> None:
        mobula.get([self.doors.open.remote(door) for door in self.closed], timeout=PATIENCE)
        self.closed.clear()

    @rule(targets=(refs, calls), terms=st.lists(refs, max_size=2), behind_a_door=st.booleans())
    def call(self, terms: list[Known], behind_a_door: bool) -> Known:
        if behind_a_door:
            terms = [*terms, self.shut_a_door()]
        ref = add.remote(1, *(one.ref for one in terms))
        return self.known(ref, of=tuple(terms), value=1 + sum(one.value or 0 for one in terms))

    @rule(targets=(refs, calls), what=st.sampled_from(["raises", "dies"]))
    def call_that_fails(self, what: str) -> Known:
        if what == "raises":
            return self.known(fails.remote(), own_errors=(ZeroDivisionError,), surely=True)
        return self.known(dies.remote(), own_errors=(WorkerCrashedError,), surely=True)

    @rule(n=st.integers(0, 5), read=st.integers(0, 6))
    def generator(self, n: int, read: int) -> None:
        items = [mobula.get(ref) for ref in itertools.islice(count.remote(n), read)]
        assert items == list(range(min(n, read)))  # the rest is forgotten with the generator

    @rule(target=actors)
    def create_an_actor(self) -> Actor:
        actor = Actor(Journal.remote())
        self.all_actors.append(actor)
        return actor

    @rule(targets=(refs, calls), actor=actors, after=refs, behind_a_door=st.booleans())
    def call_an_actor(self, actor: Actor, after: Known, behind_a_door: bool) -> Known:
        entry = next(self.numbers)
        if behind_a_door:
            after = self.shut_a_door()
        ref = actor.handle.note.remote(entry, after.ref)
        one = self.known(ref, of=(after,), ahead=tuple(call for _, call in actor.calls), value=entry)
        if actor.killed:
            one.own_errors, one.surely = (ActorDiedError,), True
        actor.calls.append((entry, one))
        return one

    @rule(one=calls)
    def cancel(self, one: Known) -> None:
        if one.errors():  # of those that may fail anyway one learns little
            return
        stands = one.stands(self.closed)
        mobula.cancel(one.ref)
        if one.seen is None:
            one.own_errors, one.surely = (TaskCancelledError,), stands

    @rule(actor=actors)
    def kill(self, actor: Actor) -> None:
        mobula.kill(actor.handle)
        if actor.killed:
            return
        actor.killed = True
        calls = [one for _, one in actor.calls if one.seen is None]
        stand = [one for one in calls if one.stands(self.closed)]
        for one in calls:
            one.surely = one.surely or one in stand
            one.own_errors = (*one.own_errors, ActorDiedError)

    # ---- what it looks at

    @rule(one=refs)
    def get(self, one: Known) -> None:
        if one.stands(self.closed):
            with pytest.raises(GetTimeoutError):
                mobula.get(one.ref, timeout=0)
        elif not one.may_stand(self.closed):
            self.observe(one)

    @rule(some=st.lists(refs, min_size=1, max_size=4, unique_by=id), number=st.integers(1, 4))
    def wait(self, some: list[Known], number: int) -> None:
        refs = [one.ref for one in some]
        ready, rest = mobula.wait(refs, num_returns=min(number, len(refs)), timeout=0)
        assert len(ready) <= number
        assert sorted(ready + rest, key=refs.index) == refs
        assert [refs.index(one) for one in ready] == sorted(refs.index(one) for one in ready)
        by_ref = dict(zip(refs, some, strict=True))
        assert not any(by_ref[ref].stands(self.closed) for ref in ready)
        if len(ready) < number:  # then nothing that is ready is left out
            assert not any(by_ref[ref].seen is not None for ref in rest)

    @rule(target=refs, one=refs)
    def pass_inside(self, one: Known) -> Any:
        """Through an object that holds it, while the driver has it, too: the same ref comes out."""
        (inner,) = mobula.get(mobula.put([one.ref]))
        assert inner == one.ref
        return multiple()

    @rule(one=consumes(refs))
    def forget(self, one: Known) -> None:
        if not any(one is call for actor in self.all_actors for _, call in actor.calls):
            self.all_refs.remove(one)

    def teardown(self) -> None:
        self.open_the_doors()
        for one in self.all_refs:
            self.observe(one)
        for actor in self.all_actors:
            self.check_journal(actor)
        self.all_refs.clear()
        self.all_actors.clear()
        mobula.testing.at_rest("refs")  # hypothesis still holds what its bundles drew

    def check_journal(self, actor: Actor) -> None:
        """In the order of the calls, none twice, none that was canceled before it could begin, each that gave a value."""
        if actor.killed:
            return
        entries = mobula.get(actor.handle.read.remote(), timeout=PATIENCE)
        order = [entry for entry, _ in actor.calls]
        assert [entry for entry in order if entry in entries] == entries
        for entry, one in actor.calls:
            if one.seen == one.value:
                assert entry in entries
            elif one.surely:
                assert entry not in entries


@pytest.mark.timeout(600)
@pytest.mark.mobula_leaves("refs", "objects")
def test_any_program(shared: Any) -> None:
    Driver.doors = Doors.remote()
    run_state_machine_as_test(
        Driver,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=40,
            deadline=None,
            derandomize=not DEEP,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate, Phase.shrink] if DEEP else [Phase.generate],
        ),
    )
    del Driver.doors
