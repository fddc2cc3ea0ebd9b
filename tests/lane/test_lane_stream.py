"""The socket under the stream: one write and one read for a small message, no deadlock, how it ends, and interrupts."""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import lane_bytes as b
import pytest
from lane_peers import collect, exactly, one_frame, pair, player

from mobula._lane import GrpcStream, LaneClosed, Limits, ProtocolError, RpcError
from mobula._lane.connection import Connection
from mobula._lane.frames import ACK, DATA, INITIAL_WINDOW_SIZE, PING, settings, window_update

WIDE = settings({INITIAL_WINDOW_SIZE: 2**31 - 1}) + window_update(0, 2**31 - 1 - 65_535)


def test_a_small_message_is_one_write_and_one_read() -> None:
    with pair() as (stream, peer):
        stream.send(b"hello")
        assert peer.recv(1 << 16) == b.message(b"hello")
        stream.send_many([b"a", b"b"])
        assert peer.recv(1 << 16) == b.data(b.prefixed(b"a") + b.prefixed(b"b"))
        peer.sendall(b.message(b"x") + b.message(b"y"))
        assert stream.wait_readable(5)
        assert stream.receive() == [b"x", b"y"]
        assert stream.receive() == []
        assert not stream.wait_readable(0)
        assert not stream.wait_readable(-1)
        peer.sendall(b.message(b"z"))
        assert stream.wait_readable(float("inf"))


def test_send_many_of_nothing_sends_nothing() -> None:
    with pair() as (stream, peer):
        stream.send_many([])
        stream.send(b"x")
        assert peer.recv(100) == b.message(b"x")


def test_send_many_above_a_frame_keeps_order() -> None:
    bodies = [bytes((i & 0xFF,)) * (i % 300) for i in range(1000)] + [bytes(50_000)] + [b"z"] * 10
    wanted = b"".join(map(b.prefixed, bodies))
    with pair(Limits(), b.OPENED + WIDE) as (stream, peer):
        got = bytearray()

        def read() -> None:
            while len(got) < len(wanted):
                kind, _, _, payload = one_frame(peer)
                assert kind == DATA
                got.extend(payload)

        reader = threading.Thread(target=read)
        reader.start()
        stream.send_many(bodies)
        reader.join()
        assert got == wanted


def test_no_deadlock_when_both_write_and_neither_reads_first() -> None:
    size = 24 << 20
    body = os.urandom(1 << 20) * (size >> 20)
    with pair(Limits(window=2**30), b.OPENED + WIDE) as (stream, peer):
        frames = (size + 5 + 16_383) // 16_384
        got: list[bytes] = []

        def serve() -> None:
            payload = b.prefixed(body)
            peer.sendall(b"".join(b.data(payload[i : i + 16_384]) for i in range(0, len(payload), 16_384)))
            for _ in range(frames):
                kind, _, _, piece = one_frame(peer)
                assert kind == DATA
                got.append(piece)

        thread = threading.Thread(target=serve)
        thread.start()
        stream.send(body)
        received: list[bytes] = []
        while not received:
            assert stream.wait_readable(30)
            received = stream.receive()
        thread.join()
        assert received == [body]
        assert b"".join(got) == b.prefixed(body)


def test_a_window_that_opens_byte_by_byte() -> None:
    with pair(greeting=b.OPENED + settings({INITIAL_WINDOW_SIZE: 0})) as (stream, peer):
        pieces: list[bytes] = []

        def serve() -> None:
            for _ in range(8):
                peer.sendall(window_update(1, 1))
                pieces.append(one_frame(peer)[3])

        thread = threading.Thread(target=serve)
        thread.start()
        stream.send(b"abc")
        thread.join()
        assert pieces == [bytes((byte,)) for byte in b.prefixed(b"abc")]


