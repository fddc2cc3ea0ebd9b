"""Workers of an environment in which Python cannot even start: who waits for one is told, and everybody else works."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from integration_kit import until

import mobula

BROKEN = {"env_vars": {"PYTHONHOME": "/nowhere"}}


@mobula.remote(max_retries=3)
def answer() -> int:
    return 42


@mobula.remote
class Answering:
    def answer(self) -> int:
        return 42


def test_tasks_and_actors_are_told_what_the_last_worker_said(fresh: Callable[..., Any]) -> None:
    process = fresh(num_cpus=2)
    broken = answer.options(runtime_env=BROKEN)
    for ref in [broken.remote() for _ in range(5)]:
        with pytest.raises(mobula.exceptions.WorkerCrashedError) as caught:
            mobula.get(ref, timeout=60)
        text = str(caught.value)
        assert "in a row ended before they were ready" in text
        assert "PYTHONHOME" in text
        assert "exited with code 1" in text
        assert "encodings" in text, "what Python says on stderr"
    assert mobula.get(answer.remote(), timeout=60) == 42
    actor = Answering.options(runtime_env=BROKEN).remote()
    with pytest.raises(mobula.exceptions.ActorDiedError, match="in a row ended before they were ready"):
        mobula.get(actor.answer.remote(), timeout=60)
    assert mobula.get(Answering.remote().answer.remote(), timeout=60) == 42
    until("leases are given back", lambda: process.inspect().leases <= 1)
