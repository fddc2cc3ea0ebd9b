"""A process that is attached to nothing: what the API sends is kept, and decoded for the tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from mobula import session
from mobula._core import ids, process, wire
from mobula._core.pb import boundary_pb2 as pb

NODE = b"n" * 28
JOB = b"\x01\x00\x00\x00"


class Unattached(process.Process):
    """Makes ids and encodes as a driver does, and writes into `sent`."""

    def __init__(self, node_id: bytes = NODE) -> None:
        self.mode = "driver"
        self._join(JOB)
        self.node_id = node_id
        self.worker_id = ids.driver_worker_id(JOB)
        self.namespace = "tests"
        self.sent: list[pb.Mutation] = []
        self.requests: list[pb.Request] = []
        self.replies: list[pb.Reply] = []
        self.waits: list[tuple[list[Any], int, float | None]] = []
        self.ready: set[bytes] = set()
        self._exported = set()
        self._expects = False

    def write(self, encoded: Sequence[bytes]) -> int:
        self.sent += [pb.Mutation.FromString(one) for one in encoded]
        return len(self.sent)

    def cancel(self, ref: Any, force: bool, recursive: bool) -> None:
        self.write((wire.cancel(ref._id, force, recursive),))

    def request(self, request: pb.Request) -> pb.Reply:
        self.requests.append(request)
        return self.replies.pop(0)

    def call_and_take(self, body: Any, take: Any, until: float | None = None) -> Any:
        self.requests.append(pb.Request.FromString(body()))
        return take(self.replies.pop(0), lambda: None)

    def reserve(self, serialized: Any) -> tuple[pb.Value, None]:
        return pb.Value(data=serialized.to_bytes(), metadata=serialized.metadata), None

    def wait(self, refs: Any, num_returns: int = 1, timeout: float | None = None) -> Any:
        self.waits.append((list(refs), num_returns, timeout))
        return [r for r in refs if r._id in self.ready], [r for r in refs if r._id not in self.ready]

    def get(self, refs: Any, timeout: float | None = None) -> list[Any]:
        return [ref._id for ref in refs]

    @property
    def specs(self) -> list[pb.TaskSpec]:
        return [one.submit for one in self.sent if one.HasField("submit")]

    @property
    def exports(self) -> list[pb.Export]:
        return [one.export for one in self.sent if one.HasField("export")]


@pytest.fixture
def attached(monkeypatch: pytest.MonkeyPatch) -> Iterator[Unattached]:
    """An attachment that goes nowhere is the current one."""
    made = Unattached()
    monkeypatch.setattr(process, "_current", made)
    monkeypatch.setattr(session, "_module", process)
    return made
