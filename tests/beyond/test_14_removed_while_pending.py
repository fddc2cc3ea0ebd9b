"""Row 14, an addition. Ray 2.60: a task queued in a placement group that is removed while it is pending hangs, as does one
that is submitted later, or is to be tried again. Here each of them fails at once and says why.
"""

from __future__ import annotations

import time
from typing import Any

import pytest
from beyond_kit import PROMPT_S, Flags, until

import mobula
from mobula.util import placement_group, remove_placement_group
from mobula.util.scheduling_strategies import PlacementGroupSchedulingStrategy as InGroup

Removed = mobula.exceptions.TaskPlacementGroupRemoved
ActorRemoved = mobula.exceptions.ActorPlacementGroupRemoved


@mobula.remote
def ping() -> str:
    return "pong"


@mobula.remote
class Actor:
    def ping(self) -> str:
        return "pong"


@mobula.remote(max_retries=3)
def hold(flags: Flags) -> None:
    flags.up("held")
    flags.wait("never")


def fails_at_once(error: type[Exception], ref: Any, group: Any) -> None:
    began = time.monotonic()
    with pytest.raises(error, match=f"placement group {group.id.hex()} was removed"):
        mobula.get(ref, timeout=30)
    assert time.monotonic() - began < PROMPT_S


@pytest.mark.parametrize(
    ("bundles", "strategy"), [([{"CPU": 100}], "PACK"), ([{"CPU": 1}, {"CPU": 1}], "STRICT_SPREAD")], ids=["too-large", "spread"]
)
def test_what_is_queued_in_a_group_that_is_never_made(bundles: list[dict[str, float]], strategy: str) -> None:
    group = placement_group(bundles, strategy=strategy)
    task = ping.options(scheduling_strategy=InGroup(group)).remote()
    actor = Actor.options(scheduling_strategy=InGroup(group)).remote()
    call = actor.ping.remote()
    ready = group.ready()
    behind = ping.options(scheduling_strategy=InGroup(group)).remote
    assert mobula.wait([task, call, ready], num_returns=3, timeout=0.2)[0] == []
    remove_placement_group(group)
    for error, ref in ((Removed, task), (ActorRemoved, call), (Removed, ready), (Removed, behind())):
        fails_at_once(error, ref, group)
    fails_at_once(ActorRemoved, Actor.options(scheduling_strategy=InGroup(group)).remote().ping.remote(), group)


def test_a_group_that_waits_for_room() -> None:
    first = placement_group([{"CPU": 3}])
    assert first.wait(30)
    second = placement_group([{"CPU": 3}])
    task = ping.options(scheduling_strategy=InGroup(second)).remote()
    assert mobula.wait([task], timeout=0.2)[0] == []
    remove_placement_group(second)
    fails_at_once(Removed, task, second)
    remove_placement_group(first)


def test_a_running_task_has_nowhere_to_be_tried_again(flags: Flags) -> None:
    group = placement_group([{"CPU": 1}])
    running = hold.options(scheduling_strategy=InGroup(group)).remote(flags)
    queued = ping.options(scheduling_strategy=InGroup(group)).remote()
    flags.wait("held")
    remove_placement_group(group)
    for ref in (running, queued):
        fails_at_once(Removed, ref, group)
    until("the resources are back", lambda: mobula.available_resources().get("CPU") == 4)


def test_a_call_that_cannot_fit_the_bundle_it_names_is_refused() -> None:
    group = placement_group([{"CPU": 1}, {"CPU": 2}])  # Ray lets it wait for ever: another bundle is large enough
    with pytest.raises(ValueError, match="cannot fit"):
        ping.options(num_cpus=2, scheduling_strategy=InGroup(group, 0)).remote()
    assert mobula.get(ping.options(num_cpus=2, scheduling_strategy=InGroup(group, 1)).remote(), timeout=30) == "pong"
    remove_placement_group(group)
