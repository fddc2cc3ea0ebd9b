"""The same bytes give the same messages and the same end, however the reads cut them."""

from __future__ import annotations

from itertools import pairwise

import lane_bytes as b
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobula._lane import LaneClosed, ProtocolError, RpcError

CLOSED = "the server closed the connection"

EXPECTED: dict[str, tuple[list[bytes], type, tuple[object, ...] | None]] = {
    "messages": ([b"one", b"", b"three" * 20], RpcError, (0, "")),
    "settings and ping between": ([b"one", b"two"], RpcError, (0, "")),
    "several messages in a frame": ([b"first", b"second", b"", b"", b""], RpcError, (0, "")),
    "messages across frames": ([b"first", b"second"], RpcError, (0, "")),
    "empty frames": ([b"one", b"x"], RpcError, (0, "")),
    "padding": ([b"one", b"two"], RpcError, (0, "")),
    "continuation": ([b"one"], RpcError, (0, "")),
    "priority and unknown": ([b"one"], RpcError, (0, "")),
    "informational": ([b"one"], RpcError, (0, "")),
    "status": ([b"one"], RpcError, (5, "100% grün\n")),
    "trailers only": ([], RpcError, (16, "bad token")),
    "table-size update": ([b"one"], RpcError, (0, "")),
    "huffman": ([b"one"], RpcError, (0, "")),
    "goaway in a message": ([b"half and half"], RpcError, (0, "")),
    "refused by goaway": ([], RpcError, None),
    "reset after a message": ([b"one"], RpcError, (1, "the server reset the stream (CANCEL)")),
    "reset inside a message": ([], RpcError, (13, "the server reset the stream (INTERNAL_ERROR)")),
    "reset refused": ([], RpcError, (14, "the server reset the stream (REFUSED_STREAM)")),
    "no trailers": ([b"one", b"last"], RpcError, (2, "the server ended the stream without trailers")),
    "ok inside a message": ([], RpcError, (13, "the server ended the stream in the middle of a message")),
    "http error": ([], RpcError, (14, "the server answered with HTTP status '503'")),
    "end in a frame": ([b"one"], LaneClosed, (CLOSED + " in the middle of a frame",)),
    "end in a message": ([b"one"], LaneClosed, (CLOSED + " in the middle of a message",)),
    "compressed": ([b"one"], ProtocolError, None),
    "too large": ([b"one"], ProtocolError, None),
    "not http2": ([], ProtocolError, None),
}


@pytest.mark.parametrize("name", b.RECORDED)
def test_whole(name: str) -> None:
    seen = b.view([b.RECORDED[name]])
    messages, kind, args = EXPECTED[name]
    assert seen.messages == messages
    assert seen.end is not None
    assert seen.end[0] is kind
    assert args is None or seen.end[1] == args


@pytest.mark.parametrize("name", b.RECORDED)
def test_every_split_in_two(name: str) -> None:
    raw = b.RECORDED[name]
    whole = b.view([raw])
    for cut in range(len(raw) + 1):
        assert b.view([raw[:cut], raw[cut:]]) == whole, f"cut at {cut}"


@pytest.mark.parametrize("name", b.RECORDED)
def test_one_byte_at_a_time(name: str) -> None:
    raw = b.RECORDED[name]
    assert b.view(raw[i : i + 1] for i in range(len(raw))) == b.view([raw])


@given(st.sampled_from(sorted(b.RECORDED)), st.lists(st.integers(0, 1200)))
def test_any_split(name: str, cuts: list[int]) -> None:
    raw = b.RECORDED[name]
    edges = [0, *sorted(min(cut, len(raw)) for cut in cuts), len(raw)]
    assert b.view(raw[i:j] for i, j in pairwise(edges)) == b.view([raw])


@given(st.lists(st.binary(max_size=40_000), max_size=4), st.integers(1, 16_384), st.integers(1, 70_000))
def test_messages_of_any_size_in_frames_and_reads_of_any_size(bodies: list[bytes], frame: int, read: int) -> None:
    payload = b"".join(map(b.prefixed, bodies))
    raw = b.OPENED + b"".join(b.data(payload[i : i + frame]) for i in range(0, len(payload), frame)) + b.trailers(0)
    seen = b.view(raw[i : i + read] for i in range(0, len(raw), read))
    assert seen.messages == bodies
    assert seen.end == (RpcError, (0, ""))


def test_nothing_is_read_after_the_end() -> None:
    assert b.view([b.OPENED + b.trailers(0) + b.message(b"late") + b.ping(b"12345678")]).messages == []
