"""The lane against stock grpcio: as its client, and side by side with the stock client on the same bytes."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import lane_bytes as b
import pytest
from lane_peers import collect, grpcio_client, grpcio_server, player

from mobula._lane import GrpcStream, RpcError

# Where the two differ on purpose; the rest must agree on every message and on the status code.
DIFFERENT = {
    "end in a frame": "a closed connection is LaneClosed here, UNAVAILABLE there",
    "end in a message": "a closed connection is LaneClosed here, UNAVAILABLE there",
    "ok inside a message": "INTERNAL here; the stock client drops the half message without a word",
    "no trailers": "UNKNOWN at once here; the stock client waits for its own half to end first",
    "padding": "RFC 9113 allows it; the stock client refuses padded frames",
    "informational": "RFC 9113 allows it; the stock client takes a 1xx response for the response",
    "compressed": "ProtocolError here, a status there",
    "too large": "ProtocolError here, a status there",
    "not http2": "ProtocolError here, a status there",
}


def lane_client(path: str) -> tuple[list[bytes], int, str]:
    stream = GrpcStream.open(path, b.METHOD, [("authorization", "Bearer 00")], limits=b.SMALL)
    messages, end = collect(stream)
    stream.close()
    assert isinstance(end, RpcError), end
    return messages, end.code, end.message


@pytest.mark.parametrize("name", [name for name in b.RECORDED if name not in DIFFERENT])
def test_the_stock_client_reports_the_same(name: str, tmp_path: Path) -> None:
    raw = b.RECORDED[name]
    requests_end = threading.Event()

    def no_requests() -> Iterator[bytes]:
        requests_end.wait(20)
        yield from ()

    with player(tmp_path / "s", raw) as path:
        try:
            stock = grpcio_client(path, no_requests())
        finally:
            requests_end.set()
        lane = lane_client(path)
    # When a reset follows at once, the stock client may drop messages it has already read; ours come first, always.
    assert lane[0][: len(stock[0])] == stock[0] if name.startswith("reset") else lane[0] == stock[0]
    assert lane[1] == stock[1], (lane, stock)
    if "grpc-status" in str(raw):
        assert lane[2] == stock[2] or lane[1] == 13


@pytest.mark.parametrize("step", [1, 7, 100])
def test_recorded_bytes_in_small_writes(step: int, tmp_path: Path) -> None:
    with player(tmp_path / "s", b.RECORDED["settings and ping between"], step) as path:
        assert lane_client(path) == ([b"one", b"two"], 0, "")


def echo(requests: Iterator[bytes], _context: Any) -> Iterator[bytes]:
    yield from requests


def test_echo(tmp_path: Path) -> None:
    with grpcio_server(tmp_path / "s", echo) as path:
        stream = GrpcStream.open(path, b.METHOD)
        bodies = [os.urandom(n) for n in (0, 1, 5, 100, 16_378, 16_379, 16_380, 65_530, 1_000_000)]
        got: list[bytes] = []
        for body in bodies:
            stream.send(body)
        stream.send_many(bodies)
        while len(got) < 2 * len(bodies):
            assert stream.wait_readable(30)
            got += stream.receive()
        assert got == bodies * 2
        stream.half_close()
        assert collect(stream)[1].args == (0, "")
        stream.close()


def test_both_write_large_messages_before_they_read(tmp_path: Path) -> None:
    body = os.urandom(1 << 20) * 16
    received: list[bytes] = []

    def write_first(requests: Iterator[bytes], _context: Any) -> Iterator[bytes]:
        yield body
        yield body
        received.extend(requests)

    with grpcio_server(tmp_path / "s", write_first) as path:
        stream = GrpcStream.open(path, b.METHOD)
        stream.send(body)
        stream.send_many([b"small", body])
        stream.half_close()
        messages, end = collect(stream)
        assert messages == [body, body]
        assert end.args == (0, "")
        stream.close()
    assert received == [body, b"small", body]


def test_metadata_arrives(tmp_path: Path) -> None:
    def tell(_requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
        yield dict(context.invocation_metadata())["authorization"].encode()

    with grpcio_server(tmp_path / "s", tell) as path:
        stream = GrpcStream.open(path, b.METHOD, [("authorization", "Bearer " + "0" * 200)])
        assert collect(stream)[0] == [b"Bearer " + b"0" * 200]
        stream.close()


def test_status_and_details(tmp_path: Path) -> None:
    def refuse(_requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
        yield b"one"
        context.abort(grpc.StatusCode.ALREADY_EXISTS, "100% grün\n🐟")

    with grpcio_server(tmp_path / "s", refuse) as path:
        stream = GrpcStream.open(path, b.METHOD)
        messages, end = collect(stream)
        assert messages == [b"one"]
        assert end.args == (6, "100% grün\n🐟")
        stream.close()


def test_unknown_method(tmp_path: Path) -> None:
    with grpcio_server(tmp_path / "s", echo) as path:
        stream = GrpcStream.open(path, "/t.Echo/None")
        assert collect(stream)[1].args[0] == 12
        stream.close()


def test_a_server_that_stops_ends_the_lane(tmp_path: Path) -> None:
    started = threading.Event()

    def wait(requests: Iterator[bytes], _context: Any) -> Iterator[bytes]:
        yield b"here"
        started.set()
        yield from requests

    with grpcio_server(tmp_path / "s", wait) as path:
        stream = GrpcStream.open(path, b.METHOD)
        while not stream.receive():
            assert stream.wait_readable(30)
        assert started.wait(30)
    messages, _ = collect(stream)
    assert messages == []
    stream.close()


def test_one_thousand_round_trips(tmp_path: Path) -> None:
    with grpcio_server(tmp_path / "s", echo) as path:
        stream = GrpcStream.open(path, b.METHOD)
        for i in range(1000):
            body = b"%d" % i * (i % 50)
            stream.send(body)
            got: list[bytes] = []
            while not got:
                assert stream.wait_readable(30)
                got = stream.receive()
            assert got == [body]
        stream.close()
