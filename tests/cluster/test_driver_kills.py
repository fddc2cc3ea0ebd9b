"""SIGKILL of what a driver of a cluster depends on, and of the driver: what must hold afterwards stands at each test."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

import mobula
from conftest import Cluster

PATIENCE_S = 100.0
#: A dead raylet is known after some tenths of a second, instead of fifteen.
SOON = {
    "health_check_initial_delay_ms": 1000,
    "health_check_period_ms": 200,
    "health_check_timeout_ms": 2000,
    "health_check_failure_threshold": 3,
}
# The cluster is a child of this process, with a pipe to each side, and starts and ends workers as it likes.
# To start a worker takes a second of a processor, and this starts many: on a busy machine minutes.
pytestmark = [pytest.mark.mobula_leaves("process", "descriptor pipe"), pytest.mark.timeout(300)]


@pytest.fixture(autouse=True)
def _by_value() -> Iterator[None]:
    cloudpickle.register_pickle_by_value(sys.modules[__name__])  # the workers cannot import this module
    yield
    mobula.shutdown()
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


def join(cluster: Cluster, monkeypatch: pytest.MonkeyPatch, **options: Any) -> None:
    for name, value in cluster.environment.items():
        monkeypatch.setenv(name, value)
    mobula.init(address=cluster.address, **options)


def get(refs: Any) -> Any:
    return mobula.get(refs, timeout=PATIENCE_S)


def eventually(condition: Callable[[], Any]) -> Any:
    until = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < until
        time.sleep(0.02)
    return found


def lines(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []


def attempt(path: str, waits: int) -> int:
    """Notes its pid, and is there to be killed as often as said; then it returns which attempt it is."""
    with open(path, "a") as out:
        out.write(f"{os.getpid()}\n")
    with open(path) as notes:
        number = len(notes.read().split())
    if number <= waits:
        time.sleep(3600)
    return number


@mobula.remote(max_restarts=1, max_task_retries=0, num_cpus=0)
class Tally:
    def __init__(self) -> None:
        self.n = 0

    def add(self) -> tuple[int, str]:
        self.n += 1
        return self.n, mobula.get_runtime_context().get_node_id()

    def stop_here(self, path: str) -> None:
        attempt(path, 1)


def test_a_worker(one_node: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A task runs once more for each retry it has, and never again; its caller hears of the last death; others are not touched."""
    join(one_node, monkeypatch)
    path = tmp_path / "retried"
    retried = mobula.remote(max_retries=1)(attempt).remote(str(path), 1)
    os.kill(int(eventually(lambda: lines(path))[0]), signal.SIGKILL)
    assert get(retried) == 2
    path = tmp_path / "not"
    never = mobula.remote(max_retries=0)(attempt).remote(str(path), 9)
    other = mobula.remote(lambda: "alive")
    os.kill(int(eventually(lambda: lines(path))[0]), signal.SIGKILL)
    assert get(other.remote()) == "alive"
    with pytest.raises(mobula.exceptions.WorkerCrashedError):
        get(never)
    assert len(lines(path)) == 1
    # A call that runs when its actor's worker is killed is not run again, and the actor lives anew.
    tally, path = Tally.remote(), tmp_path / "actor"
    assert get(tally.add.remote())[0] == 1
    running = tally.stop_here.remote(str(path))
    os.kill(int(eventually(lambda: lines(path))[0]), signal.SIGKILL)
    with pytest.raises(mobula.exceptions.RayActorError):
        get(running)

    def again() -> bool:
        try:
            return bool(get(tally.add.remote())[0] == 1)
        except mobula.exceptions.ActorUnavailableError:
            return False

    eventually(again)
    assert len(lines(path)) == 1


@mobula.remote
def numbers(path: str, start: int) -> bytes:
    """A value for a store, of which the path tells how often it was made."""
    attempt(path, 0)
    return bytes([start]) * 500_000


@mobula.remote
def joined(*parts: bytes) -> bytes:
    return b"".join(parts)


@mobula.remote
def first_of(refs: list[Any]) -> int:
    return int(mobula.get(refs[0])[0])


@mobula.remote
def yields(path: str) -> Any:
    attempt(path, 0)
    for i in range(3):
        yield bytes([i]) * 300_000


