"""The checks of placement groups, which need no core."""

from __future__ import annotations

import importlib
import math
import pickle
from typing import Any

import pytest

from mobula._core.ids import PlacementGroupID
from mobula.util import get_placement_group, placement_group
from mobula.util.placement_group import PlacementGroup

ONE = [{"CPU": 1}]


# What Ray 2.60 refuses with a ValueError, and below it what it takes and then never makes.
@pytest.mark.parametrize(
    ("bundles", "options"),
    [
        ([], {}),
        ([{}], {}),
        ([{"CPU": 0, "GPU": 0.0}], {}),
        ({"CPU": 1}, {}),
        (({"CPU": 1},), {}),
        (None, {}),
        ([1], {}),
        ([{"CPU": "1"}], {}),
        ([{1: 1}], {}),
        (ONE, {"strategy": "SOMEWHERE"}),
        (ONE, {"strategy": "PACK", "topology_strategy": {}}),
        (ONE, {"topology_strategy": []}),
        (ONE, {"topology_strategy": {"": "PACK"}}),
        (ONE, {"topology_strategy": {"ray.io/node-id": "SOMEWHERE"}}),
        (ONE, {"topology_strategy": {"rack": "PACK"}}),
        (ONE, {"topology_strategy": {"rack": "STRICT_PACK", "row": "STRICT_PACK"}}),
        (ONE, {"lifetime": "forever"}),
        (ONE, {"_soft_target_node_id": "abc", "strategy": "STRICT_PACK"}),
        (ONE, {"_soft_target_node_id": "ff" * 28, "strategy": "STRICT_PACK"}),
        (ONE, {"_soft_target_node_id": "aa" * 28}),
        (ONE, {"bundle_label_selector": []}),
        (ONE, {"bundle_label_selector": {"zone": "a"}}),
        (ONE, {"bundle_label_selector": [{"zone": "a"}, {"zone": "a"}]}),
        (ONE, {"bundle_label_selector": ["zone"]}),
        (ONE, {"bundle_label_selector": [{1: "a"}]}),
        (ONE, {"bundle_label_selector": [{"zone": 1}]}),
        (ONE, {"bundle_label_selector": [{"z one": "a"}]}),
        ([{"CPU": -1}], {}),
        ([{"CPU": math.nan}], {}),
        ([{"CPU": math.inf}], {}),
        ([{"CPU": 0.00001}], {}),
        ([{"GPU": 1.5}], {}),
        ([{"bundle": 1}], {}),
        ([{"": 1}], {}),
    ],
    ids=str,
)
def test_what_is_no_group(bundles: Any, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        placement_group(bundles, **options)


def test_a_name_is_not_empty() -> None:
    with pytest.raises(ValueError, match="not empty"):
        get_placement_group("")


def test_the_empty_group() -> None:
    empty = PlacementGroup.empty()
    assert (empty.is_empty, empty.bundle_specs, empty.bundle_count) == (True, [], 0)
    assert pickle.loads(pickle.dumps(empty)) == empty
    with pytest.raises(ValueError, match="does not exist"):
        empty.wait(0)


def test_handles_are_what_their_ids_are() -> None:
    one, two = (PlacementGroup(PlacementGroupID(bytes([n]) * 18), [{"CPU": 1.0}]) for n in (1, 2))
    assert one == PlacementGroup(one.id)
    assert len({one, two, PlacementGroup(one.id)}) == 2
    assert one != two
    assert one != one.id
    assert one.id.hex() in repr(one)


def test_the_function_is_found_whatever_is_imported_first() -> None:
    module = importlib.import_module("mobula.util.placement_group")
    util = importlib.import_module("mobula.util")
    assert util.placement_group is module.placement_group
