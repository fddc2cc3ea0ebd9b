"""Labels of the one machine, and what asks for them: it runs where they fit, and else waits and says so."""

from __future__ import annotations

from typing import Any

import pytest

import mobula
from mobula.util import placement_group, placement_group_table, remove_placement_group
from mobula.util.scheduling_strategies import DoesNotExist, Exists, In, NodeLabelSchedulingStrategy, NotIn


@pytest.fixture(scope="module", autouse=True)
def _session() -> Any:
    mobula.init(num_cpus=2, labels={"zone": "a", "example.org/kind": "small"})
    yield
    mobula.shutdown()


@mobula.remote
def labels() -> dict[str, str]:
    return mobula.get_runtime_context().get_node_labels()


@mobula.remote
class Actor:
    def ping(self) -> str:
        return "pong"


def test_every_process_knows_them() -> None:
    expected = {"zone": "a", "example.org/kind": "small", "ray.io/node-id": mobula.nodes()[0]["NodeID"]}
    assert mobula.nodes()[0]["Labels"] == expected
    assert mobula.get_runtime_context().get_node_labels() == expected
    assert mobula.get(labels.remote()) == expected


@pytest.mark.parametrize(
    ("selector", "fits"),
    [
        ({"zone": "a"}, True),
        ({"zone": "b"}, False),
        ({"zone": "!b"}, True),
        ({"zone": "!a"}, False),
        ({"zone": "in(b, a)"}, True),
        ({"zone": "!in(b,a)"}, False),
        ({"zone": ""}, False),
        ({"nothing": "a"}, False),
        ({"nothing": "!a"}, True),
        ({"zone": "a", "example.org/kind": "large"}, False),
    ],
    ids=str,
)
def test_a_label_selector(selector: dict[str, str], fits: bool) -> None:
    ref = labels.options(label_selector=selector).remote()
    assert bool(mobula.wait([ref], timeout=30 if fits else 0.2)[0]) is fits
    mobula.cancel(ref)


def test_fallbacks_are_taken_in_turn() -> None:
    first = {"zone": "b"}
    for fallback, fits in (([{"label_selector": {"zone": "a"}}], True), ([{"label_selector": {"zone": "c"}}], False)):
        ref = labels.options(label_selector=first, fallback_strategy=fallback).remote()
        assert bool(mobula.wait([ref], timeout=30 if fits else 0.2)[0]) is fits
        mobula.cancel(ref)


@pytest.mark.parametrize(
    ("hard", "soft", "fits"),
    [
        ({"zone": In("a", "b")}, None, True),
        ({"zone": In("b")}, None, False),
        ({"zone": NotIn("a")}, None, False),
        ({"zone": Exists()}, {"zone": In("b")}, True),
        ({"zone": DoesNotExist()}, None, False),
        ({"nothing": NotIn("a")}, None, True),
        ({}, {"zone": In("b")}, True),
    ],
    ids=["in", "not in in", "not-in", "exists", "does-not-exist", "nothing is not in", "soft"],
)
def test_the_strategy(hard: Any, soft: Any, fits: bool) -> None:
    ref = labels.options(scheduling_strategy=NodeLabelSchedulingStrategy(hard, soft=soft)).remote()
    assert bool(mobula.wait([ref], timeout=30 if fits else 0.2)[0]) is fits
    mobula.cancel(ref)


def test_an_actor_that_waits_holds_nobody_back() -> None:
    actor = Actor.options(label_selector={"zone": "b"}).remote()
    call = actor.ping.remote()
    assert mobula.wait([call], timeout=0.2)[0] == []
    assert mobula.get(Actor.options(label_selector={"zone": "a"}).remote().ping.remote(), timeout=30) == "pong"
    mobula.kill(actor)
    with pytest.raises(mobula.exceptions.ActorDiedError):
        mobula.get(call, timeout=30)


def test_bundles_ask_for_labels_too() -> None:
    fits = placement_group([{"CPU": 1}, {"CPU": 1}], bundle_label_selector=[{"zone": "a"}, {"zone": "!b"}])
    assert fits.wait(30)
    remove_placement_group(fits)
    never = placement_group([{"CPU": 1}, {"CPU": 1}], bundle_label_selector=[{"zone": "a"}, {"zone": "b"}])
    assert never.wait(0.2) is False
    assert placement_group_table(never)["stats"]["scheduling_state"] == "INFEASIBLE"
    remove_placement_group(never)


@pytest.mark.parametrize(
    ("topology", "fits"),
    [
        ({"zone": "STRICT_PACK"}, True),
        ({"zone": "STRICT_PACK", "ray.io/node-id": "SPREAD"}, True),
        ({"zone": "STRICT_PACK", "ray.io/node-id": "STRICT_SPREAD"}, False),
        ({"rack": "STRICT_PACK"}, False),
    ],
    ids=str,
)
def test_bundles_that_share_a_label(topology: dict[str, str], fits: bool) -> None:
    group = placement_group([{"CPU": 0.5}, {"CPU": 0.5}], topology_strategy=topology)
    assert group.wait(30 if fits else 0) is fits
    table = placement_group_table(group)
    assert table["strategy"] == topology.get("ray.io/node-id", "PACK")
    assert table["stats"]["scheduling_state"] == ("FINISHED" if fits else "INFEASIBLE")
    remove_placement_group(group)
