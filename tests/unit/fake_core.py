"""A scripted core for the tests of the session client: a stock gRPC server that keeps the promises of boundary.proto.

It applies mutations once and in order, parks requests until `after` and until their objects are there, pins blocks, and
records everything. Faults are asked for by attributes: lanes that are ended, acks that are held back, replies that wait.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from mobula._core import page
from mobula._core.pb import boundary_pb2 as pb
from mobula.serialization import task_cancelled_value

ARENA_BYTES = 64 << 20
JOB = b"\x01\x00\x00\x00"


class FakeLane:
    """The core's end of one lane."""

    def __init__(self, core: FakeCore, attach: pb.Attach, context: Any) -> None:
        self.core = core
        self.attach = attach
        self.context = context
        self.forgone = 0  # requests up to here were given up
        self.given = (0, pb.Reply())  # the last answer: id of the request, and what it handed over
        self.out: queue.SimpleQueue[pb.ToShim | None] = queue.SimpleQueue()
        self.messages = 0
        self.cut_after: int | None = None
        self.dropped: list[int] = []
        self.abandoned: list[int] = []
        self.asked: list[pb.Request] = []

    def push(self, message: pb.ToShim) -> None:
        self.out.put(message)

    def cut(self) -> None:
        """Ends the stream; what the client still writes is lost."""
        self.out.put(None)


class Parked:
    def __init__(self, lane: FakeLane, after: int, request: pb.Request) -> None:
        self.lane = lane
        self.after = after
        self.request = request
        self.since = time.monotonic()


