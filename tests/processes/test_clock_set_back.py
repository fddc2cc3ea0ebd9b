"""The clock on the wall is set back by a day, in every process of a session and in the middle of everything that waits."""

from __future__ import annotations

import time

import clock_kit
import pytest

from process_kit import children, driver

DAY = 86_400

PROGRAM = """
import asyncio

@mobula.remote
def sleeps():
    time.sleep(1)
    return time.time()

@mobula.remote
class Waits:
    def __init__(self):
        self.inside = threading.Event()
        self.over = threading.Event()
    def until_told(self):
        self.inside.set()
        self.over.wait()
        return "told"
    def limited(self):
        self.inside.set()
        return self.over.wait(3)
    def is_inside(self):
        self.inside.wait()
        self.inside.clear()
    def tell(self):
        self.over.set()
    def clock(self):
        return time.time()

@mobula.remote
class Async:
    async def sleeps(self):
        await asyncio.sleep(2)
        return "woke"

def ends(step):
    try:
        return step()
    except mobula.exceptions.GetTimeoutError:
        return "too late"

class Waiting(threading.Thread):
    def __init__(self, step):
        super().__init__(daemon=True)
        self.step = step
        self.start()
    def run(self):
        self.got = ends(self.step)
    def end(self):
        self.join()
        return self.got

mobula.init(num_cpus=3, object_store_memory=1 << 27)
core = session.process().session.core_pid
actor, awaiting = Waits.options(max_concurrency=8).remote(), Async.remote()
blocked = actor.until_told.remote()
mobula.get(actor.is_inside.remote())
limited = actor.limited.remote()
mobula.get(actor.is_inside.remote())
before = [sleeps.remote(), awaiting.sleeps.remote()]
waiting = [
    Waiting(lambda: mobula.get(blocked, timeout=3)),
    Waiting(lambda: mobula.wait([blocked], timeout=3)[0]),
    Waiting(lambda: mobula.get(limited)),
]
tell(core=core, zygote=zygote_of(core))
wait()  # now it is a day earlier, here, in the core, in the zygote and in every worker
tell(ends=[one.end() for one in waiting], slept=mobula.get(before)[1])
tell(clocks=[time.time(), mobula.get(actor.clock.remote())])

again = [ends(lambda: mobula.get(blocked, timeout=0.2)), mobula.wait([blocked], timeout=0.2)[0]]
fresh = Waits.remote()                                   # a worker is born
born = mobula.get(fresh.clock.remote())
canceled = sleeps.remote()
mobula.cancel(canceled)
try:
    mobula.get(canceled)
except mobula.exceptions.TaskCancelledError:
    again.append("canceled")
mobula.kill(fresh)
actor.tell.remote()
again.append(mobula.get(blocked))
spans = [one for one in mobula.timeline() if one.get("ph") == "X"]
lasted, began = [one["dur"] / 1e6 for one in spans], [one["ts"] / 1e6 for one in spans]
tell(again=again, born=born, shortest=min(lasted), longest=max(lasted), whole=max(began) - min(began))
mobula.shutdown()
tell(over=True)
"""


@pytest.mark.skipif(not clock_kit.possible(), reason="a running process can be told another time on x86-64 only")
def test_nothing_notices_that_the_clock_was_set_back(place: str) -> None:
    """Invariant: limits and sleeps that run, and those that begin afterwards, last as long as they say; workers are born, canceled
    and killed, nothing in the timeline ends before it began or lasted a day, and the session ends."""
    now = time.time()
    with driver(PROGRAM, place) as program:
        told = program.read()
        # The zygote first: what it forks from then on has it.
        for pid in (told["zygote"], told["core"], program.pid, *children(told["core"])):
            clock_kit.set_back(pid, DAY)
        program.say()
        assert program.read() == {"ends": ["too late", [], False], "slept": "woke"}
        earlier = [clock - now for clock in program.read()["clocks"]]
        assert all(-DAY <= by < -DAY / 2 for by in earlier), "their clocks were not set back"
        told = program.read()
        assert told["again"] == ["too late", [], "canceled", "told"]
        assert told["born"] - now < -DAY / 2, "the worker was not born by the zygote"
        assert told["shortest"] >= 0
        assert max(told["longest"], told["whole"]) < DAY / 2
        assert program.read() == {"over": True}
        assert program.process.wait() == 0, program.stderr()
