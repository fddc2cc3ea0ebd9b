"""Row 3, an addition. Ray 2.60: recursive cancel of an actor method whose child ACTOR is still being created kills the
parent actor's process (2 of 2 runs). Here: the child's creation is canceled, the parent lives.
"""

from __future__ import annotations

import os
from typing import Any

import pytest
from beyond_kit import Cancelled, Flags, instants, outcome, spin, until

import mobula

Died = mobula.exceptions.RayActorError


@mobula.remote
class Child:
    def __init__(self, flags: Flags, name: str) -> None:
        flags.up(f"{name}.constructing")
        flags.wait(f"{name}.go")
        flags.up(f"{name}.constructed")

    def ping(self) -> str:
        return "pong"


@mobula.remote
class Parent:
    def __init__(self, flags: Flags) -> None:
        self.flags = flags
        self.children: list[Any] = []

    def raise_child(self, name: str, resources: dict[str, float]) -> str:
        """Creates a child and works on until it is canceled."""
        self.children.append(Child.options(resources=resources).remote(self.flags, name))
        # A recursive cancel reaches what the core knows of, and the driver's cancel comes on another connection than
        # the child: an answer to this process says that the child is known.
        mobula.available_resources()
        self.flags.up(f"{name}.asked for")
        until("cancel", mobula.get_runtime_context().is_canceled)
        return name

    def pid(self) -> int:
        return os.getpid()

    def child_answers(self, number: int) -> Any:
        return outcome(self.children[number].ping.remote())


def test_the_constructor_runs(flags: Flags) -> None:
    parent = Parent.options(max_concurrency=2).remote(flags)
    pid = mobula.get(parent.pid.remote())
    for number in range(5):
        ref = parent.raise_child.remote(f"child{number}", {})
        flags.wait(f"child{number}.constructing")
        mobula.cancel(ref, recursive=True)
        assert outcome(ref) is Cancelled
        assert issubclass(mobula.get(parent.child_answers.remote(number)), Died)
        assert mobula.get(parent.pid.remote()) == pid
        assert not flags.is_up(f"child{number}.constructed")


def test_the_child_waits_for_a_place(flags: Flags) -> None:
    parent = Parent.remote(flags)
    pid = mobula.get(parent.pid.remote())
    ref = parent.raise_child.remote("child", {"nobody has this": 1})
    flags.wait("child.asked for")
    mobula.cancel(ref, recursive=True)
    assert outcome(ref) is Cancelled
    assert issubclass(mobula.get(parent.child_answers.remote(0)), Died)
    assert mobula.get(parent.pid.remote()) == pid
    assert not flags.is_up("child.constructing")


def test_at_any_instant(flags: Flags) -> None:
    """The cancel meets the child's process being asked for, forked, or in its constructor."""
    parent = Parent.options(max_concurrency=2).remote(flags)
    pid = mobula.get(parent.pid.remote())
    for number, delay in enumerate(instants(seed=5, count=20, longest_s=0.03)):
        ref = parent.raise_child.remote(f"child{number}", {})
        flags.wait(f"child{number}.asked for")
        spin(delay)
        mobula.cancel(ref, recursive=True)
        assert outcome(ref) is Cancelled
        assert mobula.get(parent.pid.remote()) == pid
        assert issubclass(mobula.get(parent.child_answers.remote(number)), Died)


def test_not_recursive_leaves_the_child_alone(flags: Flags) -> None:
    parent = Parent.options(max_concurrency=2).remote(flags)
    ref = parent.raise_child.remote("child", {})
    flags.wait("child.constructing")
    mobula.cancel(ref, recursive=False)
    assert outcome(ref) is Cancelled
    flags.up("child.go")
    assert mobula.get(parent.child_answers.remote(0)) == "pong"


@pytest.mark.parametrize("wait_in_get", [False, True])
def test_a_normal_task_as_the_parent(flags: Flags, wait_in_get: bool) -> None:
    @mobula.remote
    def parent() -> None:
        child = Child.remote(flags, "child")
        flags.up("asked for")
        if wait_in_get:
            mobula.get(child.ping.remote())
        flags.wait("never")

    ref = parent.remote()
    flags.wait("child.constructing")
    mobula.cancel(ref, recursive=True)
    # The child's own cancellation may come out of the parent's get before the parent's interrupt: that is one, too.
    assert issubclass(outcome(ref), Cancelled)
    assert not flags.is_up("child.constructed")
