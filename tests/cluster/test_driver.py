"""`mobula.init(address=…)`: a driver whose functions and actors run on stock workers of an unmodified cluster."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

import mobula
from conftest import Cluster
from mobula._core.start_error import ClusterJoinError
from mobula.util import list_named_actors
from mobula.util.multiprocessing import Pool
from mobula.util.queue import Empty, Full, Queue

PATIENCE_S = 20.0


@pytest.fixture(scope="module")
def joined(one_node: Cluster) -> Iterator[Cluster]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in one_node.environment.items():
            patch.setenv(name, value)
        cloudpickle.register_pickle_by_value(sys.modules[__name__])  # the workers cannot import this module
        mobula.init(address=one_node.address, namespace="tests")
        try:
            yield one_node
        finally:
            mobula.shutdown()
            cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


# The cluster is a child of this process, with a pipe to each side, and starts and ends workers as it likes.
pytestmark = [pytest.mark.usefixtures("joined"), pytest.mark.mobula_leaves("process", "descriptor pipe")]


def get(refs: Any) -> Any:
    return mobula.get(refs, timeout=PATIENCE_S)


def call_for_ever(counter: Any) -> None:
    while True:
        get(counter.add.remote())


def await_file(path: Path) -> None:
    until = time.monotonic() + PATIENCE_S
    while not path.exists():
        assert time.monotonic() < until, f"{path} is not there: what should make it does not run"
        time.sleep(0.005)


@mobula.remote
def add(a: int, b: int = 2) -> int:
    return a + b


@mobula.remote
def length(x: bytes) -> int:
    return len(x)


@mobula.remote
def make(n: int) -> bytes:
    return b"y" * n


@mobula.remote
class Counter:
    def __init__(self, n: int = 0) -> None:
        self.n = n

    def add(self, by: int = 1) -> int:
        self.n += by
        return self.n

    def until_canceled(self, path: str) -> int:
        Path(path).touch()
        while not mobula.get_runtime_context().is_canceled():  # type: ignore[attr-defined]
            time.sleep(0.01)
        self.n += 1000
        return self.n


def test_functions() -> None:
    assert get([add.remote(i) for i in range(50)]) == [i + 2 for i in range(50)]
    assert get(add.remote(b=1, a=add.remote(5))) == 8
    first, second = get(mobula.remote(num_returns=2)(lambda: (1, "two")).remote()), None
    assert (first, second) == ([1, "two"], None)


def test_an_exception_is_of_its_class() -> None:
    @mobula.remote
    def boom() -> None:
        raise KeyError("on purpose")

    with pytest.raises(KeyError, match="on purpose") as caught:
        get(boom.remote())
    assert isinstance(caught.value, mobula.exceptions.RayTaskError)
    with pytest.raises(KeyError):
        get(add.remote(boom.remote()))


def test_large_values_go_through_the_store() -> None:
    big = mobula.put(b"x" * 1_000_000)
    assert get(length.remote(big)) == 1_000_000
    made = make.remote(2_000_000)
    assert get(length.remote(made)) == 2_000_000
    assert get(made) == b"y" * 2_000_000
    assert get(length.remote(b"z" * 300_000)) == 300_000


def test_the_first_task_of_its_kind_takes_a_reference() -> None:
    """What a raylet has brought before it gives a worker is what lies in a store, of this task and of none before it."""
    small, big = mobula.put(b"x" * 7), make.remote(300_000)
    assert get(length.options(num_cpus=0.71).remote(small)) == 7
    assert get(length.options(num_cpus=0.72).remote(big)) == 300_000
    del small, big
    assert get(length.options(num_cpus=0.71).remote(b"")) == get(length.options(num_cpus=0.72).remote(b"")) == 0


def test_references_inside_values() -> None:
    @mobula.remote
    def total(refs: list[Any]) -> int:
        return sum(mobula.get(refs))

    assert get(total.remote([mobula.put(1), add.remote(2), mobula.put(5)])) == 10


def test_functions_call_functions_and_modules_are_rays() -> None:
    @mobula.remote
    def outer(n: int) -> int:
        return mobula.get(add.remote(n)) + mobula.get(add.options(num_cpus=0.5).remote(n, 0))

    assert get(outer.remote(4)) == 10


def test_actors() -> None:
    counter = Counter.remote(5)
    assert get([counter.add.remote() for _ in range(10)]) == list(range(6, 16))
    assert get(counter.add.remote(by=10)) == 25
    assert get(counter.__ray_call__.remote(lambda self: self.n)) == 25

    @mobula.remote
    def through(handle: Any) -> int:
        return mobula.get(handle.add.remote())

    assert get(through.remote(counter)) == 26
    assert get(get(mobula.remote(lambda handle: handle).remote(counter)).add.remote(0)) == 26
    mobula.kill(counter)
    with pytest.raises(mobula.exceptions.ActorDiedError):
        call_for_ever(counter)  # what was sent before the cluster has told may still be run


def test_a_constructor_that_raises() -> None:
    @mobula.remote
    class Broken:
        def __init__(self) -> None:
            raise ValueError("not today")

        def method(self) -> None: ...

    with pytest.raises(mobula.exceptions.ActorDiedError, match="not today") as caught:
        get(Broken.remote().method.remote())
    assert caught.value.actor_init_failed


def test_named_actors() -> None:
    made = Counter.options(name="shared", get_if_exists=True).remote(1)
    assert get(made.add.remote()) == 2
    again = Counter.options(name="shared", get_if_exists=True).remote(100)
    assert get(again.add.remote()) == 3
    assert get(mobula.get_actor("shared").add.remote()) == 4
    elsewhere = Counter.options(name="shared-too", namespace="elsewhere").remote(1)
    assert get(elsewhere.add.remote()) == 2
    assert [name for name in list_named_actors() if name.startswith("shared")] == ["shared"]
    all_of_them = list_named_actors(all_namespaces=True)
    assert {"name": "shared", "namespace": "tests"} in all_of_them
    assert {"name": "shared-too", "namespace": "elsewhere"} in all_of_them
    with pytest.raises(ValueError, match="shared"):
        Counter.options(name="shared").remote()
    with pytest.raises(ValueError, match="nobody"):
        mobula.get_actor("nobody")


def test_a_stock_driver_finds_our_actor(joined: Cluster) -> None:
    ours = Counter.options(name="for-all").remote(1)
    assert get(ours.add.remote()) == 2
    said = joined.stock_driver(
        "import ray; ray.init(namespace='tests', log_to_driver=False)\nprint(ray.get(ray.get_actor('for-all').add.remote(by=5)))"
    )
    assert said.split()[-1] == "7"


def test_cancel_of_a_queued_task(tmp_path: Path) -> None:
    @mobula.remote(num_cpus=2)
    def hold(path: str) -> None:
        Path(path).touch()
        while True:
            time.sleep(0.01)

    holder = hold.remote(str(tmp_path / "held"))
    await_file(tmp_path / "held")
    queued = add.remote(1)
    mobula.cancel(queued)
    with pytest.raises(mobula.exceptions.TaskCancelledError):
        get(queued)
    mobula.cancel(holder)  # interrupted between two bytecodes
    with pytest.raises(mobula.exceptions.TaskCancelledError):
        get(holder)
    assert get(add.remote(1)) == 3


def test_cancel_by_force(tmp_path: Path) -> None:
    @mobula.remote(max_retries=0)
    def sleep(path: str) -> None:
        Path(path).touch()
        time.sleep(3600)

    asleep = sleep.remote(str(tmp_path / "asleep"))
    await_file(tmp_path / "asleep")
    mobula.cancel(asleep, force=True)
    with pytest.raises((mobula.exceptions.WorkerCrashedError, mobula.exceptions.TaskCancelledError)):
        get(asleep)


@pytest.mark.parametrize("options", [{}, {"max_concurrency": 4}], ids=["one-thread", "threads"])
def test_is_canceled_turns_true_and_the_actor_keeps_its_state(options: dict[str, Any], tmp_path: Path) -> None:
    counter = Counter.options(**options).remote()
    running = counter.until_canceled.remote(str(tmp_path / "began"))
    await_file(tmp_path / "began")
    mobula.cancel(running)
    with pytest.raises(mobula.exceptions.TaskCancelledError):
        get(running)
    assert get(counter.add.remote()) == 1001


@mobula.remote
def passed_on(queue: Any) -> Any:
    queue.put(queue.get(timeout=PATIENCE_S) + 1)
    return queue


def test_a_queue_is_rays_own_on_the_workers() -> None:
    queue = Queue(maxsize=1)
    queue.put(1)
    with pytest.raises(Full):
        queue.put_nowait(2)
    assert get(passed_on.remote(queue)).get(timeout=PATIENCE_S) == 2
    with pytest.raises(Empty):
        queue.get(block=False)
    queue.shutdown()


def test_a_pool() -> None:
    with Pool(1) as pool:
        assert pool.map(lambda x: x + 1, range(3)) == [1, 2, 3]


def test_wait() -> None:
    refs = [add.remote(1), add.remote(2)]
    ready, rest = mobula.wait(refs, num_returns=2, timeout=PATIENCE_S)
    assert (set(ready), rest) == (set(refs), [])
    never = mobula.remote(resources={"nowhere": 1})(lambda: None).remote()
    with pytest.raises(mobula.exceptions.GetTimeoutError):
        mobula.get(never, timeout=0.05)
    mobula.cancel(never)
    with pytest.raises(mobula.exceptions.TaskCancelledError):
        get(never)


def test_what_the_cluster_has(joined: Cluster) -> None:
    (node,) = mobula.nodes()
    assert (node["NodeID"], node["Alive"]) == (joined.nodes[0]["node_id"], True)
    assert mobula.cluster_resources()["CPU"] == 2.0
    until = time.monotonic() + PATIENCE_S
    while mobula.available_resources().get("CPU") != 2.0:  # raylets tell the GCS now and then
        assert time.monotonic() < until
        time.sleep(0.02)


def test_refusals(joined: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from mobula import init_options

    given = dict.fromkeys(("num_cpus", "num_gpus", "resources", "labels", "object_store_memory", "runtime_env"))
    with pytest.raises(ValueError, match="num_cpus"):
        init_options._refuse_for_cluster({**given, "num_cpus": 2}, {})
    with pytest.raises(NotImplementedError, match="working_dir"):
        init_options._refuse_for_cluster({**given, "runtime_env": {"working_dir": "."}}, {})
    from mobula._core import joining

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert joined.address in joining._running()
    monkeypatch.setattr(joining, "_running", lambda: {joined.address})  # others may run on this machine
    assert joining.address_of("auto", "here") == joined.address
    monkeypatch.setattr(joining, "_running", lambda: {joined.address, "127.0.0.8:1"})
    with pytest.raises(ConnectionError, match=r"several Ray clusters|127\.0\.0\.8"):
        joining.address_of("auto", "here", str(tmp_path))
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.9:1")
    assert joining.address_of("auto", "here") == "127.0.0.9:1"
    with pytest.raises(NotImplementedError, match="Ray Client"):
        joining.address_of("ray://somewhere:10001", "here")
    with pytest.raises(ValueError, match="no address"):
        joining.address_of("somewhere", "here")


def test_a_wrong_token_is_said(joined: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    from mobula._core import joining, launch

    monkeypatch.setenv("RAY_AUTH_TOKEN", "another")
    with pytest.raises(ClusterJoinError, match="refuses the token"):
        launch.start(launch.LaunchConfig(options={"cluster": joining.options()}, address=joined.address))


@mobula.remote
def count(n: int, size: int = 1) -> Any:
    for i in range(n):
        yield bytes([i]) * size


@mobula.remote
def divided(*numbers: int) -> Any:
    for number in numbers:
        yield 1 // number


def test_generators() -> None:
    assert [get(ref) for ref in count.remote(20)] == [bytes([i]) for i in range(20)]
    assert [len(get(ref)) for ref in count.remote(3, 200_000)] == [200_000] * 3
    broken = divided.remote(1, 0, 2)
    assert get(next(broken)) == 1
    with pytest.raises(ZeroDivisionError):
        get(next(broken))
    assert next(broken, None) is None
    several = get(count.options(num_returns="dynamic").remote(3, 60_000))  # type: ignore[attr-defined]
    assert [get(ref) for ref in several] == [bytes([i]) * 60_000 for i in range(3)]
    several = get(count.options(num_returns="dynamic").remote(2, 200_000))  # type: ignore[attr-defined]
    assert get([length.remote(ref) for ref in several]) == [200_000] * 2
    # A function takes an item by reference, of which nothing has come here.
    assert get([length.remote(ref) for ref in count.remote(2, 200_000)]) == [200_000] * 2


@mobula.remote(_generator_backpressure_num_objects=2)
def noted(path: str, n: int) -> Any:
    for i in range(n):
        with open(path, "a") as notes:
            notes.write("x")
        yield i


def made(path: Path, most: int) -> int:
    """How many items were made, when it is as many as may be, and a moment later."""
    until = time.monotonic() + PATIENCE_S
    while not path.exists() or path.stat().st_size < most:
        assert time.monotonic() < until
        time.sleep(0.005)
    time.sleep(0.1)  # what is wrong comes at once
    return path.stat().st_size


def test_a_generator_with_a_limit_is_held_back(tmp_path: Path) -> None:
    path = tmp_path / "one"
    items = noted.remote(str(path), 6)
    assert made(path, 2) == 2
    assert get(next(items)) == 0
    assert made(path, 3) == 3
    assert [get(ref) for ref in items] == [1, 2, 3, 4, 5]
    dropped = noted.remote(str(tmp_path / "dropped"), 6)
    assert made(tmp_path / "dropped", 2) == 2
    del dropped
    assert made(tmp_path / "dropped", 6) == 6


def test_a_task_returns_references_to_what_it_made() -> None:
    @mobula.remote
    def maker(size: int) -> list[Any]:
        return [mobula.put(b"p" * size), add.remote(40)]

    for size in (10, 300_000):
        put, called = get(maker.remote(size))
        assert get(length.remote(put)) == size
        assert get(put) == b"p" * size
        assert get(called) == 42


def test_what_is_not_there_yet_is_refused_by_name() -> None:
    from mobula.util.state import get_objects, list_objects, summarize_objects

    calls: list[Callable[[], object]] = [list_objects, summarize_objects, lambda: get_objects("ab")]
    for call in calls:
        with pytest.raises(NotImplementedError, match=r"list_objects.* clusters yet"):
            call()
    with pytest.raises(NotImplementedError, match="pip"):
        add.options(runtime_env={"pip": ["a"]}).remote(1)


def test_environment_variables_reach_a_worker() -> None:
    @mobula.remote(runtime_env={"env_vars": {"MOBULA_TEST_SAYS": "hello"}})
    def said() -> str:
        return os.environ["MOBULA_TEST_SAYS"]

    assert get(said.remote()) == "hello"


def test_strategies(joined: Cluster) -> None:
    from mobula.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = joined.nodes[0]["node_id"]
    for strategy in (
        "SPREAD",
        NodeAffinitySchedulingStrategy(here, soft=False),
        NodeAffinitySchedulingStrategy("ab" * 28, soft=True),
    ):
        assert get(add.options(scheduling_strategy=strategy).remote(1)) == 3


@mobula.remote(max_restarts=1, max_task_retries=-1)
class Loop:
    def __init__(self) -> None:
        self.canceled = 0

    async def sleep(self, path: str) -> None:
        os.close(os.open(path, os.O_CREAT))
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            self.canceled += 1
            raise

    async def state(self) -> tuple[int, int]:
        return self.canceled, os.getpid()


def test_async_actors_are_canceled_and_restarted(tmp_path: Path) -> None:
    loop = Loop.remote()
    asleep = loop.sleep.remote(str(tmp_path / "asleep"))
    await_file(tmp_path / "asleep")
    mobula.cancel(asleep)
    with pytest.raises(mobula.exceptions.TaskCancelledError):
        get(asleep)
    canceled, pid = get(loop.state.remote())
    assert canceled == 1
    os.kill(pid, signal.SIGKILL)
    again, other = get(loop.state.remote())
    assert again == 0
    assert other != pid
