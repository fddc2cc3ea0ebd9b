"""The core at its limit of open files."""

from __future__ import annotations

import os
import resource
import threading
from collections.abc import Callable
from typing import Any

import mobula


@mobula.remote
def quick(number: int) -> int:
    return number


def test_a_core_without_descriptors_works_again_when_it_has_some(fresh: Callable[..., Any]) -> None:
    """Invariant: at its limit of open files the core stays up; who is connected goes on, and who is not waits or is told, and
    is served when there is room again."""
    process = fresh(num_cpus=1)
    assert mobula.get(quick.remote(1), timeout=60) == 1
    core = process.session.core_pid
    before = resource.prlimit(core, resource.RLIMIT_NOFILE)
    resource.prlimit(core, resource.RLIMIT_NOFILE, (len(os.listdir(f"/proc/{core}/fd")), before[1]))
    outcomes: list[object] = []

    def another_thread() -> None:
        try:
            outcomes.append(mobula.get(quick.remote(2), timeout=60))
        except mobula.exceptions.RaySystemError as error:
            outcomes.append(error)

    thread = threading.Thread(target=another_thread)
    try:
        thread.start()
        assert mobula.get([quick.remote(number) for number in range(20)], timeout=60) == list(range(20))
    finally:
        resource.prlimit(core, resource.RLIMIT_NOFILE, before)
    thread.join(60)
    assert not thread.is_alive()
    assert outcomes == [2] or isinstance(outcomes[0], mobula.exceptions.RaySystemError)
    assert mobula.get(quick.remote(3), timeout=60) == 3
