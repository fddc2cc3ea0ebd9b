"""Flow control: windows of 0 and 1, changes in the middle of a stream, and windows below zero."""

from __future__ import annotations

import lane_bytes as b
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobula._lane import Limits, ProtocolError
from mobula._lane.connection import Connection
from mobula._lane.frames import DATA, END_STREAM, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, settings, window_update
from mobula._lane.sending import Sender


def cut(sender: Sender) -> list[bytes]:
    """Payloads of the DATA frames the sender may send now."""
    return [payload for _, _, _, payload in b.frames_of(b"".join(sender.take(1 << 30)))]


def test_a_small_message_is_one_frame() -> None:
    sender = Sender()
    assert sender.one_frame(b"hello") == b.message(b"hello")
    assert sender.one_frame(b"") == b.message(b"")
    assert sender.one_frame_of([b"a", b"", b"bc"]) == b.data(b.prefixed(b"a") + b.prefixed(b"") + b.prefixed(b"bc"))


def test_a_message_above_the_frame_size_is_cut() -> None:
    sender = Sender()
    body = bytes(range(256)) * 128
    assert sender.one_frame(body) is None
    sender.add([body])
    pieces = cut(sender)
    assert [len(piece) for piece in pieces] == [16_384, 16_384, 5]
    assert b"".join(pieces) == b.prefixed(body)
    assert not sender.waiting


def test_the_peers_frame_size_is_used() -> None:
    sender = Sender()
    sender.set_max_frame(20_000)
    assert sender.one_frame(bytes(19_995)) is not None
    assert sender.one_frame(bytes(19_996)) is None


def test_send_window_of_0_then_1() -> None:
    sender = Sender()
    sender.set_initial_window(0)
    assert sender.one_frame(b"") is None
    sender.add([b"abc"])
    assert cut(sender) == []
    assert sender.waiting
    sent = b""
    for _ in range(8):
        sender.grow_stream(1)
        (piece,) = cut(sender)
        assert len(piece) == 1
        sent += piece
    assert sent == b.prefixed(b"abc")
    assert not sender.waiting


def test_both_windows_count() -> None:
    sender = Sender()
    sender.grow_stream(1 << 20)
    sender.add([bytes(100_000)])
    assert sum(map(len, cut(sender))) == 65_535
    sender.grow_connection(10)
    assert sum(map(len, cut(sender))) == 10


def test_an_initial_window_that_shrinks_below_what_is_in_flight() -> None:
    sender = Sender()
    assert sender.one_frame(bytes(995))
    sender.set_initial_window(10)  # 1000 were sent: the window is -990
    assert sender.one_frame(b"") is None
    sender.add([b"x"])
    sender.grow_stream(990)
    assert cut(sender) == []
    sender.set_initial_window(11)
    assert cut(sender) == [b"\0"]
    sender.set_initial_window(100)
    assert cut(sender) == [b"\0\0\0\1x"]


def test_order_is_kept_when_something_waits() -> None:
    sender = Sender()
    sender.set_initial_window(8)
    sender.add([b"first!"])
    assert cut(sender) == [b"\0\0\0\0\6fir"]
    sender.set_initial_window(1000)
    assert sender.one_frame(b"second") is None
    sender.add([b"second"])
    assert b"".join(cut(sender)) == b"st!" + b.prefixed(b"second")


def test_half_close_follows_what_waits() -> None:
    sender = Sender()
    sender.set_initial_window(3)
    sender.add([b""])
    sender.close()
    assert cut(sender) == [b"\0\0\0"]
    sender.grow_stream(100)
    assert b.frames_of(b"".join(sender.take(100))) == [(DATA, 0, 1, b"\0\0"), (DATA, END_STREAM, 1, b"")]
    sender.close()
    assert not sender.waiting


def test_half_close_needs_no_window() -> None:
    sender = Sender()
    sender.set_initial_window(0)
    sender.close()
    assert b.frames_of(b"".join(sender.take(100))) == [(DATA, END_STREAM, 1, b"")]


_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("message"), st.integers(0, 60_000)),
        st.tuples(st.just("stream"), st.integers(1, 50_000)),
        st.tuples(st.just("connection"), st.integers(1, 50_000)),
        st.tuples(st.just("initial"), st.integers(0, 100_000)),
        st.tuples(st.just("frame"), st.integers(16_384, 40_000)),
        st.tuples(st.just("take"), st.integers(1, 100_000)),
    ),
    max_size=30,
)


