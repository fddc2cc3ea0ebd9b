"""A client of the live socket that speaks as a worker of the session, with its token, and gets bytes wrong.

What it sends is a whole conversation (opening, attaching, puts, refs, gets, waits, room in the store, cancels of its own) in which
a seed changes some bytes. The same seed changes the same ones again.
"""

from __future__ import annotations

import random
import socket
import struct
from dataclasses import dataclass

from mobula._core import ids
from mobula._core.pb import boundary_pb2 as pb
from mobula._core.transport import LANE_METHOD
from mobula._lane.connection import Connection
from mobula._lane.frames import DATA, STREAM, frame
from mobula._version import __version__

#: Every wait here is for the core to end a connection.
PATIENCE_S = 60.0
_INTERESTING = (0, 1, 4, 9, 16_383, 16_385, 65_536, 2**24 - 1, 2**31 - 1, 2**31, 2**32 - 1)


@dataclass(frozen=True)
class Identity:
    """Of the worker that is spoken for."""

    socket_path: str
    token: str
    worker_id: bytes
    task_id: bytes  # what its objects are named after

    def opening(self, token: str | None) -> bytes:
        """The first bytes of a lane; `token` None sends none."""
        metadata = [] if token is None else [("authorization", f"Bearer {token}")]
        return bytes(Connection(LANE_METHOD, metadata).opening)

    def attach(self) -> pb.FromShim:
        """The first message of a lane."""
        lane = pb.Attach(protocol=1, version=__version__, role=pb.ROLE_WORKER, worker_id=self.worker_id, kind=pb.LANE_CALLS, pid=1)
        return pb.FromShim(attach=lane)

    def conversation(self, applied: int) -> list[pb.FromShim]:
        """Messages that are right, for a worker of whom so many mutations were applied."""
        one, other = ids.put_id(self.task_id, 1_000_007), ids.put_id(self.task_id, 1_000_008)
        value = pb.Value(data=b"x" * 300, metadata=b"RAW")
        return [
            self.attach(),
            pb.FromShim(
                first_mutation=applied + 1,
                mutations=[
                    pb.Mutation(put=pb.Put(object_id=one, value=value)),
                    pb.Mutation(put=pb.Put(object_id=other, value=pb.Value(data=b"y", metadata=b"RAW", contained=one))),
                    pb.Mutation(refs=pb.Refs(added=one)),
                ],
            ),
            pb.FromShim(after=applied + 3, request=pb.Request(id=1, get=pb.Get(object_ids=one + other, timeout_ms=0))),
            pb.FromShim(request=pb.Request(id=2, wait=pb.Wait(object_ids=one, num_returns=1, timeout_ms=0))),
            pb.FromShim(request=pb.Request(id=3, allocate=pb.Allocate(size=5000))),
            pb.FromShim(request=pb.Request(id=4, lookup_actor=pb.LookupActor(name="nobody"))),
            pb.FromShim(
                first_mutation=applied + 4,
                mutations=[
                    pb.Mutation(cancel=pb.Cancel(object_id=one)),
                    pb.Mutation(refs=pb.Refs(dropped=one + one + other)),
                ],
            ),
        ]


def framed(message: bytes) -> bytes:
    """One message in DATA frames, as a lane sends it."""
    whole = struct.pack(">BI", 0, len(message)) + message
    return b"".join(frame(DATA, 0, STREAM, whole[at : at + 16_384]) for at in range(0, len(whole), 16_384))


def mutated(rng: random.Random, raw: bytes) -> bytes:
    """The same with some bytes changed, lost, added or moved."""
    out = bytearray(raw)
    for _ in range(rng.choice((1, 1, 2, 4, 8))):
        at = rng.randrange(len(out) + 1)
        kind = rng.randrange(7)
        if kind == 0 and out:
            out[at % len(out)] ^= 1 << rng.randrange(8)
        elif kind == 1 and out:
            out[at % len(out)] = rng.choice((0, 1, 0x7F, 0x80, 0xFF))
        elif kind == 2:
            del out[at : at + rng.randrange(1, 20)]
        elif kind == 3:
            out[at:at] = rng.randbytes(rng.randrange(1, 12))
        elif kind == 4:
            out[at : at + 4] = struct.pack(">I", rng.choice(_INTERESTING))
        elif kind == 5:
            other = rng.randrange(len(out) + 1)
            out[at:at] = out[other : other + rng.randrange(1, 200)]
        else:
            del out[at:]  # the client goes in the middle
    return bytes(out)


def attack(identity: Identity, seed: int, applied: int) -> bytes:
    """The bytes of one connection."""
    rng = random.Random(seed)
    token = rng.choice((identity.token, identity.token, identity.token, "00" * 32, None))
    opening = identity.opening(token)
    messages = [message.SerializeToString() for message in identity.conversation(applied)]
    where = rng.randrange(4)
    if where == 0:  # anywhere, the opening too
        return mutated(rng, opening + b"".join(map(framed, messages)))
    if where == 1:  # frames
        return opening + mutated(rng, b"".join(map(framed, messages)))
    # Messages: the frames around them are right.
    chosen = rng.randrange(len(messages))
    messages[chosen] = mutated(rng, messages[chosen])
    return opening + b"".join(map(framed, messages))


def exchange(socket_path: str, *parts: bytes, half_closes: bool) -> bytes:
    """Sends the parts, each after the core has said something to the one before, and reads until the core ends the connection.
    Unless it half closes, the core has to end it because of what it was sent. Raises TimeoutError where it does not."""
    got = bytearray()
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(PATIENCE_S)
        peer.connect(socket_path)
        try:
            for part in parts[:-1]:
                peer.sendall(part)
                got += peer.recv(1 << 16)
            peer.sendall(parts[-1])
            if half_closes:
                peer.shutdown(socket.SHUT_WR)
            while data := peer.recv(1 << 16):
                got += data
        except (ConnectionError, BrokenPipeError):
            pass  # it hung up in the middle, which is its right
    return bytes(got)
