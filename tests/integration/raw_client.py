"""The boundary through stock grpcio and nothing of mobula but the generated messages: what any other client would do."""

from __future__ import annotations

import os
import queue
from collections.abc import Iterator, Sequence
from typing import Any

import cloudpickle
import grpc

from mobula._core.pb import boundary_pb2 as pb
from mobula._version import __version__
from mobula.serialization import deserialize, serialize

SERVICE = "/mobula.boundary.v1.Boundary/"
JOB = b"\x01\x00\x00\x00"
DRIVER = JOB + b"\xff" * 24
PATIENCE_S = 60


class RawClient:
    """One connection. `token` None sends none."""

    def __init__(self, socket_path: str, token: str | None) -> None:
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1)]
        self.channel = grpc.insecure_channel(f"unix:{socket_path}", options=options)
        self.metadata = [] if token is None else [("authorization", f"Bearer {token}")]

    def unary(self, method: str, request: Any, reply: Any) -> Any:
        """One unary call."""
        call = self.channel.unary_unary(
            SERVICE + method, request_serializer=lambda message: message.SerializeToString(), response_deserializer=reply.FromString
        )
        return call(request, metadata=self.metadata, timeout=PATIENCE_S)

    def inspect(self) -> pb.InspectReply:
        return self.unary("Inspect", pb.InspectRequest(), pb.InspectReply)

    def lane(self) -> RawLane:
        return RawLane(self)

    def close(self) -> None:
        self.channel.close()


class RawLane:
    """One stream; `send` takes messages or bytes."""

    def __init__(self, client: RawClient) -> None:
        self.out: queue.SimpleQueue[Any] = queue.SimpleQueue()
        call = client.channel.stream_stream(
            SERVICE + "Lane",
            request_serializer=lambda message: message if isinstance(message, bytes) else message.SerializeToString(),
            response_deserializer=pb.ToShim.FromString,
        )
        self.call = call(iter(self.out.get, None), metadata=client.metadata, timeout=60)
        self.requests = 0
        self.mutations = 0

    def send(self, message: pb.FromShim | bytes) -> None:
        self.out.put(message)

    def attach(self, **fields: Any) -> pb.Attached:
        """Attaches as the driver, unless fields say otherwise."""
        given = {"protocol": 1, "role": pb.ROLE_DRIVER, "worker_id": DRIVER, "kind": pb.LANE_CALLS, "pid": os.getpid()}
        self.send(pb.FromShim(attach=pb.Attach(**{**given, "version": __version__, **fields})))
        return next(self.call).attached

    def mutate(self, *mutations: pb.Mutation) -> None:
        self.send(pb.FromShim(first_mutation=self.mutations + 1, mutations=mutations))
        self.mutations += len(mutations)

    def ask(self, **kind: Any) -> None:
        self.requests += 1
        self.send(pb.FromShim(after=self.mutations, request=pb.Request(id=self.requests, **kind)))

    def replies(self) -> Iterator[pb.Reply]:
        for message in self.call:
            if message.HasField("reply"):
                yield message.reply

    def answer(self, **kind: Any) -> pb.Reply:
        self.ask(**kind)
        reply = next(self.replies())
        assert reply.id == self.requests
        return reply

    def status(self) -> grpc.StatusCode:
        """How the stream ends, once it does."""
        try:
            for _ in self.call:
                pass
        except grpc.RpcError as error:
            return error.code()
        return grpc.StatusCode.OK

    def close(self) -> None:
        self.out.put(None)
        self.call.cancel()


def value_of(thing: Any) -> pb.Value:
    packed = serialize(thing)
    return pb.Value(data=packed.to_bytes(), metadata=packed.metadata)


def load(value: pb.Value) -> Any:
    failed, thing = deserialize(value.data, value.metadata)
    if failed:
        raise thing
    return thing


def export(function: Any, function_id: bytes) -> pb.Mutation:
    """The function, as Ray's function table has it."""
    entry = {
        "job_id": JOB,
        "function_id": function_id,
        "function_name": function.__qualname__,
        "module": function.__module__,
        "function": cloudpickle.dumps(function),
        "max_calls": 0,
    }
    key = b"RemoteFunction:" + JOB.hex().encode() + b":" + function_id
    return pb.Mutation(export=pb.Export(namespace="fun", key=key, value=cloudpickle.dumps(entry)))


def task(task_id: bytes, function_id: bytes, args: Sequence[Any]) -> pb.Mutation:
    spec = pb.TaskSpec(
        task_id=task_id,
        parent_task_id=b"\xff" * 20 + JOB,
        name="raw",
        function_id=function_id,
        num_returns=1,
        args=[pb.Arg(value=value_of(arg)) for arg in args],
        resources=[pb.Resource(name="CPU", amount=1)],
    )
    return pb.Mutation(submit=spec)