@given(_STEPS)
def test_the_windows_are_never_exceeded(steps: list[tuple[str, int]]) -> None:
    """Against a plain model: two windows that shrink with each byte sent."""
    sender = Sender()
    stream = connection = initial = 65_535
    largest = 16_384
    wanted = got = b""
    for step, value in steps:
        pieces: list[bytes] = []
        if step == "message":
            body = bytes((len(wanted) & 0xFF,)) * value
            wanted += b.prefixed(body)
            whole = sender.one_frame(body)
            if whole is None:
                sender.add([body])
            else:
                pieces = [whole]
        elif step == "stream":
            sender.grow_stream(value)
            stream += value
        elif step == "connection":
            sender.grow_connection(value)
            connection += value
        elif step == "initial":
            sender.set_initial_window(value)
            stream += value - initial
            initial = value
        elif step == "frame":
            sender.set_max_frame(value)
            largest = value
        else:
            pieces = [bytes(piece) for piece in sender.take(value)]
        for _, _, _, payload in b.frames_of(b"".join(pieces)):
            assert len(payload) <= largest
            stream -= len(payload)
            connection -= len(payload)
            got += payload
        if pieces:
            assert stream >= 0
            assert connection >= 0
    sender.set_initial_window(2**30)
    sender.grow_connection(2**30)
    assert got + b"".join(cut(sender)) == wanted


# ------------------------------------------------------------------------------------------------ receiving


def test_receive_window_of_0() -> None:
    limits = Limits(window=0)
    assert b.view([b.OPENED + b.data(b"") * 3 + b.trailers(0)], limits).end[1] == (0, "")  # type: ignore[index]
    assert b.view([b.OPENED + b.data(b"\0")], limits).end[0] is ProtocolError  # type: ignore[index]


def test_receive_window_of_1() -> None:
    connection = Connection(b.METHOD, (), Limits(window=1))
    connection.feed(b.OPENED)
    for byte in b.prefixed(b"abc"):
        connection.answers.clear()
        connection.feed(b.data(bytes((byte,))))
        assert bytes(connection.answers) == window_update(0, 1) + window_update(1, 1)
    assert connection.take() == [b"abc"]
    connection.feed(b.data(b"\0\0"))
    assert isinstance(connection.end, ProtocolError)


@pytest.mark.parametrize("size", [1, 90, 95, 96, 200])
def test_more_than_the_window_is_refused_after_the_messages_that_fit(size: int) -> None:
    limits = Limits(window=200)
    raw = b.OPENED + b.message(bytes(size)) * 50
    # In one read nothing can have been granted again in between.
    seen = b.view([raw], limits)
    assert len(seen.messages) == 200 // (size + 5)
    assert seen.end is not None
    assert seen.end[0] is ProtocolError
    # A peer that sees each grant may send them all.
    assert len(b.view([b.OPENED] + [b.message(bytes(90))] * 50, limits).messages) == 50


def test_updates_are_batched_and_grant_exactly_what_came() -> None:
    connection = Connection(b.METHOD, (), Limits(window=1 << 20))
    connection.feed(b.OPENED)
    connection.answers.clear()
    updates = granted = 0
    for _ in range(1000):
        connection.feed(b.message(bytes(4091)))
        updates += bool(connection.answers)
        granted += b.split_updates(bytes(connection.answers))[1]
        connection.answers.clear()
    assert updates == 1000 * 4096 // (1 << 19)
    assert granted == updates << 19


def test_padding_counts() -> None:
    limits = Limits(window=300)
    assert b.view([b.OPENED + b.padded(b.prefixed(b"x"), 255)], limits, eof=False).end is None
    assert b.view([b.OPENED + b.padded(b.prefixed(b"x"), 255) + b.padded(b"", 38)], limits).end[0] is ProtocolError  # type: ignore[index]


def test_settings_reach_the_sender() -> None:
    connection = Connection(b.METHOD)
    connection.feed(settings({INITIAL_WINDOW_SIZE: 7, MAX_FRAME_SIZE: 30_000}))
    assert connection.sender.one_frame(b"xyz") is None
    connection.feed(window_update(1, 1))
    assert connection.sender.one_frame(b"xyz") is not None
