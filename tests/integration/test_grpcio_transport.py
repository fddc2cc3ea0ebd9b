"""The same API through stock grpcio: the boundary is plain gRPC, and nothing needs the shared page."""

from __future__ import annotations

from process_kit import assert_nothing_left, driver

PROGRAM = """
import numpy as np

@mobula.remote
class Careful:
    def poll(self):
        context = mobula.get_runtime_context()
        self.polls = 0
        while not context.is_canceled():
            self.polls += 1
            time.sleep(0.01)
        return "cleaned up"
    def polled(self):
        return self.polls
    def page(self):
        process = mobula.session.process()
        asked = process.ask_canceled
        process.ask_canceled = lambda task_id: asks.append(task_id) or asked(task_id)
        asks = []
        flag = mobula.get_runtime_context().is_canceled()
        with open("/proc/self/maps") as maps:
            mapped = [line.split()[-2] for line in maps if "mobula" in line]
        return process.page is None, mapped, len(asks), flag
    async_ = None

@mobula.remote
class Loop:
    async def forever(self):
        import asyncio
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            self.seen = True
            raise
    async def saw(self):
        return self.seen

def canceled(ref):
    try:
        mobula.get(ref, timeout=60)
    except mobula.exceptions.TaskCancelledError:
        return True
    return False

mobula.init(num_cpus=2)
out = {"session": session.started().session_dir}
out["tasks"] = mobula.get([add.remote(i, 1) for i in range(50)]) == list(range(1, 51))
out["large"] = int(mobula.get(mobula.put(np.ones(10**6)))[-1])
actor = Careful.options(max_concurrency=4).remote()
ref = actor.poll.remote()
while not mobula.get(actor.__ray_ready__.remote()) or not mobula.wait([actor.polled.remote()], timeout=60)[0]:
    pass
mobula.cancel(ref)
out["threaded"] = canceled(ref)
out["page"] = mobula.get(actor.page.remote())
loop = Loop.remote()
ref = loop.forever.remote()
mobula.get(loop.__ray_ready__.remote())
mobula.cancel(ref)
out["async"] = canceled(ref) and mobula.get(loop.saw.remote())

@mobula.remote(num_cpus=0, max_retries=0)
def sleeper():
    open(os.path.join(os.environ["XDG_RUNTIME_DIR"], "runs"), "w").close()
    time.sleep(1000)
ref = sleeper.remote()
mark = os.path.join(os.environ["XDG_RUNTIME_DIR"], "runs")
while not os.path.exists(mark):
    time.sleep(0.01)
os.unlink(mark)
mobula.cancel(ref)
out["task"] = canceled(ref)
with open("/proc/self/maps") as maps:
    out["driver maps the page"] = "mobula-page" in maps.read()
mobula.shutdown()
tell(**out)
"""


def test_everything_through_grpcio(place: str, monkeypatch: object) -> None:
    monkeypatch.setenv("MOBULA_TRANSPORT", "grpcio")  # type: ignore[attr-defined]
    with driver(PROGRAM, place) as running:
        told = running.read()
        assert running.process.wait(20) == 0, running.stderr()
        assert_nothing_left(told.pop("session"))
    no_page, mapped, asks, flag = told.pop("page")
    assert no_page
    assert not [name for name in mapped if "page" in name]
    assert (asks, flag) == (1, False)
    assert told == {"tasks": True, "large": 1, "threaded": True, "async": True, "task": True, "driver maps the page": False}
