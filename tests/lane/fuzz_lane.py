"""Mutation fuzzer for what a lane does with a hostile server's bytes.

    python tests/lane/fuzz_lane.py --seconds 300 [--seed N] [--once N]

Inputs are recorded streams, mutated, and random frames. Each is fed whole, and cut at random places; asserted are:
only the three declared errors, as `end` and never raised; the same messages, end and answers for every cut; memory
in proportion to the input; and that the send half holds its windows. A failure prints the seed that `--once` repeats.
"""

from __future__ import annotations

import argparse
import random
import socket
import struct
import sys
import time
import tracemalloc
from itertools import pairwise
from pathlib import Path

if __name__ == "__main__":  # as a script: the package and the helpers beside this file
    sys.path[:0] = [str(Path(__file__).resolve().parents[2] / "python"), str(Path(__file__).resolve().parent)]

import lane_bytes as b

from mobula._lane import GrpcStream, LaneClosed, Limits, ProtocolError, RpcError
from mobula._lane.connection import Connection
from mobula._lane.frames import frame, settings, window_update

# A window that no input exhausts: where grants fall depends on the cuts, and with it what exceeds a small window.
LIMITS = Limits(window=1 << 30, max_message=1 << 16, max_header_list=4096)
_MEMORY_PER_BYTE = 64  # a message of two bytes takes 7 on the wire, an object and a list entry here
_MEMORY_BASE = 64 * 1024
_INTERESTING = (0, 1, 4, 5, 8, 9, 16_383, 16_384, 16_385, 65_535, 2**24 - 1, 2**31 - 1, 2**31, 2**32 - 1)
_SEEDS = list(b.RECORDED.values())
# The named attacks: header bomb, CONTINUATION flood, SETTINGS and PING flood, reset at once, window games.
_SEEDS += [
    settings({}) + frame(1, 4, 1, b"\x90" * 2000),
    settings({}) + frame(1, 0, 1, b"\x88") + frame(9, 0, 1) * 50,
    b.OPENED + settings({4: 0}) * 200,
    b.OPENED + b.ping(b"12345678") * 200,
    b.OPENED + b.rst(8) * 10,
    b.OPENED + (window_update(1, 1) + settings({4: 0}) + settings({4: 2**31 - 1})) * 5,
    b.OPENED + b.data(struct.pack(">BI", 0, 1 << 16)) + b.data(b"x") * 300,
    b.OPENED + b.message(b"ab") * 500,
]


def random_frame(rng: random.Random) -> bytes:
    kind = rng.choice((*range(10), rng.randrange(256)))
    flags = rng.choice((0, 1, 4, 5, 8, 0x20, rng.randrange(256)))
    stream = rng.choice((0, 1, 1, 1, 2, 3, rng.getrandbits(32)))
    payload = rng.randbytes(rng.choice((0, 4, 6, 8, rng.randrange(64))))
    return frame(kind, flags, stream, payload)


def mutate(rng: random.Random, raw: bytes) -> bytes:
    out = bytearray(raw)
    for _ in range(rng.choice((0, 1, 1, 2, 4, 8))):
        at = rng.randrange(len(out) + 1)
        action = rng.randrange(8)
        if action == 0 and out:
            out[at % len(out)] ^= 1 << rng.randrange(8)
        elif action == 1 and out:
            out[at % len(out)] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        elif action == 2:
            del out[at : at + rng.randrange(1, 20)]
        elif action == 3:
            out[at:at] = rng.randbytes(rng.randrange(1, 12))
        elif action == 4:
            other = rng.choice(_SEEDS)
            start = rng.randrange(len(other))
            out[at:at] = other[start : start + rng.randrange(200)]
        elif action == 5:
            out[at : at + 4] = struct.pack(">I", rng.choice(_INTERESTING))
        elif action == 6:
            out[at:at] = random_frame(rng)
        else:
            edges = frame_edges(bytes(out))
            at = rng.choice(edges)
            out[at:at] = random_frame(rng) * rng.choice((1, 1, 3))
    return bytes(out)


def frame_edges(raw: bytes) -> list[int]:
    edges, at = [0], 0
    while at + 9 <= len(raw):
        at += 9 + int.from_bytes(raw[at : at + 3], "big")
        if at > len(raw):
            break
        edges.append(at)
    return edges


