"""Row 23, an addition. Ray 2.60: calls made right after `kill` may still succeed. Here they are ordered: every call made
after the kill fails, and by the kill.
"""

from __future__ import annotations

import contextlib
import threading

import pytest

import mobula

Died = mobula.exceptions.ActorDiedError


class Plain:
    def call(self, number: int) -> int:
        return number


class Looping:
    async def call(self, number: int) -> int:
        return number


@pytest.mark.parametrize(
    ("kind", "options"), [(Plain, {}), (Plain, {"max_concurrency": 4}), (Looping, {}), (Plain, {"max_restarts": 1})]
)
def test_none_of_them_runs(kind: type, options: dict[str, int]) -> None:
    for _ in range(10):
        actor = mobula.remote(num_cpus=0, **options)(kind).remote()
        assert mobula.get(actor.call.remote(0)) == 0
        before = [actor.call.remote(number) for number in range(10)]
        mobula.kill(actor)
        after = [actor.call.remote(number) for number in range(10)]
        for ref in after:
            with pytest.raises(Died, match="killed"):
                mobula.get(ref, timeout=30)
        for number, ref in enumerate(before):  # these may have run, or not
            with contextlib.suppress(Died):
                assert mobula.get(ref, timeout=30) == number


def test_a_call_of_another_thread_that_begins_after_the_kill() -> None:
    actor = mobula.remote(num_cpus=0)(Plain).remote()
    mobula.get(actor.call.remote(0))
    mobula.kill(actor)
    refs = []
    thread = threading.Thread(target=lambda: refs.append(actor.call.remote(1)))
    thread.start()
    thread.join()
    with pytest.raises(Died, match="killed"):
        mobula.get(refs[0], timeout=30)


def test_an_actor_that_is_killed_before_it_is_there() -> None:
    actor = mobula.remote(num_cpus=0)(Plain).remote()
    mobula.kill(actor)
    with pytest.raises(Died, match="killed"):
        mobula.get(actor.call.remote(0), timeout=30)
