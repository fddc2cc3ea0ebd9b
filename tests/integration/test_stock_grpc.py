"""Any gRPC client can do what the package does, and none can do harm: wrong tokens, other users, garbage, and silence."""

from __future__ import annotations

import os
import random
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from integration_kit import until
from raw_client import DRIVER, JOB, RawClient, export, load, task, value_of

import mobula
from mobula._core import launch
from mobula._core.launch import LaunchConfig
from mobula._core.pb import boundary_pb2 as pb

pytestmark = pytest.mark.mobula_leaves("descriptor")  # what gRPC's C core opens stays open


@pytest.fixture
def core(place: str) -> Iterator[launch.Core]:
    """A core without a session of the package's."""
    started = launch.start(LaunchConfig(object_store_bytes=1 << 26, options={"lazy_install": True}))  # no worker before its time
    yield started
    assert started.is_alive(), started.describe_end()
    started.stop()
    assert started.describe_end() == ""


@pytest.fixture
def client(core: launch.Core) -> Iterator[RawClient]:
    made = RawClient(core.socket_path, core.token.hex())
    yield made
    made.close()


def power(base: int, exponent: int) -> int:
    return base**exponent


def wait_long() -> None:
    time.sleep(1000)


def _task_id(number: int) -> bytes:
    return number.to_bytes(8, "little") + b"\xff" * 12 + JOB


def test_a_whole_driver_by_stock_client(client: RawClient) -> None:
    lane = client.lane()
    attached = lane.attach()
    assert (attached.applied, attached.job_id, len(attached.node_id)) == (0, JOB, 28)
    lane.mutate(export(power, b"p" * 28), *(task(_task_id(n), b"p" * 28, (n, 2)) for n in range(1, 21)))
    wanted = [_task_id(n) + b"\x01\0\0\0" for n in range(1, 21)]
    got = lane.answer(get=pb.Get(object_ids=b"".join(wanted), timeout_ms=20_000)).get
    assert [load(value) for value in got.values] == [n * n for n in range(1, 21)]
    put = _task_id(0) + b"\x00\0\0\x01"
    lane.mutate(pb.Mutation(put=pb.Put(object_id=put, value=value_of({"by": "hand"}))))
    assert load(lane.answer(get=pb.Get(object_ids=put, timeout_ms=0)).get.values[0]) == {"by": "hand"}
    assert lane.answer(wait=pb.Wait(object_ids=put + wanted[0], num_returns=1, timeout_ms=0)).wait.ready == b"\1\2"
    lane.mutate(pb.Mutation(refs=pb.Refs(dropped=b"".join([*wanted, put]))))
    lane.answer(sync=pb.Sync())
    assert client.inspect().objects == 0
    lane.close()


def test_a_cancel_by_stock_client(client: RawClient) -> None:
    lane = client.lane()
    lane.attach()
    lane.mutate(export(wait_long, b"w" * 28), task(_task_id(1), b"w" * 28, ()))
    until("it runs", lambda: client.inspect().tasks_running == 1)
    made = _task_id(1) + b"\x01\0\0\0"
    lane.mutate(pb.Mutation(cancel=pb.Cancel(object_id=made)))
    reply = lane.answer(get=pb.Get(object_ids=made, timeout_ms=20_000)).get
    assert reply.failed
    assert reply.values[0].metadata == b"5"  # TASK_CANCELLED
    lane.close()


def test_numbers_seen_before_are_ignored_and_gaps_are_waited_for(client: RawClient) -> None:
    first, second = client.lane(), client.lane()
    first.attach()
    second.attach()
    puts = [_task_id(0) + bytes([n, 0, 0, 1]) for n in range(3)]
    mutations = [pb.Mutation(put=pb.Put(object_id=one, value=value_of(n))) for n, one in enumerate(puts)]
    second.send(pb.FromShim(first_mutation=2, mutations=mutations[1:]))
    second.send(pb.FromShim(after=3, request=pb.Request(id=1, sync=pb.Sync())))
    until("it waits", lambda: client.inspect().lanes == 2)
    assert client.inspect().objects == 0
    for _ in range(3):
        first.send(pb.FromShim(first_mutation=1, mutations=mutations))
    assert next(second.replies()).id == 1
    assert client.inspect().objects == 3
    third = client.lane()
    assert third.attach().applied == 3
    for lane in (first, second, third):
        lane.close()


