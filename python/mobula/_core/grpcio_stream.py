"""The stream interface of mobula._lane over stock grpcio, for MOBULA_TRANSPORT=grpcio.

Owns the proof that the boundary is plain gRPC: the integration tests run a second time through it. Slower by far, and it
starts threads, so nothing else uses it. A reader thread moves what arrives into a deque and raises an eventfd, which is
what `wait_readable` and event loops poll.
"""

from __future__ import annotations

import os
import queue
import select
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import grpc

from mobula._lane import LaneClosed, RpcError

_OPTIONS = (
    ("grpc.use_local_subchannel_pool", 1),  # a connection of its own for every stream, as a lane has
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
)
_UNAVAILABLE = 14


def _same(message: bytes) -> bytes:
    return message


class GrpcioStream:
    """One bidirectional stream through grpcio. Like GrpcStream: one thread uses it; `open` connects."""

    def __init__(self, channel: Any, method: str, metadata: Sequence[tuple[str, str]]) -> None:
        self._channel = channel
        self._requests: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._arrived: deque[bytes] = deque()
        self._event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._event_lock = threading.Lock()
        self._end: Exception | None = None
        self._closed = False
        self._call = channel.stream_stream(method, request_serializer=_same, response_deserializer=_same)(
            self._outgoing(), metadata=tuple(metadata)
        )
        self._reader = threading.Thread(target=self._read, name="mobula-grpcio-reader", daemon=True)
        self._reader.start()

    @classmethod
    def open(cls, path: str, method: str, metadata: Sequence[tuple[str, str]] = (), *, timeout: float | None = 30) -> GrpcioStream:
        """Connects and opens the stream. Raises LaneClosed when nobody listens at `path`."""
        channel = grpc.insecure_channel(f"unix:{path}", options=_OPTIONS)
        try:
            _wait_connected(channel, path, timeout)
            return cls(channel, method, metadata)
        except BaseException:
            channel.close()
            raise

    def fileno(self) -> int:
        """The eventfd; readable while messages or the end wait to be received. -1 after close()."""
        return self._event

    def send(self, message: bytes) -> None:
        """Sends one message."""
        if self._end is not None:
            raise self._refusal()
        self._requests.put(message)

    def send_many(self, messages: Sequence[bytes]) -> None:
        """Sends several messages in order."""
        for message in messages:
            self.send(message)

    def half_close(self) -> None:
        """Tells the server that no more messages follow."""
        self._requests.put(None)

    def wait_readable(self, timeout: float | None) -> bool:
        """Waits up to `timeout` seconds until receive() has something to do; changes nothing."""
        if self._arrived or self._end is not None:
            return True
        poll = select.poll()
        poll.register(self._event, select.POLLIN)
        return bool(poll.poll(None if timeout is None else max(timeout, 0) * 1000))

    def receive(self) -> list[bytes]:
        """The messages that are there, perhaps none. Raises RpcError or LaneClosed once the end is reached."""
        end = self._end  # looked at first: the reader notes the end after the last message
        if self._event >= 0:
            try:
                os.eventfd_read(self._event)
            except BlockingIOError:
                pass  # nothing has arrived since the last look
        messages = []
        while self._arrived:
            messages.append(self._arrived.popleft())
        if not messages and end is not None:
            raise self._refusal()
        if self._end is not None:
            self._raise_event()
        return messages

    def close(self) -> None:
        """Ends the call and the connection. Idempotent."""
        if self._closed:
            return
        self._closed = True
        if self._end is None:
            self._end = LaneClosed("the lane was closed on this side")
        self._requests.put(None)
        self._call.cancel()
        self._channel.close()
        with self._event_lock:
            event, self._event = self._event, -1
            os.close(event)

    def detach_after_fork(self) -> None:
        """grpcio does not survive a fork; its descriptors stay until the child ends."""
        self._closed = True
        self._end = LaneClosed("the lane belongs to the parent process")

    def _outgoing(self) -> Iterator[bytes]:
        return iter(self._requests.get, None)

    def _read(self) -> None:
        end: Exception
        try:
            for message in self._call:
                self._arrived.append(message)
                self._raise_event()
            end = RpcError(0, "")
        except grpc.RpcError as error:
            code, text = error.code().value[0], error.details() or ""
            end = LaneClosed(text) if code == _UNAVAILABLE else RpcError(code, text)
        if self._end is None:
            self._end = end
        self._requests.put(None)
        self._raise_event()

    def _raise_event(self) -> None:
        with self._event_lock:
            if self._event >= 0:
                os.eventfd_write(self._event, 1)

    def _refusal(self) -> Exception:
        end = self._end
        assert end is not None
        return type(end)(*end.args)


def _wait_connected(channel: Any, path: str, timeout: float | None) -> None:
    """Waits for the connection, or learns at once that there is nobody."""
    changed: queue.SimpleQueue[Any] = queue.SimpleQueue()
    watch: Callable[[Any], None] = changed.put
    channel.subscribe(watch, try_to_connect=True)
    try:
        while True:
            state = changed.get(timeout=timeout)
            if state is grpc.ChannelConnectivity.READY:
                return
            if state in (grpc.ChannelConnectivity.TRANSIENT_FAILURE, grpc.ChannelConnectivity.SHUTDOWN):
                raise LaneClosed(f"{path}: connection refused")
    except queue.Empty:
        raise LaneClosed(f"{path}: nobody accepted the connection in time") from None
    finally:
        channel.unsubscribe(watch)
