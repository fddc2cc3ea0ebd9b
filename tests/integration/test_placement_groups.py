"""Placement groups beyond what the conformance cases ask: names of resources, captured children, lending, pickles, owners."""

from __future__ import annotations

import pickle
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import mobula
from mobula import PlacementGroupID
from mobula.util import (
    get_current_placement_group,
    get_placement_group,
    placement_group,
    placement_group_table,
    remove_placement_group,
)
from mobula.util.placement_group import PlacementGroup
from mobula.util.scheduling_strategies import PlacementGroupSchedulingStrategy as InGroup

pytestmark = pytest.mark.usefixtures("shared")


@pytest.fixture
def group() -> Iterator[Callable[..., PlacementGroup]]:
    made: list[PlacementGroup] = []

    def make(*bundles: dict[str, float], **options: Any) -> PlacementGroup:
        made.append(placement_group(list(bundles), **options))
        return made[-1]

    yield make
    for one in made:
        remove_placement_group(one)
    eventually(lambda: mobula.available_resources().get("CPU") == 4)


def eventually(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, condition
        time.sleep(0.005)


@mobula.remote
def where() -> tuple[str | None, dict[str, float], bool]:
    context = mobula.get_runtime_context()
    return (
        context.get_placement_group_id(),
        context.get_assigned_resources(),
        context.should_capture_child_tasks_in_placement_group,
    )


@mobula.remote
def parent(options: dict[str, Any]) -> Any:
    return mobula.get(where.options(**options).remote())


@mobula.remote
class Keeper:
    def __init__(self) -> None:
        self.group: PlacementGroup | None = None

    def make(self, **options: Any) -> PlacementGroup:
        self.group = placement_group([{"CPU": 1}], **options)
        return self.group

    def in_thread(self) -> Any:
        found: list[Any] = []
        thread = threading.Thread(target=lambda: found.append(get_current_placement_group()))
        thread.start()
        thread.join()
        return found[0]

    def child(self) -> Any:
        return mobula.get(where.remote())

    def ping(self) -> str:
        return "pong"


def test_reserved_resources_have_names_of_their_own(group: Any) -> None:
    pg = group({"CPU": 1}, {"CPU": 2})
    name = pg.id.hex()
    assert pg.wait(30)
    expected = {f"CPU_group_{name}": 3, f"CPU_group_0_{name}": 1, f"CPU_group_1_{name}": 2}
    slots = {f"bundle_group_{name}": 2000, f"bundle_group_0_{name}": 1000, f"bundle_group_1_{name}": 1000}
    for all_of_it in (mobula.cluster_resources(), mobula.available_resources()):
        assert {key: amount for key, amount in all_of_it.items() if name in key} == {**expected, **slots}
    assert mobula.cluster_resources()["CPU"] == 4
    assert mobula.available_resources()["CPU"] == 1
    assert not [key for key in mobula.nodes()[0]["Resources"] if "group" in key]
    keeper = Keeper.options(num_cpus=1, scheduling_strategy=InGroup(pg, 1)).remote()
    mobula.get(keeper.ping.remote())
    free = mobula.available_resources()
    assert (free[f"CPU_group_1_{name}"], free[f"CPU_group_{name}"], free["CPU"]) == (1, 2, 1)
    assert free[f"bundle_group_1_{name}"] == pytest.approx(999.999)


def test_what_the_runtime_context_tells(group: Any) -> None:
    pg = group({"CPU": 2})
    assert mobula.get(where.options(num_cpus=2, scheduling_strategy=InGroup(pg)).remote()) == (pg.id.hex(), {"CPU": 2.0}, False)
    captured = InGroup(pg, placement_group_capture_child_tasks=True)
    assert mobula.get(where.options(num_cpus=0, scheduling_strategy=captured).remote()) == (pg.id.hex(), {}, True)
    assert mobula.get(where.options(scheduling_strategy=InGroup(None)).remote())[0] is None
    assert mobula.get(where.options(scheduling_strategy=InGroup(PlacementGroup.empty())).remote())[0] is None


def test_children_leave_a_capturing_group_when_they_say_so(group: Any) -> None:
    pg = group({"CPU": 1})  # the parent lends its one CPU to the child
    inside = parent.options(scheduling_strategy=InGroup(pg, placement_group_capture_child_tasks=True))
    for options, expected in (
        ({}, (pg.id.hex(), True)),
        ({"scheduling_strategy": "DEFAULT"}, (None, False)),
        ({"scheduling_strategy": InGroup(None)}, (None, False)),
        ({"placement_group": None}, (None, False)),
        ({"scheduling_strategy": InGroup(pg)}, (pg.id.hex(), True)),
        ({"scheduling_strategy": InGroup(pg, placement_group_capture_child_tasks=False)}, (pg.id.hex(), False)),
    ):
        found = mobula.get(inside.remote(options), timeout=30)
        assert (found[0], found[2]) == expected, options
    with pytest.raises(ValueError, match="cannot fit"):
        mobula.get(inside.remote({"num_cpus": 2}), timeout=30)


def test_an_actor_captures_for_all_its_code(group: Any) -> None:
    pg = group({"CPU": 2})
    captured = InGroup(pg, placement_group_capture_child_tasks=True)
    keeper = Keeper.options(num_cpus=1, scheduling_strategy=captured).remote()
    assert mobula.get(keeper.in_thread.remote(), timeout=30) == pg
    assert mobula.get(keeper.child.remote(), timeout=30)[0] == pg.id.hex()
    assert get_current_placement_group() is None


def test_a_worker_that_was_in_a_group_is_in_none_afterwards(group: Any) -> None:
    pg = group({"CPU": 1})
    inside = where.options(scheduling_strategy=InGroup(pg, placement_group_capture_child_tasks=True))
    for _ in range(5):
        assert mobula.get(inside.remote())[0] == pg.id.hex()
        assert mobula.get(parent.remote({}))[0] is None


def test_handles_travel(group: Any) -> None:
    pg = group({"CPU": 1}, {"CPU": 0.5, "GPU": 0}, name="travels")
    again = pickle.loads(pickle.dumps(pg))
    assert (again, hash(again), again.bundle_specs) == (pg, hash(pg), [{"CPU": 1.0}, {"CPU": 0.5, "GPU": 0.0}])
    found = get_placement_group("travels")
    assert (found, found.bundle_count, found.bundle_specs) == (pg, 2, [{"CPU": 1.0}, {"CPU": 0.5}])
    assert pg.id.hex() in placement_group_table()
    assert placement_group_table(PlacementGroup.empty()) == {}
    assert mobula.get(PlacementGroup.empty().ready()) == PlacementGroup.empty()


def test_a_group_that_nobody_knows_is_refused() -> None:
    unknown = PlacementGroup(PlacementGroupID(b"u" * 18))
    with pytest.raises(ValueError, match="not known"):
        where.options(scheduling_strategy=InGroup(unknown)).remote()
    remove_placement_group(unknown)
    assert placement_group_table(unknown) == {}


def test_names_are_taken_once(group: Any) -> None:
    pg = group({"CPU": 1}, name="one of a kind")
    with pytest.raises(mobula.exceptions.RaySystemError, match="one of a kind"):
        group({"CPU": 1}, name="one of a kind")
    remove_placement_group(pg)
    with pytest.raises(ValueError, match="one of a kind"):
        get_placement_group("one of a kind")
    assert group({"CPU": 1}, name="one of a kind").wait(30)


def test_a_removed_group_is_neither_ready_nor_waited_for(group: Any) -> None:
    pg = group({"CPU": 1})
    assert pg.wait(30)
    assert pg.wait(-1)
    remove_placement_group(pg)
    with pytest.raises(mobula.exceptions.TaskPlacementGroupRemoved):
        mobula.get(pg.ready())
    with pytest.raises(ValueError, match="does not exist"):
        pg.wait(5)
    entry = placement_group_table(pg)
    assert (entry["state"], entry["stats"]["scheduling_state"]) == ("REMOVED", "REMOVED")


def test_a_pending_group_tells_why(group: Any) -> None:
    never, later = group({"CPU": 1}, {"CPU": 1}, strategy="STRICT_SPREAD"), group({"CPU": 4})
    entry = placement_group_table(never)
    assert (entry["state"], entry["stats"]["scheduling_state"]) == ("PENDING", "INFEASIBLE")
    assert entry["bundles_to_node_id"] == {0: "", 1: ""}
    assert later.wait(30)
    waiting = group({"CPU": 1})
    assert waiting.wait(0) is False
    assert placement_group_table(waiting)["stats"]["scheduling_state"] == "NO_RESOURCES"


def test_the_running_are_told_what_ended_them(group: Any, tmp_path: Path) -> None:
    pg = group({"CPU": 2})
    keeper = Keeper.options(num_cpus=1, max_restarts=-1, scheduling_strategy=InGroup(pg)).remote()
    mobula.get(keeper.ping.remote())
    began = tmp_path / "began"
    running = mobula.remote(max_retries=0)(_sleep).options(scheduling_strategy=InGroup(pg)).remote(began)
    eventually(began.exists)
    remove_placement_group(pg)
    with pytest.raises(mobula.exceptions.WorkerCrashedError, match=f"placement group {pg.id.hex()} was removed"):
        mobula.get(running, timeout=30)
    with pytest.raises(mobula.exceptions.ActorDiedError, match=f"placement group {pg.id.hex()} was removed"):
        mobula.get(keeper.ping.remote(), timeout=30)


def _sleep(began: Path) -> None:
    began.touch()
    while True:
        time.sleep(1)


def test_a_group_ends_with_the_detached_actor_that_made_it() -> None:
    def state(one: PlacementGroup) -> Any:
        return placement_group_table(one)["state"]

    groups = {}
    for lifetime in (None, "detached"):
        keeper = Keeper.options(name=f"keeper {lifetime}", lifetime=lifetime).remote()
        for of_group in (None, "detached"):
            pg = mobula.get(keeper.make.remote(lifetime=of_group), timeout=30)
            assert pg.wait(30)
            groups[lifetime, of_group] = pg
        mobula.kill(keeper)
    eventually(lambda: state(groups["detached", None]) == "REMOVED")
    rest = [groups[None, None], groups[None, "detached"], groups["detached", "detached"]]
    assert [state(one) for one in rest] == ["CREATED"] * 3
    for one in rest:
        remove_placement_group(one)
    eventually(lambda: mobula.available_resources().get("CPU") == 4)


def test_the_older_options(group: Any) -> None:
    pg = group({"CPU": 1}, {"CPU": 2})
    with pytest.warns(DeprecationWarning, match="scheduling_strategy"):
        one = where.options(placement_group=pg, placement_group_bundle_index=1, num_cpus=2)
    assert mobula.get(one.remote())[:2] == (pg.id.hex(), {"CPU": 2.0})
    with pytest.raises(ValueError, match="exclude"):
        where.options(placement_group=pg, scheduling_strategy=InGroup(pg))
    with pytest.raises(ValueError, match="bundle index"):
        where.options(placement_group_bundle_index=1).remote()
    with pytest.raises(AssertionError, match="placement_group"):
        where.options(scheduling_strategy=InGroup("a group")).remote()  # type: ignore[arg-type]


def test_many_groups_come_and_go(group: Any) -> None:
    before = mobula.session.process().inspect()
    for _ in range(200):
        pg = placement_group([{"CPU": 2}, {"CPU": 2}])
        assert pg.wait(30)
        assert mobula.get(where.options(scheduling_strategy=InGroup(pg)).remote(), timeout=30)[0] == pg.id.hex()
        remove_placement_group(pg)
    eventually(lambda: mobula.session.process().inspect().objects <= before.objects)
