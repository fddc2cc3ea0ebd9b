"""Tasks that wait for a signal of an async actor, with never more than a few under way."""

import asyncio

import ray


@ray.remote(num_cpus=0)
class Signal:
    def __init__(self):
        self.event = asyncio.Event()
        self.all_here = asyncio.Event()
        self.waiting = 0

    async def wait(self):
        self.waiting += 1
        if self.waiting == 3:
            self.all_here.set()
        await self.event.wait()
        return self.waiting

    async def send(self):
        await self.all_here.wait()
        self.event.set()


@ray.remote(num_cpus=0)
class Gauge:
    def __init__(self):
        self.now = self.most = 0

    def change(self, by):
        self.now += by
        self.most = max(self.most, self.now)
        return self.most


@ray.remote(num_cpus=0)
def wait_for(signal):
    return ray.get(signal.wait.remote())


@ray.remote(num_cpus=0.1)
def measured(gauge):
    ray.get(gauge.change.remote(1))
    ray.get(gauge.change.remote(-1))


ray.init(num_cpus=2)
signal = Signal.remote()
waiting = [wait_for.remote(signal) for _ in range(3)]
assert ray.wait(waiting, timeout=0)[0] == []
ray.get(signal.send.remote())
assert ray.get(waiting) == [3, 3, 3]

LIMIT = 4
gauge = Gauge.remote()
running = []
for _ in range(40):
    if len(running) == LIMIT:
        _, running = ray.wait(running, num_returns=1)
    running.append(measured.remote(gauge))
ray.get(running)
most = ray.get(gauge.change.remote(0))
assert 1 <= most <= LIMIT, most
print("three were signaled, and never more than", LIMIT, "ran")
