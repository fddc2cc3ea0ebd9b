"""What our Python alone costs a call, without a core: CPU microseconds of the worker's and of the driver's half.

    python tests/bench/shim.py [--profile-seconds 10 --only "worker, method"]

The core is a stream that swallows what is sent and hands out messages made before. So these figures hold no system calls but
the worker's ticket, do not depend on who else uses the machine, and show a microsecond more or less; the best of 25 rounds
counts. With --profile-seconds one of them runs in a loop, for a profiler: `py-spy record -r 1000 -- python tests/bench/shim.py …`.
"""

import argparse
import itertools
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))
import fake_process as made

import mobula
from mobula import actor_handle, class_description
from mobula._core import context, process, refcount
from mobula._core.pb import boundary_pb2 as pb
from mobula._core.process import Process
from mobula._core.session import Session
from mobula._worker.assembly import prepare
from mobula._worker.interrupts import Interrupts

CALLS = 1000
JOB = b"\1\0\0\0"


class Swallowing:
    """A lane's stream. `script` gives what receive() finds."""

    def __init__(self):
        attached = pb.ToShim(attached=pb.Attached(slot=1, job_id=JOB)).SerializeToString()
        self.script = lambda: [attached]

    def fileno(self):
        return 0

    def send(self, message):
        pass

    def send_many(self, messages):
        pass

    def wait_readable(self, timeout):
        return True

    def receive(self):
        return self.script()

    def close(self):
        pass


def attach(role, mode):
    streams = []

    def opener(*_args, **_options):
        streams.append(Swallowing())
        return streams[-1]

    session = Session(socket_path="", token="", role=role, worker_id=b"w" * 28, core_pid=0, opener=opener)
    attached = Process(session, mode, None, lambda sentence: None)
    attached._join(JOB)
    return attached, streams


def forget(attached):
    """What the core's ack does."""
    log = attached._log
    log._entries.clear()
    log.acked = log.safe = log.seen = 0
    refcount.clear()


class Actor:
    def small_value(self):
        return b"ok"


def small_value():
    return b"ok"


def worker(is_method):
    attached, streams = attach(pb.ROLE_WORKER, "worker")
    attached.page = memoryview(bytearray(800)).cast("Q")
    context.attach_page(attached.page, None, is_worker=True)
    tickets = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_SEMAPHORE)
    _, executor = prepare(attached, tickets, Interrupts())
    lane = executor._lane
    same = {"parent_task_id": b"p" * 24, "num_returns": 1, "depth": 1}
    if is_method:
        executor.run(made.creation_of(Actor))
        same |= {"type": pb.ACTOR_TASK, "name": "Actor.small_value", "method": "small_value", "actor_id": made.ACTOR_ID}
    else:
        first = made.run_of(small_value)
        executor.run(first)
        resources = [pb.Resource(name="CPU", amount=1)]
        same |= {"name": "small_value", "function_id": first.shape.function_id, "resources": resources, "max_retries": 3}
    messages = []
    for number in range(CALLS):
        spec = pb.TaskSpec(task_id=b"%08d" % number + made.ACTOR_ID, **same)
        run = pb.RunTask(spec=spec, epoch=100 + number, generation=1, ticket=True)
        messages.append(pb.ToShim(run=[run]).SerializeToString())

    def before():
        os.eventfd_write(tickets, CALLS)
        forget(attached)
        rest = iter(messages)
        streams[0].script = lambda: list(itertools.islice(rest, 1))

    def batch():
        for _ in range(CALLS):
            if not lane.runs:
                lane.poll()
            while lane.runs:
                executor.run(lane.runs.popleft())

    return before, batch


def driver(is_method):
    attached, streams = attach(pb.ROLE_DRIVER, "driver")
    if is_method:
        methods = {"small_value": class_description.Method(())}
        actor = actor_handle.ActorHandle(b"a" * 12 + JOB, class_description.Description("Actor", "__main__", methods, False))
        call = lambda: actor.small_value.remote()  # noqa: E731 - the attribute is looked up for each call
    else:
        call = mobula.remote(small_value).remote

    def before():
        process._current = attached
        forget(attached)
        if streams:
            streams[0].script = list

    return before, lambda: [call() for _ in range(CALLS)]


def driver_get():
    before, batch = driver(False)
    before()
    refs = batch()
    attached = process._current
    lane = attached._lane()
    values = pb.GetReply(values=[pb.Value(data=b"ok", metadata=b"RAW") for _ in range(CALLS)])

    def answer():
        return [pb.ToShim(reply=pb.Reply(id=lane._last_request, get=values)).SerializeToString()]

    def unseen():
        process._current = attached
        for ref in refs:
            ref._value = None
        lane._stream.script = answer

    return unseen, lambda: mobula.get(refs)


HALVES = {
    "worker, method": lambda: worker(True),
    "worker, task": lambda: worker(False),
    "driver, method": lambda: driver(True),
    "driver, task": lambda: driver(False),
    "driver, get": driver_get,
}


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--only", default="")
    ap.add_argument("--profile-seconds", type=float, default=0)
    args = ap.parse_args()
    for name, make in HALVES.items():
        if args.only not in name:
            continue
        before, batch = make()
        end = time.monotonic() + args.profile_seconds
        best, rounds = float("inf"), 0
        while rounds < 25 or time.monotonic() < end:
            before()
            since = time.thread_time_ns()
            kept = batch()
            best = min(best, time.thread_time_ns() - since)
            del kept
            rounds += 1
        print(f"{name:16s} {best / CALLS / 1000:6.2f} us a call")
        process._current = None


if __name__ == "__main__":
    main()
