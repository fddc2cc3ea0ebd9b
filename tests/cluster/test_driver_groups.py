"""Placement groups over two nodes, and label selectors: where bundles are, what runs in them, what becomes of it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import cloudpickle
import pytest

import mobula
from conftest import Cluster
from mobula.util import (
    get_current_placement_group,
    get_placement_group,
    placement_group,
    placement_group_table,
    remove_placement_group,
)
from mobula.util.scheduling_strategies import PlacementGroupSchedulingStrategy as InGroup

PATIENCE_S = 100.0


@pytest.fixture(scope="module")
def joined(two_nodes: Cluster) -> Iterator[Cluster]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in two_nodes.environment.items():
            patch.setenv(name, value)
        cloudpickle.register_pickle_by_value(sys.modules[__name__])  # the workers cannot import this module
        mobula.init(address=two_nodes.address, namespace="groups")
        try:
            yield two_nodes
        finally:
            mobula.shutdown()
            cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


# The cluster is a child of this process, with a pipe to each side, and starts and ends workers as it likes.
# To start a worker takes a second of a processor: on a busy machine many.
pytestmark = [pytest.mark.usefixtures("joined"), pytest.mark.mobula_leaves("process", "descriptor pipe"), pytest.mark.timeout(300)]


def get(refs: Any) -> Any:
    return mobula.get(refs, timeout=PATIENCE_S)


def eventually(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.fixture
def group() -> Iterator[Callable[..., Any]]:
    made = []

    def make(*given: Any, **named: Any) -> Any:
        made.append(placement_group(*given, **named))
        return made[-1]

    yield make
    for one in made:
        remove_placement_group(one)


@mobula.remote(num_cpus=1)
def where() -> tuple[str, Any]:
    return mobula.get_runtime_context().get_node_id(), get_current_placement_group()


@mobula.remote(num_cpus=1)
def parent() -> tuple[str, Any]:
    found: tuple[str, Any] = mobula.get(where.remote())
    return found


@mobula.remote(num_cpus=1)
class Actor:
    def where(self) -> tuple[str, Any]:
        return mobula.get_runtime_context().get_node_id(), get_current_placement_group()


def test_bundles_lie_on_two_nodes_and_calls_run_in_theirs(joined: Cluster, group: Callable[..., Any]) -> None:
    spread = group([{"CPU": 1}, {"CPU": 1}], strategy="STRICT_SPREAD", name="spread")
    assert get(spread.ready()) == spread
    entry = placement_group_table(spread)
    assert entry["state"] == "CREATED"
    assert entry["stats"]["scheduling_state"] == "FINISHED"
    nodes = entry["bundles_to_node_id"]
    assert set(nodes.values()) == {node["node_id"] for node in joined.nodes}
    for bundle in (0, 1):
        there = where.options(scheduling_strategy=InGroup(spread, bundle)).remote()
        assert get(there) == (nodes[bundle], spread)
    actor = Actor.options(scheduling_strategy=InGroup(spread, 1)).remote()
    assert get(actor.where.remote()) == (nodes[1], spread)
    assert get_placement_group("spread") == spread
    assert get_current_placement_group() is None
    with pytest.raises(ValueError, match="fit"):
        where.options(num_cpus=2, scheduling_strategy=InGroup(spread)).remote()


def test_children_are_captured_only_when_asked_for(group: Callable[..., Any]) -> None:
    pair = group([{"CPU": 2}])
    assert pair.wait(PATIENCE_S)
    for capture, there in ((True, pair), (False, None)):
        strategy = InGroup(pair, placement_group_capture_child_tasks=capture)
        assert get(parent.options(scheduling_strategy=strategy).remote())[1] == there


def test_a_group_waits_for_room_and_removal_ends_what_is_in_it(group: Callable[..., Any]) -> None:
    first = group([{"CPU": 2}, {"CPU": 2}])
    assert first.wait(PATIENCE_S)
    second = group([{"CPU": 2}, {"CPU": 2}])
    assert second.wait(0.2) is False
    actor = Actor.options(scheduling_strategy=InGroup(first, 0)).remote()
    assert get(actor.where.remote())[1] == first
    waiting = [where.options(max_retries=0, num_cpus=2, scheduling_strategy=InGroup(first, 0)).remote() for _ in range(2)]
    remove_placement_group(first)
    for ref in (*waiting, actor.where.remote()):
        with pytest.raises(mobula.exceptions.RayError):
            get(ref)
    assert second.wait(PATIENCE_S)
    eventually(lambda: placement_group_table(first)["state"] == "REMOVED")
    with pytest.raises(ValueError, match="removed"):
        first.wait(PATIENCE_S)
    with pytest.raises(mobula.exceptions.TaskPlacementGroupRemoved):
        get(first.ready())


def test_a_name_is_taken_once(group: Callable[..., Any]) -> None:
    group([{"CPU": 1}], name="once")
    with pytest.raises(mobula.exceptions.RaySystemError, match="once"):
        group([{"CPU": 1}], name="once")


def test_label_selectors(joined: Cluster, group: Callable[..., Any]) -> None:
    second = joined.nodes[1]["node_id"]
    assert get(where.options(label_selector={"rack": "b"}).remote())[0] == second
    assert get(where.options(label_selector={"rack": "!b"}).remote())[0] == joined.nodes[0]["node_id"]
    labelled = group([{"CPU": 1}], bundle_label_selector=[{"rack": "in(a,b)"}])
    assert get(where.options(scheduling_strategy=InGroup(labelled)).remote()) == (second, labelled)