@pytest.mark.parametrize("token", [None, "", "00" * 32, "x"])
def test_nothing_but_looking_without_the_token(core: launch.Core, token: str | None) -> None:
    stranger = RawClient(core.socket_path, token)
    question = pb.IsTaskCanceledRequest(worker_id=DRIVER, task_id=_task_id(1))
    with pytest.raises(grpc.RpcError) as refused:
        stranger.unary("IsTaskCanceled", question, pb.IsTaskCanceledReply)
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
    lane = stranger.lane()
    with pytest.raises(grpc.RpcError) as refused:
        lane.attach()
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
    stranger.close()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("door", ["shut", "opened by mistake"])
def test_another_user_stays_outside(core: launch.Core, door: str) -> None:
    if door != "shut":
        os.chmod(os.path.dirname(core.session_dir), 0o755)
        os.chmod(core.session_dir, 0o755)
        os.chmod(core.socket_path, 0o666)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            with socket.socket(socket.AF_UNIX) as peer:
                peer.settimeout(10)
                peer.connect(core.socket_path)
                said = peer.recv(1)  # HTTP/2 servers speak first
                os.write(writer, b"let in" if said else b"turned away")
        except OSError as error:
            os.write(writer, type(error).__name__.encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(writer)
    with open(reader, "rb") as file:
        outcome = file.read()
    assert outcome == b"PermissionError" if door == "shut" else outcome in (b"turned away", b"ConnectionResetError")


ATTACHES = {
    "nothing": {},
    "protocol": {"protocol": 2},
    "version": {"version": "0.0.0-other"},
    "short id": {"worker_id": b"x"},
    "nobody's id": {"worker_id": b"z" * 28, "role": pb.ROLE_WORKER},
    "executor lane of a driver": {"kind": pb.LANE_EXECUTOR},
}


@pytest.mark.parametrize("what", ATTACHES)
def test_attaches_that_are_refused_in_words(client: RawClient, what: str) -> None:
    lane = client.lane()
    if what == "nothing":
        lane.send(pb.FromShim(after=1))
    with pytest.raises(grpc.RpcError) as refused:
        lane.attach(**ATTACHES[what])
    assert refused.value.code() in (
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.PERMISSION_DENIED,
    )
    assert len(refused.value.details()) > 20


@pytest.mark.parametrize(
    "message",
    [
        b"\xff\xff\xff\xff",
        b"\x0a",
        pb.FromShim(first_mutation=1, mutations=[pb.Mutation()]),
        pb.FromShim(first_mutation=1, mutations=[pb.Mutation(submit=pb.TaskSpec(task_id=b"short"))]),
        pb.FromShim(first_mutation=1, mutations=[pb.Mutation(refs=pb.Refs(added=b"x" * 29))]),
        pb.FromShim(first_mutation=1, mutations=[pb.Mutation(unpin=b"12345")]),
        pb.FromShim(request=pb.Request(id=1, get=pb.Get(object_ids=b"y" * 27))),
        pb.FromShim(request=pb.Request(id=1)),
    ],
    ids=["no protobuf", "cut", "empty mutation", "short task id", "odd refs", "odd unpin", "odd get", "empty request"],
)
def test_malformed_messages_end_their_lane_alone(client: RawClient, message: Any) -> None:
    other, bad = client.lane(), client.lane()
    other.attach()
    bad.attach()
    bad.send(message)
    assert bad.status() in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.INTERNAL)
    assert other.answer(sync=pb.Sync()).id == 1
    other.close()
    until("rest", lambda: client.inspect().lanes == 0)