def make_input(rng: random.Random) -> bytes:
    choice = rng.randrange(10)
    if choice == 0:
        return rng.randbytes(rng.randrange(200))
    if choice == 1:
        return b.OPENED + b"".join(random_frame(rng) for _ in range(rng.randrange(12)))
    if choice == 2:
        bodies = [rng.randbytes(rng.choice((0, 1, 100, 5000))) for _ in range(rng.randrange(6))]
        payload = b"".join(map(b.prefixed, bodies))
        step = rng.randrange(1, 6000)
        return mutate(rng, b.OPENED + b"".join(b.data(payload[i : i + step]) for i in range(0, len(payload), step)))
    return mutate(rng, rng.choice(_SEEDS))


def cuts(rng: random.Random, raw: bytes) -> list[bytes]:
    if rng.randrange(8) == 0:
        return [raw[i : i + 1] for i in range(len(raw))]
    count = rng.choice((1, 1, 2, 5, 20))
    edges = [0, *sorted(rng.randrange(len(raw) + 1) for _ in range(count)), len(raw)]
    return [raw[i:j] for i, j in pairwise(edges)]


def check(seed: int) -> str:
    """One execution. Returns how the stream ended; raises AssertionError, or whatever the lane should not have."""
    rng = random.Random(seed)
    raw = make_input(rng)
    whole = b.view([raw], LIMITS)
    assert whole.end is not None
    assert whole.end[0] in (LaneClosed, ProtocolError, RpcError)
    assert sum(map(len, whole.messages)) <= len(raw)
    pieces = cuts(rng, raw)
    cut = b.view(pieces, LIMITS)
    assert cut.messages == whole.messages, "messages differ by cut"
    assert cut.end == whole.end, f"{cut.end} with cuts, {whole.end} whole"
    assert cut.answers == whole.answers, "answers differ by cut"
    sending(rng, pieces)
    if seed % 16 == 0:
        through_a_socket(pieces, whole)
    return whole.end[0].__name__


def through_a_socket(pieces: list[bytes], whole: b.View) -> None:
    """The same bytes by way of the stream: the same messages and the same kind of end, as an exception."""
    ours, theirs = socket.socketpair()
    stream = GrpcStream(ours, Connection(b.METHOD, (), LIMITS))
    messages: list[bytes] = []
    try:
        for piece in pieces:
            theirs.sendall(piece)
            messages += stream.receive()
        theirs.close()
        while stream.wait_readable(30):
            messages += stream.receive()
        raise AssertionError("no end")
    except (LaneClosed, RpcError) as error:
        end = type(error)
    finally:
        theirs.close()
        stream.close()
    assert whole.end is not None
    assert end is whole.end[0]
    assert messages == whole.messages, "messages differ by way of a socket"


def sending(rng: random.Random, pieces: list[bytes]) -> None:
    """Sends between the pieces: what goes out must be whole frames of the messages' bytes, whatever the peer grants."""
    connection = Connection(b.METHOD, (), LIMITS)
    wanted = got = b""
    for piece in pieces[:30]:
        connection.feed(piece)
        body = rng.randbytes(rng.choice((0, 1, 100, 20_000)))
        wanted += b.prefixed(body)
        one = connection.sender.one_frame(body)
        if one is None:
            connection.sender.add([body])
            one = b"".join(connection.sender.take(1 << 20))
        for kind, flags, stream, payload in b.frames_of(one):
            assert (kind, flags, stream) == (0, 0, 1)
            assert len(payload) <= connection.sender._max_frame
            got += payload
    assert wanted.startswith(got), "bytes out of order"


def check_memory(seed: int) -> None:
    """What one input makes a connection hold, messages included, at its highest."""
    raw = make_input(random.Random(seed))
    tracemalloc.start()
    try:
        connection = Connection(b.METHOD, (), LIMITS)
        connection.feed(raw)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= _MEMORY_BASE + _MEMORY_PER_BYTE * len(raw), f"{peak} bytes for an input of {len(raw)}"


def run(seconds: float, seed: int) -> tuple[int, dict[str, int]]:
    """Executions done and how they ended. The seed of the n-th execution is `seed + n`."""
    until = time.monotonic() + seconds
    count = 0
    ends: dict[str, int] = {}
    while time.monotonic() < until:
        try:
            end = check(seed + count)
            if count % 50 == 0:
                check_memory(seed + count)
        except BaseException:
            print(f"failed: repeat with --once {seed + count}", file=sys.stderr)
            raise
        ends[end] = ends.get(end, 0) + 1
        count += 1
    return count, ends


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(48))
    parser.add_argument("--once", type=int, help="repeat one execution by the seed a failure printed")
    options = parser.parse_args()
    if options.once is not None:
        print(check(options.once))
        check_memory(options.once)
        return
    print(f"seed {options.seed}", flush=True)
    count, ends = run(options.seconds, options.seed)
    print(f"{count} executions, no failure; ends: {ends}")


if __name__ == "__main__":
    main()