def test_what_arrives_while_a_send_waits_is_kept_in_order() -> None:
    with pair(greeting=b.OPENED + settings({INITIAL_WINDOW_SIZE: 0})) as (stream, peer):

        def serve() -> None:
            peer.sendall(b.message(b"1") + b.ping(b"12345678") + b.message(b"2"))
            assert one_frame(peer) == (PING, ACK, 0, b"12345678")  # answered although the send waits
            peer.sendall(b.message(b"3") + window_update(1, 100))

        thread = threading.Thread(target=serve)
        thread.start()
        stream.send(b"sent")
        thread.join()
        assert one_frame(peer)[3] == b.prefixed(b"sent")
        peer.sendall(b.message(b"4"))
        assert stream.wait_readable(0)
        assert stream.receive() == [b"1", b"2", b"3"]
        assert stream.wait_readable(5)
        assert stream.receive() == [b"4"]


def test_a_message_larger_than_the_window_comes_whole() -> None:
    with pair(Limits(window=1000)) as (stream, peer):
        payload = b.prefixed(os.urandom(20_000))
        granted, received, at = 1000, [], 0
        while at < len(payload):
            piece = payload[at : at + granted]
            peer.sendall(b.data(piece))
            at += len(piece)
            received += stream.receive()
            if at < len(payload):
                granted = b.split_updates(peer.recv(1 << 16))[1]
        assert received == [payload[5:]]


def test_a_message_above_the_limit_changes_nothing() -> None:
    with pair(Limits(max_message=20_000)) as (stream, peer):
        with pytest.raises(ValueError, match="the limit is 20000"):
            stream.send(bytes(20_001))
        assert not stream.broken
        stream.send(b"x")
        assert peer.recv(100) == b.message(b"x")


def test_half_close() -> None:
    with pair() as (stream, peer):
        stream.half_close()
        stream.half_close()
        assert exactly(peer, 9) == b.data(b"", 1)
        with pytest.raises(ValueError, match="half_close"):
            stream.send(b"x")
        peer.sendall(b.message(b"last") + b.trailers(0))
        messages, end = collect(stream)
        assert messages == [b"last"]
        assert end.args == (0, "")
        assert not stream.broken


# ----------------------------------------------------------------------------------------------------- ends


def test_messages_come_before_the_end_and_the_end_repeats() -> None:
    with pair() as (stream, peer):
        peer.sendall(b.message(b"one") + b.trailers(5, b"gone"))
        assert stream.receive() == [b"one"]
        assert stream.wait_readable(0)
        for _ in range(3):
            with pytest.raises(RpcError, match=r"NOT_FOUND \(5\): gone"):
                stream.receive()
            with pytest.raises(RpcError, match="gone"):
                stream.send(b"x")


def test_end_of_file_in_a_message() -> None:
    with pair() as (stream, peer):
        peer.sendall(b.message(b"one") + b.message(b"two")[:-1])
        peer.close()
        messages, end = collect(stream)
        assert messages == [b"one"]
        assert str(end) == "the server closed the connection in the middle of a frame"


def test_goaway_is_told_when_the_connection_ends() -> None:
    with pair() as (stream, peer):
        peer.sendall(b.goaway(1, 11, b"too_many_pings"))
        peer.close()
        _, end = collect(stream)
        assert str(end).endswith("; before, it sent GOAWAY ENHANCE_YOUR_CALM: too_many_pings")


def test_a_status_sent_before_the_close_is_what_a_send_reports() -> None:
    with pair() as (stream, peer):
        peer.sendall(b.message(b"one") + b.trailers(16, b"bad token"))
        peer.close()
        with pytest.raises(RpcError, match="bad token"):
            stream.send(b"x")
        assert stream.receive() == [b"one"]


def test_a_status_in_the_middle_of_a_long_send() -> None:
    with pair(greeting=b.OPENED + WIDE) as (stream, peer):
        threading.Timer(0.05, lambda: peer.sendall(b.message(b"one") + b.trailers(8, b"too much"))).start()
        with pytest.raises(RpcError, match="too much"):
            stream.send_many([bytes(50_000)] * 1000)
        assert stream.receive() == [b"one"]


def test_a_reset_connection() -> None:
    with pair() as (stream, peer):
        stream.send(b"unread")
        peer.close()  # with unread bytes: the kernel reports a reset
        with pytest.raises(LaneClosed, match="reset"):
            stream.receive()
        with pytest.raises(LaneClosed):
            stream.send(b"x")