def test_the_raylet_of_another_node(cluster_of: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What ran there runs again elsewhere where it may, or fails; what is here goes on; no call waits for ever."""
    nodes = {"num_cpus": 2}, {"num_cpus": 4, "resources": {"other": 2}}
    with cluster_of(*nodes, system_config=SOON) as cluster:
        join(cluster, monkeypatch)
        first, second = (node["node_id"] for node in cluster.nodes)
        soft = mobula.util.scheduling_strategies.NodeAffinitySchedulingStrategy(second, soft=True)

        def actor_there() -> Any:
            made = Tally.options(scheduling_strategy=soft).remote()
            return made if get(made.add.remote()) == (1, second) else None

        tally = eventually(actor_there)  # the GCS may not have heard of the node's resources
        path, stuck = tmp_path / "again", tmp_path / "stuck"
        again = mobula.remote(max_retries=3, scheduling_strategy=soft)(attempt).remote(str(path), 1)
        lost = mobula.remote(max_retries=0, resources={"other": 1})(attempt).remote(str(stuck), 9)
        eventually(lambda: lines(path) and lines(stuck))
        # Values whose only copy is on that node.
        made = numbers.options(scheduling_strategy=soft).remote(str(tmp_path / "made"), 1)
        put = mobula.put(b"p" * 500_000)
        of_made = joined.options(scheduling_strategy=soft).remote(made, put)
        once = numbers.options(scheduling_strategy=soft, max_retries=0).remote(str(tmp_path / "once"), 2)
        exhausted = joined.options(scheduling_strategy=soft, max_retries=0).remote(b"x" * 500_000)
        items = list(yields.options(scheduling_strategy=soft).remote(str(tmp_path / "items")))
        of_owner = mobula.get(mobula.remote(lambda: [mobula.put(b"o" * 500_000)]).options(scheduling_strategy=soft).remote())
        dropped = numbers.options(scheduling_strategy=soft).remote(str(tmp_path / "dropped"), 3)
        of_dropped = joined.options(scheduling_strategy=soft).remote(dropped)
        here = numbers.options(scheduling_strategy=soft).remote(str(tmp_path / "here"), 4)
        assert len(get(here)) == 500_000
        there = [made, of_made, once, exhausted, of_dropped, *items]
        assert not mobula.wait(there, num_returns=8, timeout=PATIENCE_S, fetch_local=False)[1]
        del dropped
        for pid in cluster.nodes[1]["pids"]["raylet"]:
            os.kill(pid, signal.SIGKILL)
        assert get(again) == 2
        with pytest.raises((mobula.exceptions.WorkerCrashedError, mobula.exceptions.NodeDiedError)):
            get(lost)

        def moved() -> bool:
            try:
                return bool(get(tally.add.remote()) == (1, first))
            except mobula.exceptions.ActorUnavailableError:
                return False

        eventually(moved)
        eventually(lambda: [node["Alive"] for node in mobula.nodes()].count(True) == 1)
        # They are made again where their functions may run again, arguments first.
        assert get(of_made) == b"\1" * 500_000 + b"p" * 500_000
        assert get(first_of.remote([made])) == 1
        assert get(of_dropped) == b"\3" * 500_000
        assert [get(ref)[0] for ref in items] == [0, 1, 2]
        assert [len(lines(tmp_path / name)) for name in ("made", "dropped", "items", "here", "once")] == [2, 2, 2, 1, 1]
        for lost in (once, exhausted):
            with pytest.raises(mobula.exceptions.ObjectLostError, match="node"):
                get(lost)
            with pytest.raises(mobula.exceptions.ObjectLostError):
                get(first_of.remote([lost]))
        with pytest.raises(mobula.exceptions.OwnerDiedError):
            get(of_owner)
        assert get(here)[0] == 4
        assert get(first_of.remote([here])) == 4
        assert get([mobula.remote(attempt).remote(str(tmp_path / str(i)), 0) for i in range(4)]) == [1] * 4
        mobula.shutdown()


DRIVER = """
import json, os, sys, time
import mobula
from mobula.util import placement_group

mobula.init(address=sys.argv[1], namespace="killed")
group = placement_group([{"CPU": 1}])
assert group.wait(60)
kept = mobula.put(b"x" * 5_000_000)

@mobula.remote(num_cpus=0, name="of-the-killed")
class Actor:
    def pid(self):
        return os.getpid()

@mobula.remote(num_cpus=1)
def hold(path, data):
    with open(path, "w") as out:
        out.write(str(os.getpid()))
    time.sleep(3600)

actor = Actor.remote()
running = hold.remote(sys.argv[2], kept)
from mobula import session
mine = session.started()
here = [int(pid) for pid in os.listdir("/proc") if pid.isdigit()]
def parent(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return int(stat.read().rsplit(")", 1)[1].split()[1])
    except OSError:
        return 0
print(json.dumps({"actor": mobula.get(actor.pid.remote()), "folder": mine.session_dir,
                  "core": [pid for pid in here if parent(pid) == os.getpid()]}), flush=True)
time.sleep(3600)
"""


def test_the_driver(one_node: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its job ends; its tasks, actors, groups and objects are gone and what they held is free; none of its own processes stays."""
    path = tmp_path / "holder"
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, one_node.address, str(path)],
        stdout=subprocess.PIPE,
        env={**os.environ, **one_node.environment},
    )
    try:
        assert driver.stdout is not None
        told = json.loads(driver.stdout.readline())
        holder = int(eventually(lambda: lines(path))[0])
    finally:
        driver.kill()
        driver.communicate()
    assert told["core"]
    pids = [*told["core"], told["actor"], holder]
    eventually(lambda: not [pid for pid in pids if os.path.exists(f"/proc/{pid}")])
    eventually(lambda: not os.path.exists(told["folder"]))
    join(one_node, monkeypatch, namespace="killed")
    with pytest.raises(ValueError, match="of-the-killed"):
        mobula.get_actor("of-the-killed")
    eventually(lambda: {one["state"] for one in mobula.util.placement_group_table().values()} <= {"REMOVED"})

    def all_free() -> bool:
        free, total = mobula.available_resources(), mobula.cluster_resources()
        return all(free.get(name) == amount for name, amount in total.items())

    eventually(all_free)
