"""Separate connections, one order: what one thread submits another may use at once, and in the order of the program."""

from __future__ import annotations

import os
import queue
import random
import threading
from typing import Any

import pytest

import mobula

# MOBULA_TEST_LONG=1: the full number.
TURNS = 100_000 if os.environ.get("MOBULA_TEST_LONG") else 20_000
pytestmark = [pytest.mark.usefixtures("shared"), pytest.mark.timeout(300)]


@mobula.remote
class Sequence:
    """Notes each number that comes out of its order."""

    def __init__(self) -> None:
        self.last = 0
        self.wrong: list[tuple[int, int]] = []

    def step(self, number: int) -> int:
        if number != self.last + 1 and len(self.wrong) < 10:
            self.wrong.append((self.last, number))
        self.last = number
        return number

    def end(self) -> tuple[int, list[tuple[int, int]]]:
        return self.last, self.wrong


def _run(*targets: Any) -> None:
    errors: list[BaseException] = []

    def run(target: Any) -> None:
        try:
            target()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(target,)) for target in targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_two_threads_in_turns_call_one_actor_in_order() -> None:
    """Ping-pong without waiting for any result: n from one thread, n+1 from the other."""
    actor = Sequence.remote()
    left: queue.SimpleQueue[int] = queue.SimpleQueue()
    right: queue.SimpleQueue[int] = queue.SimpleQueue()
    turns = TURNS // 4

    def play(mine: queue.SimpleQueue[int], other: queue.SimpleQueue[int]) -> None:
        while (number := mine.get()) <= turns:
            actor.step.remote(number)
            other.put(number + 1)
        other.put(number + 1)

    left.put(1)
    _run(lambda: play(left, right), lambda: play(right, left))
    assert mobula.get(actor.end.remote()) == (turns, [])


@mobula.remote
class Adder:
    def add(self, left: int, right: int) -> int:
        return left + right


@mobula.remote
def double(value: int) -> int:
    return 2 * value


class Giver:
    """One thread's side: makes refs of all kinds, and takes those of the other."""

    def __init__(self, adder: Any, out: queue.SimpleQueue[Any], into: queue.SimpleQueue[Any], seed: int) -> None:
        self.adder = adder
        self.out = out
        self.into = into
        self.choose = random.Random(seed)

    def play(self) -> None:
        for number in range(TURNS // 2):
            self.out.put(self.make(number))
            if number >= 100:
                self.take()
        self.out.put(None)
        while self.take():
            pass

    def make(self, number: int) -> tuple[Any, int]:
        match self.choose.randrange(20):
            case 0:
                return double.remote(number), 2 * number
            case 1:
                return mobula.put([bytes(120_000), number]), number
            case 2:
                return double.remote(mobula.put(number)), 2 * number
            case 3:
                return mobula.put([mobula.put(number)]), number
            case n if n < 8:
                return self.adder.add.remote(number, 1), number + 1
            case _:
                return mobula.put(number), number

    def take(self) -> bool:
        item = self.into.get(timeout=60)
        if item is None:
            return False
        ref, want = item
        if self.choose.random() < 0.1:
            assert len(mobula.wait([ref], timeout=60)[0]) == 1
        value = mobula.get(ref)
        if isinstance(value, list):
            value = mobula.get(value[-1]) if isinstance(value[-1], mobula.ObjectRef) else value[-1]
        elif self.choose.random() < 0.05:
            assert mobula.get(self.adder.add.remote(ref, 5)) == want + 5
        assert value == want
        return True


def test_refs_through_a_queue_are_known_to_whoever_gets_them() -> None:
    """Each thread makes refs of all kinds and gives them to the other, which gets them, or passes them on, at once."""
    adder = Adder.remote()
    one: queue.SimpleQueue[Any] = queue.SimpleQueue()
    other: queue.SimpleQueue[Any] = queue.SimpleQueue()
    _run(Giver(adder, one, other, 1).play, Giver(adder, other, one, 2).play)
