"""Row 22, an addition. Ray 2.60: a named actor that left by `exit_actor` keeps its name while a handle of it lives.
Here the name is free at once.
"""

from __future__ import annotations

import sys

import pytest

import mobula


class Clerk:
    def leave(self) -> None:
        mobula.actor.exit_actor()

    def exit_quietly(self) -> None:
        sys.exit(0)

    def name(self) -> str:
        return mobula.get_runtime_context().get_actor_name() or ""


@pytest.mark.parametrize("method", ["leave", "exit_quietly", "__ray_terminate__"])
def test_the_name_is_free_when_the_call_has_ended(method: str) -> None:
    make = mobula.remote(num_cpus=0)(Clerk).options(name=f"clerk-{method}")
    for _ in range(5):
        first = make.remote()
        assert mobula.get(first.name.remote()) == f"clerk-{method}"
        left = getattr(first, method).remote()
        mobula.wait([left], timeout=30)
        assert f"clerk-{method}" not in mobula.util.list_named_actors()
        second = make.remote()
        assert second != first
        assert mobula.get(second.name.remote()) == f"clerk-{method}"
        assert mobula.get_actor(f"clerk-{method}") == second
        mobula.kill(second)
        del first  # it lived until here