class FakeCore:
    """Serves on `socket_path`; is the handle that Process.attach_driver takes. Use as a context manager."""

    pid = 0
    page_fd = -1

    def __init__(self, folder: str, arena_bytes: int = ARENA_BYTES, token: bytes = b"") -> None:
        self.socket_path = os.path.join(folder, "core.sock")
        self.token = token or os.urandom(32)
        self.arena_bytes = arena_bytes
        self.spill_fd = -1
        self.arena_fd = os.memfd_create("fake-arena")
        os.ftruncate(self.arena_fd, arena_bytes)
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.applied = 0
        self.waiting: dict[int, pb.Mutation] = {}
        self.history: list[pb.Mutation] = []
        self.seen_again = 0
        self.objects: dict[bytes, pb.Value] = {}
        self.refs: Counter[bytes] = Counter()
        self.handles: Counter[bytes] = Counter()  # of actors
        self.named: dict[tuple[str, str], pb.ActorInfo] = {}
        self.registered: set[bytes] = set()
        self.streams: dict[bytes, list[pb.Value]] = {}  # items, by task
        self.failing_streams: set[bytes] = set()
        self.cancels: list[pb.Cancel] = []
        self.pins: Counter[int] = Counter()
        self.blocks: dict[int, pb.Block] = {}
        self.discarded: list[int] = []
        self.writing: set[int] = set()  # blocks that were allocated, and neither put nor discarded
        self.dones: list[tuple[int, pb.TaskDone]] = []  # with the number of the mutation
        self.table: dict[tuple[str, bytes], bytes] = {}
        self.lanes: list[FakeLane] = []
        self.attached = 0
        self.parked: list[Parked] = []
        self.gets = 0  # requests for values
        self.syncs = 0  # requests for what cancels have ended
        self.ahead: dict[bytes, FakeLane] = {}  # lanes that want the outcome of a call, by object
        self.sent_ahead = 0
        self.ack_every = 1000
        self.ack_in_replies = True
        self.hold_replies = False
        self.cut_next_lanes_after: int | None = None
        self.ignore_next_lanes_after: int | None = None
        self.on_submit: Callable[[pb.TaskSpec], None] = self.run_at_once
        self.canceled: set[bytes] = set()
        error = task_cancelled_value()
        self.cancelled = pb.Value(data=error.to_bytes(), metadata=error.metadata)  # what a canceled task leaves
        self.refuse: tuple[Any, str] | None = None
        self.stopped = False
        self._next_block = 1
        self._next_offset = 0
        self._pool = ThreadPoolExecutor(1024)
        self._server = grpc.server(self._pool)
        handlers = {
            "Lane": grpc.stream_stream_rpc_method_handler(
                self._lane, request_deserializer=pb.FromShim.FromString, response_serializer=pb.ToShim.SerializeToString
            ),
            "IsTaskCanceled": grpc.unary_unary_rpc_method_handler(
                self._is_canceled,
                request_deserializer=pb.IsTaskCanceledRequest.FromString,
                response_serializer=pb.IsTaskCanceledReply.SerializeToString,
            ),
            "Inspect": grpc.unary_unary_rpc_method_handler(
                lambda request, context: pb.InspectReply(lanes=len(self.lanes), pins=sum(self.pins.values())),
                request_deserializer=pb.InspectRequest.FromString,
                response_serializer=pb.InspectReply.SerializeToString,
            ),
        }
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("mobula.boundary.v1.Boundary", handlers),))
        self._server.add_insecure_port(f"unix:{self.socket_path}")
        self._server.start()
        threading.Thread(target=self._tick, daemon=True).start()

    # ------------------------------------------------------------------------------------------ the handle

    def stop(self) -> None:
        self.stopped = True
        with self.lock:
            for lane in self.lanes:
                lane.cut()
        self._server.stop(0).wait()
        self._pool.shutdown(wait=False)

    def describe_end(self) -> str:
        return ""

    def __enter__(self) -> FakeCore:  # noqa: PYI034 - Self is in typing from 3.11 on
        return self

    def __exit__(self, *exc: object) -> None:
        if not self.stopped:
            self.stop()
        os.close(self.arena_fd)

    # ------------------------------------------------------------------------------------------ lanes

    def _lane(self, requests: Iterator[pb.FromShim], context: Any) -> Iterator[pb.ToShim]:
        self._authorize(context)
        first = next(requests, None)
        if first is None:
            return
        if self.refuse is not None:
            context.abort(*self.refuse)
        lane = FakeLane(self, first.attach, context)
        lane.cut_after = self.cut_next_lanes_after
        with self.lock:
            self.lanes.append(lane)
            self.attached += 1
            slot = page.FIRST_SLOT + self.attached
            applied = self.applied
            self.changed.notify_all()
        try:  # the client may be gone before it is told this
            yield pb.ToShim(attached=pb.Attached(applied=applied, slot=slot, job_id=JOB, node_id=b"n" * 28, namespace="default"))
            threading.Thread(target=self._read, args=(lane, requests), daemon=True).start()
            while (message := lane.out.get()) is not None:
                yield message
        finally:
            with self.lock:
                if lane in self.lanes:
                    self.lanes.remove(lane)
                self.changed.notify_all()

    def _authorize(self, context: Any) -> None:
        if dict(context.invocation_metadata()).get("authorization") != f"Bearer {self.token.hex()}":
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "wrong token")

    def _read(self, lane: FakeLane, requests: Iterator[pb.FromShim]) -> None:
        try:
            for message in requests:
                lane.messages += 1
                if lane.cut_after is not None and lane.messages > lane.cut_after:
                    lane.cut()
                    return
                with self.lock:
                    self._take(lane, message)
        except grpc.RpcError:
            pass  # the client went away
        finally:
            lane.cut()

    def _take(self, lane: FakeLane, message: pb.FromShim) -> None:
        before = self.applied
        for offset, mutation in enumerate(message.mutations):
            number = message.first_mutation + offset
            if number <= self.applied or number in self.waiting:
                self.seen_again += 1
            else:
                self.waiting[number] = mutation
        while self.applied + 1 in self.waiting:
            mutation = self.waiting.pop(self.applied + 1)
            self.history.append(mutation)
            self._apply(mutation)
            self.applied += 1
        if message.ahead:
            self.ahead[message.mutations[-1].submit.task_id + b"\1\0\0\0"] = lane
        if message.HasField("dropped"):
            lane.dropped.append(message.dropped.generation)
        if message.HasField("request"):
            self._request(lane, message.after, message.request)
        if self.ack_every and self.applied // self.ack_every > before // self.ack_every:
            lane.push(pb.ToShim(applied=self.applied))
        self.settle()

    def _apply(self, mutation: pb.Mutation) -> None:  # noqa: C901 - one case a kind
        kind = mutation.WhichOneof("kind")
        if kind == "submit":
            spec = mutation.submit
            for number in range(spec.num_returns):
                self.refs[spec.task_id + (number + 1).to_bytes(4, "little")] += 1
            self.on_submit(spec)
        elif kind == "put":
            value = pb.Value()
            value.CopyFrom(mutation.put.value)
            if value.HasField("block"):
                value.block.CopyFrom(self.blocks[value.block.id])
                self.writing.discard(value.block.id)
            self.objects[mutation.put.object_id] = value
            self.refs[mutation.put.object_id] += 1
        elif kind == "cancel":
            self.cancels.append(mutation.cancel)
            self.objects.setdefault(mutation.cancel.object_id, self.cancelled)
        elif kind == "refs":
            self._count(mutation.refs)
        elif kind == "actor_handles":
            self._count_handles(mutation.actor_handles)
        elif kind == "give_up":
            self._give_up(mutation.give_up)
        elif kind == "unpin":
            for block in _split(mutation.unpin, 8):
                self.pins[int.from_bytes(block, "little")] -= 1
        elif kind == "discard":
            for block in _split(mutation.discard, 8):
                self._discard(int.from_bytes(block, "little"))
        elif kind == "done":
            self.dones.append((self.applied + 1, mutation.done))
        elif kind == "export":
            self.table[mutation.export.namespace, mutation.export.key] = mutation.export.value
        elif kind == "drop_streams":
            for one in _split(mutation.drop_streams, 32):
                self._drop_stream(one[:24], int.from_bytes(one[28:], "little"))

    def _count(self, refs: pb.Refs) -> None:
        self.refs.update(_split(refs.added, 28))
        self.refs.subtract(_split(refs.dropped, 28))
        for object_id in _split(refs.unsure, 28):
            if self.refs[object_id] > 0:
                self.refs[object_id] -= 1

    def _count_handles(self, told: pb.ActorHandles) -> None:
        self.handles.update(_split(told.added, 16))
        self.handles.subtract(_split(told.dropped, 16))
        for actor_id in _split(told.unsure, 16):
            if self.handles[actor_id] > 0:
                self.handles[actor_id] -= 1
        self._forget_names()

    def _forget_names(self) -> None:
        self.named = {name: info for name, info in self.named.items() if self.handles[info.actor_id] > 0}

    def _drop_stream(self, task_id: bytes, taken: int) -> None:
        for number in range(taken, len(self.streams.pop(task_id, ()))):
            self.refs[_item(task_id, number)] -= 1

    def _register(self, asked: pb.RegisterActor) -> pb.Reply:
        spec = asked.spec
        name = (spec.actor.namespace, spec.actor.name)
        info = self.named.get(name)
        if info is None:
            info = self.named[name] = pb.ActorInfo(actor_id=spec.actor_id, handle=spec.actor.handle, created=True)
            self.registered.add(spec.actor_id)
        elif info.actor_id != spec.actor_id:
            if not asked.get_if_exists:
                return pb.Reply(error="the name is taken", error_kind=pb.ERROR_NAME_TAKEN)
            info = pb.ActorInfo(actor_id=info.actor_id, handle=info.handle)
        self.handles[info.actor_id] += 1
        return pb.Reply(actor=info)

    def _next_items(self, asked: pb.NextItems) -> pb.Reply:
        task_id, number = asked.object_id[:24], int.from_bytes(asked.object_id[24:], "little") - 2
        items = self.streams.get(task_id, [])[number : number + 2]  # a few at a time, so that it is asked again
        if items:
            return pb.Reply(items=pb.ItemsReply(values=items))
        return pb.Reply(items=pb.ItemsReply(ended=True, failed=task_id in self.failing_streams))

    def run_at_once(self, spec: pb.TaskSpec) -> None:
        """The result of a task is its first argument; a task named "never" has none, "error" gives its argument as one. A stream
        has five items of it."""
        if spec.name == "never":
            return
        arg = spec.args[0] if spec.args else pb.Arg()
        value = self.objects[arg.ref] if arg.ref else arg.value
        if spec.streaming:
            self.streams[spec.task_id] = [value] * 5
            self.refs.update(_item(spec.task_id, number) for number in range(5))
        for number in range(spec.num_returns):
            self.objects[spec.task_id + (number + 1).to_bytes(4, "little")] = value

    def finish(self, object_id: bytes, value: pb.Value) -> None:
        """Makes an object appear."""
        with self.lock:
            self.objects[object_id] = value
            self.settle()

    def block(self, data: bytes) -> pb.Block:
        """A block of the arena with these bytes."""
        with self.lock:
            block = self._allocate(len(data))
        os.pwrite(self.arena_fd, data, block.offset)
        return block

    def _allocate(self, size: int) -> pb.Block:
        block = pb.Block(id=self._next_block, offset=self._next_offset, size=size)
        self._next_block += 1
        self._next_offset += -(-size // 4096) * 4096
        self.blocks[block.id] = block
        return block

    # ------------------------------------------------------------------------------------------ requests

    def _request(self, lane: FakeLane, after: int, request: pb.Request) -> None:
        self.gets += request.HasField("get")
        if request.HasField("abandon"):
            lane.abandoned.append(request.abandon.id)
            self._unpark(lane, request.abandon.id)
            return
        if request.id <= lane.forgone:
            return
        if not request.HasField("sync"):  # asks for nothing: how the grpcio transport sees that a mutation arrived
            lane.asked.append(request)
        self.parked.append(Parked(lane, after, request))

    def _unpark(self, lane: FakeLane, request_id: int) -> None:
        self.parked = [p for p in self.parked if not (p.lane is lane and p.request.id == request_id)]

    def _give_up(self, given_up: pb.GiveUp) -> None:
        """As pyshim/given.go."""
        lane = next((one for one in self.lanes if one.attach.lane == given_up.lane), None)
        if lane is None:
            return
        request_id = given_up.request
        lane.forgone = max(lane.forgone, request_id)
        self._unpark(lane, request_id)
        given, reply = lane.given
        if given != request_id:
            return
        lane.given = (0, pb.Reply())
        for value in reply.get.values:
            if value.HasField("block"):
                self.pins[value.block.id] -= 1
        if reply.HasField("allocate"):
            self._discard(reply.allocate.id)
        if reply.HasField("actor"):
            self.handles[reply.actor.actor_id] -= 1
            self._forget_names()

    def _discard(self, block: int) -> None:
        if block in self.writing:
            self.writing.remove(block)
            self.discarded.append(block)

    def _tick(self) -> None:
        while not self.stopped:
            time.sleep(0.02)
            if self.parked:
                self.settle()

    def settle(self) -> None:
        """Answers whatever can be answered; the newest first, so that answers come out of order."""
        with self.lock:
            if not self.hold_replies:
                for parked in reversed(list(self.parked)):
                    reply = self._answer(parked) if parked.after <= self.applied else None
                    if reply is not None:
                        self.parked.remove(parked)
                        reply.id = parked.request.id
                        if parked.lane.attach.kind != pb.LANE_NOTICES:
                            parked.lane.given = (reply.id, reply)
                        parked.lane.push(pb.ToShim(applied=self.applied if self.ack_in_replies else 0, reply=reply))
                for object_id in [one for one in self.ahead if one in self.objects]:
                    self._tell(self.ahead.pop(object_id), object_id)
            self.changed.notify_all()

    def _tell(self, lane: FakeLane, object_id: bytes) -> None:
        value = self.objects[object_id]
        ahead = pb.Ahead(object_id=object_id)
        if not value.HasField("block"):
            ahead.value.CopyFrom(value)
        self.sent_ahead += 1
        lane.push(pb.ToShim(applied=self.applied if self.ack_in_replies else 0, ahead=ahead))

    def _answer(self, parked: Parked) -> pb.Reply | None:
        request = parked.request
        kind = request.WhichOneof("kind")
        if kind == "get":
            return self._get(parked, request.get)
        if kind == "wait":
            return self._wait(parked, request.wait)
        if kind == "allocate":
            if self._next_offset + request.allocate.size > self.arena_bytes:
                return pb.Reply(error="the object store is full", error_kind=pb.ERROR_STORE_FULL)
            block = self._allocate(request.allocate.size)
            self.writing.add(block.id)
            return pb.Reply(allocate=block)
        if kind == "kv_get":
            found = self.table.get((request.kv_get.namespace, request.kv_get.key))
            return pb.Reply(kv=pb.KvValue(found=found is not None, value=found or b""))
        if kind == "register_actor":
            return self._register(request.register_actor)
        if kind == "next_items":
            return self._next_items(request.next_items)
        if kind == "lookup_actor":
            found = self.named.get((request.lookup_actor.namespace, request.lookup_actor.name))
            if found is not None:
                self.handles[found.actor_id] += 1
                return pb.Reply(actor=pb.ActorInfo(actor_id=found.actor_id, handle=found.handle))
            return pb.Reply(error="no such actor", error_kind=pb.ERROR_NOT_FOUND)
        if kind == "sync" and request.sync.object_ids:
            self.syncs += 1
            values = [self.objects.get(object_id, pb.Value()) for object_id in _split(request.sync.object_ids, 28)]
            return pb.Reply(get=pb.GetReply(values=[one if one.metadata.isdigit() else pb.Value() for one in values]))
        return pb.Reply()

    def _get(self, parked: Parked, get: pb.Get) -> pb.Reply | None:
        values = [self.objects.get(object_id) for object_id in _split(get.object_ids, 28)]
        for index, value in enumerate(values):
            if value is not None and value.metadata.isdigit():
                return pb.Reply(get=pb.GetReply(values=[value], failed=True, failed_index=index))
        there = [value for value in values if value is not None]
        if len(there) == len(values):
            for value in there:
                if value.HasField("block"):
                    self.pins[value.block.id] += 1
            return pb.Reply(get=pb.GetReply(values=there))
        return pb.Reply(get=pb.GetReply(timed_out=True)) if _over(parked, get.timeout_ms) else None

    def _wait(self, parked: Parked, wait: pb.Wait) -> pb.Reply | None:
        flags = [object_id in self.objects for object_id in _split(wait.object_ids, 28)]
        if sum(flags) < wait.num_returns and not _over(parked, wait.timeout_ms):
            return None
        left = wait.num_returns
        out = bytearray()
        for flag in flags:
            out.append((1 if left > 0 else 2) if flag else 0)
            left -= flag
        return pb.Reply(wait=pb.WaitReply(ready=bytes(out)))

    def _is_canceled(self, request: pb.IsTaskCanceledRequest, context: Any) -> pb.IsTaskCanceledReply:
        self._authorize(context)
        return pb.IsTaskCanceledReply(canceled=request.task_id in self.canceled)

    # ------------------------------------------------------------------------------------------ for tests

    def until(self, condition: Callable[[], bool], timeout: float = 60.0) -> None:
        """Waits until `condition()` holds for the state of this core."""
        with self.changed:
            assert self.changed.wait_for(condition, timeout), "the condition was not met in time"


def _item(task_id: bytes, number: int) -> bytes:
    return task_id + (number + 2).to_bytes(4, "little")


def _split(ids: bytes, size: int) -> list[bytes]:
    return [ids[at : at + size] for at in range(0, len(ids), size)]


def _over(parked: Parked, timeout_ms: int) -> bool:
    return timeout_ms >= 0 and time.monotonic() - parked.since >= timeout_ms / 1000 - 0.001


if __name__ == "__main__":
    # As a process of its own, to be killed: python fake_core.py FOLDER TOKEN_HEX; prints a line when it serves.
    served = FakeCore(sys.argv[1], token=bytes.fromhex(sys.argv[2]))
    print("ready", flush=True)
    signal.pause()