@pytest.mark.parametrize("seed", range(8))
def test_random_messages_never_end_the_core(client: RawClient, seed: int) -> None:
    choose = random.Random(seed)
    for _ in range(60):
        lane = client.lane()
        applied = lane.attach().applied
        for offset in range(choose.randint(1, 10)):
            lane.send(_random_message(choose, applied + 1 + offset))
        if choose.random() < 0.5:
            lane.out.put(None)
            lane.status()
        else:
            lane.call.cancel()
    assert client.inspect().processes >= 1


def _random_message(choose: random.Random, number: int) -> pb.FromShim | bytes:
    """Well-formed more often than not, sensible less often."""

    def some_id(size: int) -> bytes:
        return (
            bytes([choose.randrange(4)]) * (size - len(JOB)) + JOB
            if choose.random() < 0.9
            else choose.randbytes(choose.randrange(60))
        )

    task_id = some_id(24)
    spec = pb.TaskSpec(
        type=choose.randrange(3),
        task_id=task_id,
        function_id=some_id(28),
        actor_id=choose.choice((b"", some_id(16))),
        num_returns=choose.choice((0, 1, 3, 1 << 31)),
        max_retries=choose.choice((-1, 0, 1)),
        args=[pb.Arg(ref=some_id(28)) for _ in range(choose.randrange(3))],
        resources=[pb.Resource(name="CPU", amount=choose.choice((0, 1, -1, float("nan"), 1e300)))],
        actor=pb.ActorCreation(max_concurrency=choose.choice((-1, 0, 1, 1 << 30)), name=choose.choice(("", "n"))),
    )
    mutation = choose.choice(
        (
            pb.Mutation(submit=spec),
            pb.Mutation(put=pb.Put(object_id=some_id(28), value=pb.Value(data=b"x", block=pb.Block(id=choose.randrange(5))))),
            pb.Mutation(put=pb.Put(object_id=some_id(28), value=pb.Value(data=b"x", contained=some_id(28)))),
            pb.Mutation(refs=pb.Refs(added=some_id(28), dropped=some_id(28) * choose.randrange(3))),
            pb.Mutation(unpin=choose.randbytes(8)),
            pb.Mutation(discard=choose.randrange(5).to_bytes(8, "little")),
            pb.Mutation(cancel=pb.Cancel(object_id=some_id(28), force=choose.random() < 0.5, recursive=True)),
            pb.Mutation(kill_actor=pb.KillActor(actor_id=some_id(16))),
            pb.Mutation(actor_handles=pb.ActorHandles(added=some_id(16), dropped=some_id(16))),
            pb.Mutation(done=pb.TaskDone(task_id=task_id, outcome=choose.randrange(4), returns=[pb.Value()])),
        )
    )
    request = choose.choice(
        (
            pb.Request(id=choose.randrange(3), get=pb.Get(object_ids=some_id(28), timeout_ms=choose.choice((-1, 0, 1)))),
            pb.Request(id=1, wait=pb.Wait(object_ids=some_id(28), num_returns=choose.randrange(5), timeout_ms=-1)),
            pb.Request(id=2, allocate=pb.Allocate(size=choose.choice((0, 1, 1 << 20, 1 << 63)))),
            pb.Request(id=3, register_actor=pb.RegisterActor(spec=spec)),
            pb.Request(id=4, lookup_actor=pb.LookupActor(name="n")),
            pb.Request(abandon=pb.Abandon(id=1)),
        )
    )
    message = pb.FromShim(
        first_mutation=number if choose.random() < 0.95 else choose.getrandbits(64),
        mutations=[mutation],
        after=choose.choice((0, number, 1 << 62)),
        dropped=pb.RunDropped(generation=choose.getrandbits(64)) if choose.random() < 0.1 else None,
    )
    if choose.random() < 0.5:
        message.request.CopyFrom(request)
    raw = message.SerializeToString()
    if choose.random() < 0.1:
        at = choose.randrange(len(raw))
        return raw[:at] + choose.randbytes(2) + raw[at + 1 :]
    return raw