def test_a_server_that_ends_while_a_send_waits_for_its_window() -> None:
    with pair(greeting=b.OPENED + settings({INITIAL_WINDOW_SIZE: 0})) as (stream, peer):
        threading.Timer(0.05, peer.close).start()
        with pytest.raises(LaneClosed, match="closed the connection"):
            stream.send(b"x")


def test_close_is_seen_though_a_copy_of_the_socket_lives() -> None:
    with pair() as (stream, peer):
        copy = os.dup(stream.fileno())
        stream.close()
        stream.close()
        assert peer.recv(10) == b""
        os.close(copy)
        assert stream.fileno() == -1
        assert stream.wait_readable(None)
        with pytest.raises(LaneClosed, match="closed on this side"):
            stream.receive()
        with pytest.raises(LaneClosed, match="closed on this side"):
            stream.send(b"x")


def test_detach_after_fork_leaves_the_other_copy_alone() -> None:
    with pair() as (stream, peer):
        copy = socket.socket(fileno=os.dup(stream.fileno()))
        stream.detach_after_fork()
        assert not select.select([peer], [], [], 0)[0]
        copy.sendall(b"on")
        assert peer.recv(10) == b"on"
        copy.close()


# ------------------------------------------------------------------------------------------------- floods


def test_a_flood_of_pings_that_reads_no_answers_is_refused() -> None:
    with pair(Limits(max_answers=1000)) as (stream, peer):
        peer.setblocking(False)

        def flood() -> None:
            while True:
                try:
                    peer.send(b.ping(b"12345678") * 100)
                except BlockingIOError:
                    pass
                stream.receive()

        with pytest.raises(ProtocolError, match="does not read the answers"):
            flood()


def test_a_flood_of_settings_that_reads_is_answered() -> None:
    with pair() as (stream, peer):
        for _ in range(100):
            peer.sendall(settings({}) * 1000)
            assert stream.receive() == []
            assert exactly(peer, 9000) == settings({}).replace(b"\4\0", b"\4\1") * 1000


def test_answers_the_socket_does_not_take_go_out_by_wait_and_receive() -> None:
    with pair() as (stream, peer):
        try:
            while True:
                stream._sock.send(b"x")
        except BlockingIOError:
            pass  # full to the last byte
        peer.sendall(b.ping(b"12345678"))
        assert stream.receive() == []
        assert stream.wants_write
        assert not stream.wait_readable(0)
        peer.setblocking(False)
        seen = b""
        deadline = time.monotonic() + 30
        while not seen.endswith(b.ping(b"12345678", ACK)):
            assert time.monotonic() < deadline
            try:
                seen += peer.recv(1 << 20)
            except BlockingIOError:
                assert stream.wait_readable(5)
                assert stream.receive() == []
        assert not stream.wants_write


def test_messages_without_end_while_a_send_waits_are_refused() -> None:
    with pair(Limits(max_stash=100_000), b.OPENED + settings({INITIAL_WINDOW_SIZE: 0})) as (stream, peer):

        def flood() -> None:
            try:
                while True:
                    peer.sendall(b.message(b"") * 1000)
            except OSError:
                pass  # refused: the other end closed

        thread = threading.Thread(target=flood)
        thread.start()
        with pytest.raises(ProtocolError, match="without end"):
            stream.send(b"x")
        stream.close()
        thread.join()


# ------------------------------------------------------------------------------------------------- opening


def test_open_and_the_recorded_status(tmp_path: Path) -> None:
    with player(tmp_path / "s", b.RECORDED["status"]) as path:
        stream = GrpcStream.open(path, b.METHOD, [("authorization", "Bearer 00")])
        messages, end = collect(stream)
        assert messages == [b"one"]
        assert end.args == (5, "100% grün\n")
        stream.close()


