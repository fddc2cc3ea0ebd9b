"""Futures of refs and log lines: what the helper thread does for others."""

from __future__ import annotations

import asyncio
import concurrent.futures
import gc
import io
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from core_kit import failure, inline, put, submit, submit_value
from fake_core import FakeCore, Parked

from mobula import exceptions
from mobula._core import dedup, logs
from mobula._core.pb import boundary_pb2 as pb
from mobula._core.process import Process


@pytest.fixture(params=["lane", "grpcio"])
def core(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCore]:
    monkeypatch.setenv("MOBULA_TRANSPORT", request.param)
    with FakeCore(str(tmp_path)) as core:
        yield core


@pytest.fixture
def process(core: FakeCore) -> Iterator[Process]:
    process = Process.attach_driver(core)
    yield process
    process.close()


def test_a_future_of_a_result(core: FakeCore, process: Process) -> None:
    ref = submit(process, 1, "never")
    future = process.future(ref)
    assert isinstance(future, concurrent.futures.Future)
    with pytest.raises(concurrent.futures.TimeoutError):
        future.result(0.05)
    assert not future.done()
    core.finish(ref.binary(), inline("v"))
    assert future.result(60) == "v"
    assert future.exception() is None
    assert ref._value is not None


def test_a_future_of_what_is_known_is_done_at_once(process: Process) -> None:
    assert process.future(put(process, 3)).done()
    assert process.raw_future(put(process, 3)).result()[1] == b"XLANG"


def test_a_future_of_a_failed_task(process: Process) -> None:
    future = process.future(submit_value(process, failure(KeyError("k"))))
    with pytest.raises(KeyError):
        future.result(60)
    assert isinstance(future.exception(), KeyError)


def test_a_future_of_a_large_value_pins_it_while_it_is_held(core: FakeCore, process: Process) -> None:
    future = process.future(put(process, np.arange(100_000)))
    assert future.result(60)[99_999] == 99_999
    assert core.pins[1] == 1
    del future
    gc.collect()
    core.until(lambda: core.pins[1] == 0)


def test_callbacks_and_as_completed(process: Process) -> None:
    seen: list[int] = []
    happened = threading.Event()
    future = process.future(submit(process, 6))
    future.add_done_callback(lambda done: (seen.append(done.result()), happened.set()))
    assert happened.wait(60)
    assert seen == [6]
    futures = {process.future(submit(process, n)): n for n in range(20)}
    got = {futures[one]: one.result() for one in concurrent.futures.as_completed(futures, timeout=60)}
    assert got == {n: n for n in range(20)}


def test_values_are_loaded_where_they_are_asked_for(process: Process) -> None:
    future = process.future(submit(process, Nosy()))
    deadline = time.monotonic() + 10
    while not future.done() and time.monotonic() < deadline:
        time.sleep(0.005)
    assert future.result() == threading.current_thread().name


class Nosy:
    def __reduce__(self) -> object:
        return _where, ()


def _where() -> str:
    return threading.current_thread().name


def test_awaiting_in_a_loop(core: FakeCore, process: Process) -> None:
    never = submit(process, 1, "never")

    async def main() -> list[object]:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.wrap_future(process.future(never)), 0.05)
        bad = submit_value(process, failure(LookupError("lost")))
        with pytest.raises(LookupError):
            await asyncio.wrap_future(process.future(bad))
        return await asyncio.gather(*(asyncio.wrap_future(process.future(submit(process, n))) for n in range(10)))

    assert asyncio.run(main()) == list(range(10))
    core.until(lambda: not core.parked)  # giving up is told to the core


def test_a_future_keeps_its_object_alive_and_no_longer(core: FakeCore, process: Process) -> None:
    ref = submit(process, 1, "never")
    object_id = ref.binary()
    future = process.future(ref)
    core.until(lambda: len(core.parked) == 1)
    del ref
    time.sleep(0.1)
    assert core.refs[object_id] == 1
    gc.disable()
    try:
        core.finish(object_id, inline(2))
        assert future.result(60) == 2
        core.until(lambda: core.refs[object_id] == 0)
    finally:
        gc.enable()


def gets(core: FakeCore) -> list[Parked]:
    return [parked for parked in core.parked if parked.request.HasField("get")]


def test_the_helpers_lane_is_lost(core: FakeCore, process: Process) -> None:
    refs = [submit(process, 1, "never") for _ in range(3)]
    futures = [process.future(ref) for ref in refs]
    core.until(lambda: len(gets(core)) == 3)
    with core.lock:
        lane = gets(core)[0].lane
        core.parked.clear()
        lane.cut()
    core.until(lambda: len(gets(core)) == 3)
    for ref in refs:
        core.finish(ref.binary(), inline(5))
    assert [future.result(60) for future in futures] == [5, 5, 5]


def test_futures_fail_when_the_session_ends(process: Process) -> None:
    future = process.future(submit(process, 1, "never"))
    process.close()
    with pytest.raises(exceptions.RaySystemError, match="shut down"):
        future.result(60)
    with pytest.raises(exceptions.RaySystemError):
        process.future(submit_after_close(process)).result(60)


def submit_after_close(process: Process) -> object:
    from mobula.object_ref import ObjectRef

    return ObjectRef._owned(b"x" * 28)


def test_log_lines_are_shown(core: FakeCore, process: Process, capsys: pytest.CaptureFixture[str]) -> None:
    core.until(lambda: bool(core.lanes))
    notices = next(lane for lane in core.lanes if lane.attach.kind == pb.LANE_NOTICES)
    line = pb.LogLine(pid=12, name="f", text=b"one\ntwo")
    notices.push(pb.ToShim(logs=[line, pb.LogLine(pid=13, text=b"bad", is_error=True)]))
    deadline = time.monotonic() + 10
    out = err = ""
    while not (out and err) and time.monotonic() < deadline:
        time.sleep(0.01)
        captured = capsys.readouterr()
        out, err = out + captured.out, err + captured.err
    assert out == "\x1b[36m(f pid=12)\x1b[0m one\n\x1b[36m(f pid=12)\x1b[0m two\n"
    assert err == "\x1b[36m(pid=13)\x1b[0m bad\n"


@pytest.mark.parametrize(("colour", "begin"), [("0", "(f pid=1) x"), ("1", "\x1b[36m(f pid=1)\x1b[0m x"), (None, "\x1b[36m(f")])
def test_prefixes(monkeypatch: pytest.MonkeyPatch, colour: str | None, begin: str) -> None:
    if colour is None:
        monkeypatch.delenv("RAY_COLOR_PREFIX", raising=False)
    else:
        monkeypatch.setenv("RAY_COLOR_PREFIX", colour)
    assert logs.render(dedup.Shown(dedup.Line(1, "f", "x"))).startswith(begin)


def test_a_driver_without_output_does_not_mind(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.StringIO()
    closed.close()
    for stream in (None, closed):
        monkeypatch.setattr(sys, "stdout", stream)
        logs.Printer().show([pb.LogLine(pid=1, text=b"x")])


def test_tick_hooks_run(process: Process) -> None:
    happened = threading.Event()
    process.tick_hooks.append(happened.set)
    assert happened.wait(60)
