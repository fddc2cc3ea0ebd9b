"""Row 10. Ray 2.60: a thread that a method starts has a task id of its own, and `is_canceled()` reads False there for ever.

That answer stands here too for a thread that was handed nothing: a conformance case pins it, and such a thread may outlive its
method. A thread that runs in a copy of the method's context (`contextvars.copy_context()`, `asyncio.to_thread`, as Python
hands on what belongs to a call) asks about the method's task.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from beyond_kit import Cancelled, Flags, outcome

import mobula


def _canceled() -> bool:
    return mobula.get_runtime_context().is_canceled()


def _in_a_thread(ask: Callable[[], bool]) -> bool:
    answers: list[bool] = []
    thread = threading.Thread(target=lambda: answers.append(ask()))
    thread.start()
    thread.join()
    return answers[0]


class Asking:
    """Asks in its own thread, in one that was handed nothing, and in some that were handed the context."""

    def __init__(self, flags: Flags) -> None:
        self.flags = flags
        self.answers: dict[str, dict[str, bool]] = {}

    def ask(self, name: str, until_told: bool) -> None:
        """All answers: at once, or once the method's own thread was told of its cancel."""
        self.flags.up(f"{name}.started")
        if until_told:
            while not _canceled():
                threading.Event().wait(0.002)
        context = contextvars.copy_context()
        with ThreadPoolExecutor(1) as pool:
            self.answers[name] = {
                "method": _canceled(),
                "plain thread": _in_a_thread(_canceled),
                "thread with the context": _in_a_thread(lambda: context.run(_canceled)),
                "pool with the context": pool.submit(contextvars.copy_context().run, _canceled).result(),
                "pool without": pool.submit(_canceled).result(),
            }

    def answers_of(self, name: str) -> dict[str, bool]:
        """What ask() saw."""
        return self.answers[name]


@pytest.mark.parametrize("threads", [1, 3])
def test_who_was_handed_the_context_sees_the_cancel(flags: Flags, threads: int) -> None:
    actor = mobula.remote(Asking).options(max_concurrency=threads).remote(flags)
    mobula.get(actor.ask.remote("before", until_told=False))
    ref = actor.ask.remote("canceled", until_told=True)
    flags.wait("canceled.started")
    mobula.cancel(ref)
    assert outcome(ref) is Cancelled
    mobula.get(actor.ask.remote("after", until_told=False))
    handed = {"method", "thread with the context", "pool with the context"}
    for name in ("before", "canceled", "after"):
        answers = mobula.get(actor.answers_of.remote(name))
        assert {where for where, told in answers.items() if told} == (handed if name == "canceled" else set()), name
