"""A worker that prints without end: refs are released and cancel is heard all the same."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any

import pytest

import mobula
from mobula._core import helper as helpers
from mobula._core import logs
from mobula._core.pb import boundary_pb2 as pb
from mobula.util import state


@pytest.fixture(autouse=True)
def _session(place: str) -> Iterator[None]:
    mobula.init(num_cpus=1)
    yield
    mobula.shutdown()


@mobula.remote
def loud() -> None:
    while True:
        print("one line, and then the next one, of a task that prints all the time")


def gone(object_id: str) -> bool:
    return not state.get_objects(object_id)


def test_drops_and_cancel_pass_by_endless_lines(capfd: pytest.CaptureFixture[str]) -> None:
    ref = loud.remote()
    deadline = time.monotonic() + 60
    while "pid=" not in capfd.readouterr().out:
        assert time.monotonic() < deadline, "nothing was printed"
        time.sleep(0.01)
    large = mobula.put(bytes(200_000))
    object_id = large.hex()
    del large
    while not gone(object_id):
        assert time.monotonic() < deadline, "the dropped ref was not released"
        capfd.readouterr()
        time.sleep(0.01)
    mobula.cancel(ref)
    with pytest.raises(mobula.exceptions.TaskCancelledError):
        mobula.get(ref, timeout=60)
    capfd.readouterr()


def test_between_two_messages_of_one_read_the_dropped_refs_go_out(monkeypatch: pytest.MonkeyPatch) -> None:
    process: Any = mobula.session.process()
    order: list[str] = []
    monkeypatch.setattr(logs.Printer, "show", lambda _self, _lines: order.append("shown"))
    sent = helpers.Helper._send_queued
    monkeypatch.setattr(helpers.Helper, "_send_queued", lambda self: order.append("sent") or sent(self))
    deadline = time.monotonic() + 60
    process._helper._lane._unshown.extend([[pb.LogLine(pid=os.getpid(), name="f", text=b"x")]] * 2)
    process._helper.wake()
    while order.count("shown") < 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    first = order.index("shown")
    assert order[first : first + 3] == ["shown", "sent", "shown"]
