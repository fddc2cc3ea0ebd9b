"""Row 11, an addition. Ray 2.60: a canceled method of a sync or threaded actor that is blocked in `ray.get` or
`ray.wait` gets KeyboardInterrupt at the next poll, up to 1 s later, also with recursive=False; no document says so.
Here: TaskCancelledError is raised from that `get` or `wait`, at once. It is a KeyboardInterrupt too, for code that was
written for Ray. It is about calls that block when the cancel comes: one that begins later blocks as usual, so each case
waits until the core says that the method's request is parked.
"""

from __future__ import annotations

import time
from typing import Any

import pytest
from beyond_kit import PROMPT_S, Cancelled, Flags, outcome, parked, wait_for

import mobula


class Blocked:
    """Blocks in get or wait on something that never comes, and tells what was raised there."""

    def __init__(self) -> None:
        self.raised: dict[str, dict[str, Any]] = {}

    def block(self, name: str, refs: list[Any], how: str) -> str:
        try:
            if how == "get":
                mobula.get(refs[0])
            elif how == "get of several, with a timeout":
                mobula.get(refs, timeout=60)
            else:
                mobula.wait(refs)
        except Cancelled as error:
            self.raised[name] = {
                "at": time.monotonic(),
                "name": type(error).__name__,
                "interrupt": isinstance(error, KeyboardInterrupt),
                "flag": mobula.get_runtime_context().is_canceled(),
                "again": self._again(),
            }
        return name

    def block_as_in_ray(self, name: str, refs: list[Any]) -> str:
        try:
            mobula.get(refs[0])
        except KeyboardInterrupt:
            self.raised[name] = {"at": time.monotonic()}
        return name

    def let_through(self, refs: list[Any]) -> None:
        mobula.get(refs[0])

    def _again(self) -> Any:
        """Clean-up code may get and wait as usual: it was told once."""
        ready, _ = mobula.wait([mobula.put(1)])
        return mobula.get(answer.remote()), len(ready)

    def what_was_raised(self, name: str) -> dict[str, Any]:
        return self.raised[name]


@mobula.remote(num_cpus=0)
def answer() -> int:
    return 42


@pytest.mark.parametrize("concurrency", [1, 3])
@pytest.mark.parametrize("recursive", [True, False])
@pytest.mark.parametrize("how", ["get", "get of several, with a timeout", "wait"])
def test_the_blocked_call_raises_at_once(flags: Flags, concurrency: int, recursive: bool, how: str) -> None:
    actor = mobula.remote(Blocked).options(max_concurrency=concurrency).remote()
    never = [wait_for.remote(flags, f"go{number}") for number in range(2)]
    for name in ("one", "two", "three"):
        ref = actor.block.remote(name, never, how)
        parked(1)
        canceled_at = time.monotonic()
        mobula.cancel(ref, recursive=recursive)
        assert outcome(ref) is Cancelled
        raised = mobula.get(actor.what_was_raised.remote(name))
        assert 0 <= raised.pop("at") - canceled_at < PROMPT_S
        assert raised == {"name": "TaskCancelledError", "interrupt": True, "flag": True, "again": (42, 1)}
    for number in range(2):
        flags.up(f"go{number}")
    assert mobula.get(never) == ["go0", "go1"]


@pytest.mark.parametrize("concurrency", [1, 3])
def test_code_that_catches_the_interrupt_works_too(flags: Flags, concurrency: int) -> None:
    actor = mobula.remote(Blocked).options(max_concurrency=concurrency).remote()
    never = wait_for.remote(flags, "go")
    ref = actor.block_as_in_ray.remote("it", [never])
    parked(1)
    canceled_at = time.monotonic()
    mobula.cancel(ref)
    assert outcome(ref) is Cancelled
    assert mobula.get(actor.what_was_raised.remote("it"))["at"] - canceled_at < PROMPT_S
    flags.up("go")
    mobula.get(never)


@pytest.mark.parametrize("concurrency", [1, 3])
def test_a_method_that_lets_it_through_is_canceled_and_the_actor_lives(flags: Flags, concurrency: int) -> None:
    actor = mobula.remote(Blocked).options(max_concurrency=concurrency).remote()
    never = wait_for.remote(flags, "go")
    for _ in range(5):
        ref = actor.let_through.remote([never])
        parked(1)
        mobula.cancel(ref, recursive=False)
        end = outcome(ref)
        assert issubclass(end, Cancelled), end
    flags.up("go")
    mobula.get(never)


def test_only_the_canceled_one_of_three_blocked_methods_is_woken(flags: Flags) -> None:
    actor = mobula.remote(Blocked).options(max_concurrency=4).remote()
    never = wait_for.remote(flags, "go")
    refs = {name: actor.block.remote(name, [never], "get") for name in ("a", "b", "c")}
    parked(3)
    mobula.cancel(refs["b"])
    assert outcome(refs["b"]) is Cancelled
    assert mobula.wait([refs["a"], refs["c"]], timeout=0.2)[0] == []
    flags.up("go")
    assert mobula.get([refs["a"], refs["c"]]) == ["a", "c"]
    assert mobula.get(never) == "go"


def test_canceled_as_the_blocked_get_is_answered(flags: Flags) -> None:
    """The value and the cancel race for one blocked call: it returns or it raises, and the actor goes on."""
    actor = mobula.remote(Blocked).remote()
    for number in range(40):
        argument = wait_for.options(num_cpus=0).remote(flags, f"go{number}")
        ref = actor.block.remote(str(number), [argument], "get")
        flags.wait(f"go{number}.started")
        flags.up(f"go{number}")
        if number % 2:
            mobula.wait([argument])
        mobula.cancel(ref, recursive=False)
        assert outcome(ref) in (str(number), Cancelled)
    assert mobula.get(actor.block.remote("last", [mobula.put(1)], "get")) == "last"