@pytest.mark.parametrize("greeting", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_open_refuses_what_is_no_server(tmp_path: Path, greeting: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()

        def serve() -> None:
            sock, _ = listener.accept()
            with sock:
                sock.recv(1)
                sock.sendall(greeting)

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(LaneClosed, match="HTTP/2" if greeting else "closed the connection|reset"):
            GrpcStream.open(str(tmp_path / "s"), b.METHOD)
        thread.join()


def test_open_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(LaneClosed, match="No such file"):
        GrpcStream.open(str(tmp_path / "none"), b.METHOD)
    with pytest.raises(LaneClosed, match="too long"):
        GrpcStream.open("/" + "x" * 200, b.METHOD)


def test_open_gives_up_in_time(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen(0)
        with pytest.raises(LaneClosed, match="in time"):  # accepted by the kernel, never answered
            GrpcStream.open(str(tmp_path / "s"), b.METHOD, timeout=0.05)
        with socket.socket(socket.AF_UNIX) as other:
            other.setblocking(False)
            try:
                other.connect(str(tmp_path / "s"))
            except BlockingIOError:
                pass  # the backlog is full already
            with pytest.raises(LaneClosed, match="nobody accepted"):
                GrpcStream.open(str(tmp_path / "s"), b.METHOD, timeout=0.05)


# ---------------------------------------------------------------------------------------------- interrupts


@pytest.fixture
def alarm() -> Iterator[None]:
    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("alarm")
def test_an_interrupt_while_waiting_loses_nothing() -> None:
    with pair() as (stream, peer):
        peer.sendall(b.message(b"one")[:10])
        assert stream.receive() == []
        for _ in range(3):
            signal.setitimer(signal.ITIMER_REAL, 0.02)
            with pytest.raises(KeyboardInterrupt):
                stream.wait_readable(None)
            assert not stream.broken
        peer.sendall(b.message(b"one")[10:])
        assert stream.wait_readable(5)
        assert stream.receive() == [b"one"]


@pytest.mark.usefixtures("alarm")
def test_an_interrupt_inside_a_send_breaks_the_stream() -> None:
    with pair(greeting=b.OPENED + settings({INITIAL_WINDOW_SIZE: 0})) as (stream, _peer):
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        with pytest.raises(KeyboardInterrupt):
            stream.send(b"x")
        assert stream.broken
        assert stream.wait_readable(None)
        for operation in (stream.receive, stream.half_close, lambda: stream.send(b"x"), lambda: stream.send_many([b"x"])):
            with pytest.raises(LaneClosed, match="interrupted"):
                operation()


class _AtLine:
    """Raises KeyboardInterrupt at the n-th line executed inside the lane's files, counting from 0."""

    def __init__(self, n: int) -> None:
        self.left = n
        self.fired = False

    def __call__(self, frame: FrameType, event: str, _arg: Any) -> Any:
        if "_lane" not in frame.f_code.co_filename or self.fired:
            return None
        if event == "line":
            if self.left == 0:
                self.fired = True
                raise KeyboardInterrupt
            self.left -= 1
        return self


@pytest.mark.skipif(sys.gettrace() is not None, reason="uses the trace function")
def test_an_interrupt_at_any_line_is_either_noticed_or_harmless() -> None:
    """Brute force over every line of receive and send.

    The one line left out is the `return` of an operation that is complete: no signal is looked at between the store
    to `broken` and the return, and what a caller does with a value it was handed is the caller's own step.
    """
    fired = 0
    for n in range(200):
        with pair(Limits(window=100)) as (stream, peer):
            peer.sendall(b.message(b"in" * 30) + b.ping(b"12345678"))
            trace = _AtLine(n)
            complete = False
            got: list[bytes] = []
            before = sys.gettrace()
            sys.settrace(trace)
            try:
                got = stream.receive()
                stream.send(b"out")
                complete = True
            except KeyboardInterrupt:
                pass
            finally:
                sys.settrace(before)
            fired += trace.fired
            if complete or stream.broken:
                continue
            # Not noticed: then nothing may have been half done.
            wire = b""
            peer.settimeout(0.01)
            try:
                while True:
                    wire += peer.recv(1 << 16)
            except TimeoutError:
                pass
            frames = b.frames_of(wire)
            if not frames:
                assert got == []
                assert stream.receive() == [b"in" * 30]
            else:
                assert frames[0][0] == PING or frames[0][0] == 8, frames
    assert fired > 40
    assert complete


def test_many_streams_do_not_leak_descriptors() -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(50):
        with pair() as (stream, _peer):
            stream.send(b"x")
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_connection_can_be_driven_without_a_socket() -> None:
    connection = Connection(b.METHOD)
    connection.feed(b.OPENED + b.message(b"x"))
    assert connection.take() == [b"x"]
