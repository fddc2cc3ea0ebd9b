"""Row 19, an addition. Ray 2.60: a task that raises KeyboardInterrupt itself is reported as canceled, and `SystemExit(0)` as a
crash without a reason. Here both are told as what they were, and a death tells which task ran, and its last words.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

import pytest

import mobula

Crashed = mobula.exceptions.WorkerCrashedError
Died = mobula.exceptions.ActorDiedError


def interrupt() -> None:
    raise KeyboardInterrupt("of its own")


def leave(code: object) -> None:
    print("about to leave", file=sys.stderr, flush=True)
    sys.exit(code)  # type: ignore[arg-type]


def kill_itself(number: int) -> None:
    os.kill(os.getpid(), number)
    threading.Event().wait()


@mobula.remote(num_cpus=0)
class Plain:
    def interrupt(self) -> None:
        interrupt()

    def leave(self, code: object) -> None:
        leave(code)

    def kill_itself(self, number: int) -> None:
        kill_itself(number)

    def fine(self) -> str:
        return "fine"


def test_an_interrupt_of_the_tasks_own() -> None:
    with pytest.raises(mobula.exceptions.RayTaskError, match="of its own") as info:
        mobula.get(mobula.remote(max_retries=0)(interrupt).remote(), timeout=30)
    assert isinstance(info.value.cause, KeyboardInterrupt)
    assert not isinstance(info.value, (KeyboardInterrupt, mobula.exceptions.TaskCancelledError))


def test_an_interrupt_of_an_actors_own_leaves_the_actor_alive() -> None:
    actor = Plain.remote()
    with pytest.raises(mobula.exceptions.RayTaskError, match="of its own") as info:
        mobula.get(actor.interrupt.remote(), timeout=30)
    assert isinstance(info.value.cause, KeyboardInterrupt)
    assert mobula.get(actor.fine.remote(), timeout=30) == "fine"


@pytest.mark.parametrize("code", [0, 3])
def test_an_exit_tells_its_code_the_task_and_the_last_words(code: int) -> None:
    with pytest.raises(Crashed, match=rf"(?s)exited with code {code}\b.*running \S*leave\(\).*stderr:\n.*about to leave"):
        mobula.get(mobula.remote(max_retries=0)(leave).remote(code), timeout=30)


def test_an_exit_of_an_actor() -> None:
    actor = Plain.remote()
    with pytest.raises(Died, match=r"(?s)exited with code 4\b.*running \S*Plain\.leave\(\).*stderr:\n.*about to leave"):
        mobula.get(actor.leave.remote(4), timeout=30)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_a_signal_is_told_by_number_and_name(number: signal.Signals) -> None:
    told = rf"killed by signal {int(number)} \({number.name}\).*had used up to \d+ MiB.*running \S*kill_itself\(\)"
    with pytest.raises(Crashed, match=f"(?s){told}"):
        mobula.get(mobula.remote(max_retries=0)(kill_itself).remote(int(number)), timeout=30)
    with pytest.raises(Died, match=f"(?s){told}"):
        mobula.get(Plain.remote().kill_itself.remote(int(number)), timeout=30)
