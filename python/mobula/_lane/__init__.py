"""One gRPC stream over one unix socket: what a lane is made of.

Owns HTTP/2 for exactly one bidirectional stream on a connection of its own: frames, header compression, flow control
in both directions, gRPC's message prefix and status. Standard library only. Refuses to know what the messages mean,
to retry, to reconnect, to start threads, and to share a stream between threads.

    stream.py      the socket: the only file that does I/O
    connection.py  what arrives, as a state machine: bytes in; messages, an end and bytes to answer out
    sending.py     what leaves: flow-control windows, cutting messages into frames
    messages.py    gRPC's length prefix
    status.py      how the server ended the stream, as an RpcError
    headers.py     the request headers
    hpack.py huffman.py static_table.py   header compression without a dynamic table
    frames.py      the numbers of RFC 9113
"""

from __future__ import annotations

from mobula._lane.errors import LaneClosed, ProtocolError, RpcError
from mobula._lane.limits import Limits
from mobula._lane.stream import GrpcStream

__all__ = ["GrpcStream", "LaneClosed", "Limits", "ProtocolError", "RpcError"]