# ---------------------------------------------------------------------------------------------- beside a session that works


@mobula.remote
def add(left: int, right: int) -> int:
    return left + right


@pytest.fixture
def busy(fresh: Callable[..., Any]) -> Iterator[Callable[[], None]]:
    """A session; calling it does some work."""
    process = fresh()

    def work() -> None:
        assert mobula.get([add.remote(n, 1) for n in range(100)], timeout=60) == list(range(1, 101))
        assert mobula.get(mobula.put(bytes(300_000)), timeout=60) == bytes(300_000)

    work.process = process  # type: ignore[attr-defined]
    work()
    return work


def _raw(path: str) -> socket.socket:
    peer = socket.socket(socket.AF_UNIX)
    peer.settimeout(10)
    peer.connect(path)
    return peer


def test_random_bytes_and_silence_at_the_socket(busy: Any) -> None:
    process = busy.process
    path = process.session.socket_path

    def beyond_lanes() -> int:
        counts = process.inspect()  # workers open lanes when they first need them, and each is a descriptor
        return int(counts.fds - counts.lanes)

    until("both workers are there", lambda: process.inspect().idle_workers == 2)
    before = beyond_lanes()
    choose = random.Random(3)
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    openings = [b"", b"\0", preface, preface[:10], preface + b"\0\0\0\4\0\0\0\0\0", preface + bytes(200)]
    held = []
    for turn in range(60):
        peer = _raw(path)
        try:
            peer.sendall(choose.choice(openings) + choose.randbytes(choose.choice((0, 10, 5000))))
        except ConnectionError:
            pass  # it hung up in the middle, which is its right
        if turn % 3:
            peer.close()
        else:
            held.append(peer)  # half open: never reads, never ends
        if turn % 10 == 0:
            busy()
    busy()
    for peer in held:
        peer.close()
    until("all are gone", lambda: beyond_lanes() <= before + 1)


def test_a_lane_that_never_reads_hurts_nobody(busy: Any) -> None:
    process = busy.process
    ref = mobula.put(bytes(90_000))
    token = process.session.metadata[0][1].removeprefix("Bearer ")
    client = RawClient(process.session.socket_path, token)
    lane = client.lane()
    lane.attach()
    for request in range(1, 5001):  # 450 MB of answers
        lane.send(pb.FromShim(request=pb.Request(id=request, get=pb.Get(object_ids=ref.binary(), timeout_ms=-1))))
    for _ in range(5):
        busy()
    with open(f"/proc/{process.session.core_pid}/statm") as file:
        resident = int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")
    assert resident < 300 << 20, "what nobody reads is not encoded ahead"
    client.close()
    until("the lane is gone", lambda: process.inspect().lanes <= 6)
    busy()


def test_what_waits_for_a_number_that_never_comes_is_bounded(busy: Any) -> None:
    process = busy.process
    client = RawClient(process.session.socket_path, process.session.metadata[0][1].removeprefix("Bearer "))
    export = pb.Mutation(export=pb.Export(namespace="hostile", key=b"k", value=b"v"))
    for turn in range(2):
        hostile = client.lane()
        hostile.attach()
        for number in range(1 << 40, (1 << 40) + (1 << 17), 1 << 12):
            hostile.send(pb.FromShim(first_mutation=number, mutations=[export] * (1 << 12)))
        assert hostile.status() == grpc.StatusCode.RESOURCE_EXHAUSTED, turn
        assert "which has not come" in hostile.call.details()
        busy()  # other lanes of the same process go on
    client.close()


def test_a_token_alone_makes_nobody_a_worker(busy: Any) -> None:
    process = busy.process
    token = process.session.metadata[0][1].removeprefix("Bearer ")
    client = RawClient(process.session.socket_path, token)
    lane = client.lane()
    with pytest.raises(grpc.RpcError) as refused:
        lane.attach(worker_id=os.urandom(28), role=pb.ROLE_WORKER, kind=pb.LANE_EXECUTOR)
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
    client.close()
    busy()
