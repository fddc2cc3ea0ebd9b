"""A driver that its terminal ends; each test names the invariant it defends. The other ends are in test_deaths.py."""

from __future__ import annotations

import os
import signal

import pytest

from process_kit import assert_nothing_left, driver, is_alive

BLOCKED = """
mobula.init(num_cpus=2)
@mobula.remote
def sleeps():
    time.sleep(1000)
actors = tell_all()
ref = sleeps.options(num_cpus=0).remote()
tell(blocks=True)
mobula.get(ref)
"""


@pytest.mark.parametrize("signals", [[signal.SIGHUP], [signal.SIGINT, signal.SIGINT]], ids=["SIGHUP", "double Ctrl-C"])
def test_a_terminal_ends_the_driver_in_a_get(place: str, signals: list[signal.Signals]) -> None:
    """Invariant: the driver's end is that of its session, with what workers have started: also while it is blocked, and when
    a second Ctrl-C comes in the middle of what the first one set going."""
    with driver(BLOCKED, place) as running:
        told = running.read()
        running.read()
        for number in signals:
            os.killpg(running.pid, number)  # as a terminal does: the whole group
        running.process.wait(60)
        assert running.process.returncode != 0
        assert_nothing_left(told["session"])
        assert not is_alive(told["child"]), "a daemon that a worker started"
