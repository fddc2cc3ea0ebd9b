"""A client of the live socket that gets bytes wrong is cut off, and nobody else notices."""

from __future__ import annotations

import os
import random
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from integration_kit import until
from mutating_client import Identity, attack, exchange, framed

import mobula
from mobula._core.pb import boundary_pb2 as pb
from mobula._lane.frames import CONTINUATION, DATA, HEADERS, PUSH_PROMISE, SETTINGS, STREAM, WINDOW_UPDATE, frame

#: Connections of one run; MOBULA_MUTATIONS=100000 for long.
ATTACKS = int(os.environ.get("MOBULA_MUTATIONS", "300"))
#: Of the first one; each has the next. MOBULA_MUTATION_SEED with MOBULA_MUTATIONS=1 repeats the one that a failure names.
SEED = int(os.environ.get("MOBULA_MUTATION_SEED") or random.SystemRandom().getrandbits(32))


@mobula.remote
class Victim:
    """In whose name the bad client speaks; nobody else calls it."""

    def identity(self) -> tuple[str, str, bytes, bytes]:
        process = mobula.session.process()
        session = process.session
        (_, bearer) = session.metadata[0]
        task = bytes.fromhex(mobula.get_runtime_context().get_task_id() or "")
        return session.socket_path, bearer.removeprefix("Bearer "), session.worker_id, task


@mobula.remote
class Good:
    def total(self, array: np.ndarray) -> int:
        return int(array.sum())


@mobula.remote
def add(a: int, b: int) -> int:
    return a + b


class Bystander(threading.Thread):
    """Goes on as if nothing was, and notes whatever is wrong."""

    def __init__(self) -> None:
        super().__init__(name="bystander")
        self.rounds = 0
        self.wrong: list[str] = []
        self._over = threading.Event()

    def run(self) -> None:
        good, large = Good.remote(), np.arange(200_000)
        ref = mobula.put(large)
        while not self._over.is_set() and not self.wrong:
            self.rounds += 1
            try:
                got = mobula.get([add.remote(self.rounds, 1), good.total.remote(ref), good.total.remote(large[:10])], timeout=60)
            except Exception as error:
                self.wrong.append(repr(error))
            else:
                if got != [self.rounds + 1, int(large.sum()), 45]:
                    self.wrong.append(f"{got} in round {self.rounds}")

    def end(self) -> None:
        """Lets the round that runs end, at least one."""
        until("a round", lambda: self.rounds > 0 or bool(self.wrong))
        self._over.set()
        self.join()


@contextmanager
def attacked(fresh: Callable[..., Any]) -> Iterator[tuple[Any, Identity]]:
    """A session with a victim, while a bystander works; afterwards only what it has itself may be there."""
    process = fresh(num_cpus=2)
    victim = Victim.remote()
    identity = Identity(*mobula.get(victim.identity.remote()))
    core = process.session.core_pid
    bystander = Bystander()
    bystander.start()
    try:
        yield process, identity
    finally:
        bystander.end()
    assert not bystander.wrong, f"somebody noticed: {bystander.wrong}"
    assert process.session.core_pid == core
    mobula.kill(victim)  # with its process goes whatever was done in its name; mobula_nothing_left looks


def applied(identity: Identity) -> int:
    """How many mutations of the victim's the core has applied; asked by a lane that is as it should be."""
    answer = exchange(
        identity.socket_path, identity.opening(identity.token) + framed(identity.attach().SerializeToString()), half_closes=True
    )
    # The first message of the core: `attached`, in a DATA frame.
    at = 0
    while answer[at + 3] != DATA:
        at += 9 + int.from_bytes(answer[at : at + 3], "big")
    (size,) = struct.unpack_from(">I", answer, at + 10)
    return int(pb.ToShim.FromString(answer[at + 14 : at + 14 + size]).attached.applied)


def test_bytes_that_are_wrong_end_their_connection_and_nothing_else(fresh: Callable[..., Any]) -> None:
    """Invariant: whatever a client sends, its connection ends when it has sent everything, every invariant of the core holds, and
    what others do is right."""
    print(f"seeds {SEED} to {SEED + ATTACKS - 1}")
    with attacked(fresh) as (process, identity):
        for seed in range(SEED, SEED + ATTACKS):
            repeat = f"repeat with MOBULA_MUTATIONS=1 MOBULA_MUTATION_SEED={seed}"
            raw = attack(identity, seed, applied(identity))
            assert _ends(identity.socket_path, raw, half_closes=True), f"the core does not end the connection; {repeat}"
            broken = process.inspect(validate=True).broken
            assert not broken, f"{broken}; {repeat}"


#: What is wrong after the opening of a lane, before it has attached.
BEFORE = {
    "nothing attached": framed(pb.FromShim(after=1).SerializeToString()),
    "a message that is none": framed(b"\xff\xff\xff"),
    "a worker that is not known": framed(Identity("", "", b"\x07" * 28, b"").attach().SerializeToString()),
    "settings that are cut": frame(SETTINGS, 0, 0, b"12345"),
}
#: What is wrong on a lane that has attached.
AFTER = {
    "a frame of 16 MiB": struct.pack(">IBI", (2**24 - 1) << 8 | DATA, 0, STREAM),
    "a message of 4 GiB": frame(DATA, 0, STREAM, b"\0\xff\xff\xff\xff"),
    "a compressed message": frame(DATA, 0, STREAM, b"\x01\0\0\0\x01x"),
    "data of another stream": frame(DATA, 0, 3, b"\0\0\0\0\0"),
    "a second header block": frame(HEADERS, 4, STREAM, b"\x88"),
    "a continuation of nothing": frame(CONTINUATION, 4, STREAM, b"\x88"),
    "a push": frame(PUSH_PROMISE, 4, STREAM, b"\0\0\0\2"),
    "a window that overflows": frame(WINDOW_UPDATE, 0, STREAM, b"\x7f\xff\xff\xff") * 2,
    "an id that is too short": framed(pb.FromShim(request=pb.Request(id=1, get=pb.Get(object_ids=b"x"))).SerializeToString()),
}


def test_what_is_plainly_wrong_is_cut_off_at_once(fresh: Callable[..., Any]) -> None:
    """Invariant: a client that breaks the protocol does not keep its connection by keeping its half open."""
    with attacked(fresh) as (_, identity):
        opening, attach = identity.opening(identity.token), framed(identity.attach().SerializeToString())
        kept = [what for what, raw in BEFORE.items() if not _ends(identity.socket_path, opening, raw)]
        kept += [what for what, raw in AFTER.items() if not _ends(identity.socket_path, opening + attach, raw)]
        kept += [] if _ends(identity.socket_path, b"GET /index.html HTTP/1.1\r\nHost: localhost\r\n\r\n") else ["no HTTP/2"]
    assert not kept, "the core keeps the connection"


def _ends(socket_path: str, *parts: bytes, half_closes: bool = False) -> bool:
    try:
        exchange(socket_path, *parts, half_closes=half_closes)
    except TimeoutError:
        return False
    return True
