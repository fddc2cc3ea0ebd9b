"""Peers for a lane: the bare other end of a socket pair, a server that plays recorded bytes, and stock grpcio."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import lane_bytes as b

from mobula._lane import GrpcStream, LaneClosed, Limits, RpcError
from mobula._lane.connection import Connection
from mobula._lane.frames import END_HEADERS, HEADERS, PREFACE

IDENTITY: Callable[[bytes], bytes] = bytes


@contextmanager
def pair(limits: Limits = b.SMALL, greeting: bytes = b.OPENED) -> Iterator[tuple[GrpcStream, socket.socket]]:
    """A stream that has had its greeting, and the peer's end of its socket."""
    ours, theirs = socket.socketpair()
    theirs.settimeout(30)
    stream = GrpcStream(ours, Connection(b.METHOD, (), limits))
    try:
        if greeting:
            theirs.sendall(greeting)
            assert stream.receive() == []
            theirs.recv(1 << 16)  # the acknowledgement
        yield stream, theirs
    finally:
        stream.close()
        theirs.close()


def exactly(sock: socket.socket, size: int) -> bytes:
    out = bytearray()
    while len(out) < size:
        piece = sock.recv(min(size - len(out), 1 << 16))
        if not piece:
            raise EOFError
        out += piece
    return bytes(out)


def one_frame(sock: socket.socket) -> tuple[int, int, int, bytes]:
    word, flags, stream = struct.unpack(">IBI", exactly(sock, 9))
    return word & 0xFF, flags, stream, exactly(sock, word >> 8)


def collect(stream: GrpcStream) -> tuple[list[bytes], LaneClosed | RpcError]:
    """Everything the stream gives, and how it ends."""
    messages: list[bytes] = []
    while True:
        assert stream.wait_readable(30), "nothing came"
        try:
            messages += stream.receive()
        except (LaneClosed, RpcError) as end:
            return messages, end


@contextmanager
def player(path: Path, raw: bytes, step: int | None = None) -> Iterator[str]:
    """A server that greets, waits for the client's headers, plays the rest of `raw`, and closes when the client does:
    the stock client forgets what it has not delivered yet when it sees the connection end."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    stopped = threading.Event()

    def serve() -> None:
        while True:
            sock, _ = listener.accept()
            with sock:
                if stopped.is_set():
                    return
                sock.settimeout(30)
                first = 9 + (struct.unpack(">I", raw[:4])[0] >> 8)
                try:
                    exactly(sock, len(PREFACE))
                    sock.sendall(raw[:first])
                    kind = flags = 0
                    while kind != HEADERS or not flags & END_HEADERS:
                        kind, flags, _, _ = one_frame(sock)
                    for at in range(first, len(raw), step or len(raw)):
                        sock.sendall(raw[at : at + (step or len(raw))])
                    while sock.recv(1 << 16):
                        pass
                except (OSError, EOFError):
                    pass  # the client left first

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield str(path)
    finally:
        stopped.set()
        with socket.socket(socket.AF_UNIX) as knock:
            knock.connect(str(path))
        thread.join()
        listener.close()


class Chat(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Serves every method with one behaviour: an iterator of requests and the context in, an iterator of replies out."""

    def __init__(self, behaviour: Callable[[Iterator[bytes], Any], Iterator[bytes]]) -> None:
        self.behaviour = behaviour

    def service(self, details: Any) -> Any:
        if details.method != b.METHOD:
            return None
        return grpc.stream_stream_rpc_method_handler(self.behaviour, IDENTITY, IDENTITY)


@contextmanager
def grpcio_server(path: Path, behaviour: Callable[[Iterator[bytes], Any], Iterator[bytes]]) -> Iterator[str]:
    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    server = grpc.server(futures.ThreadPoolExecutor(4), handlers=[Chat(behaviour)], options=options)
    server.add_insecure_port(f"unix:{path}")
    server.start()
    try:
        yield str(path)
    finally:
        server.stop(None).wait()


def grpcio_client(path: str, requests: Iterator[bytes]) -> tuple[list[bytes], int, str]:
    """What the stock client reports: messages, status code, details."""
    options = [("grpc.max_receive_message_length", b.SMALL.max_message)]
    with grpc.insecure_channel(f"unix:{path}", options=options) as channel:
        call = channel.stream_stream(b.METHOD, IDENTITY, IDENTITY)(requests, timeout=20)
        messages: list[bytes] = []
        try:
            messages += call
        except grpc.RpcError:
            pass  # its code and details are read below, as for an orderly end
        code = call.code()
        return messages, code.value[0] if isinstance(code, grpc.StatusCode) else code, call.details()
