"""A driver beside the first of two nodes: what runs on the second, and values that go there and back."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import cloudpickle
import pytest

import mobula
from conftest import Cluster

PATIENCE_S = 60.0
# The cluster is a child of this process, with a pipe to each side, and starts and ends workers as it likes.
pytestmark = [pytest.mark.mobula_leaves("process", "descriptor pipe")]


@pytest.fixture(autouse=True)
def joined(two_nodes: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in two_nodes.environment.items():
        monkeypatch.setenv(name, value)
    cloudpickle.register_pickle_by_value(sys.modules[__name__])  # the workers cannot import this module
    mobula.init(address=two_nodes.address)
    try:
        yield
    finally:
        mobula.shutdown()
        cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


def there(x: bytes) -> tuple[str, bytes]:
    return mobula.get_runtime_context().get_node_id(), x + b"!"


def test_values_go_to_the_other_node_and_back(two_nodes: Cluster) -> None:
    second = two_nodes.nodes[1]["node_id"]
    assert {node["NodeID"] for node in mobula.nodes()} == {node["node_id"] for node in two_nodes.nodes}
    at_second = mobula.remote(resources={"other": 1}, num_returns=2)(there)
    big = mobula.put(b"b" * 2_000_000)
    node, made = at_second.remote(big)
    assert mobula.get(node, timeout=PATIENCE_S) == second
    # What was made there goes to the first node by reference, then here.
    back = mobula.remote(resources={"node:" + two_nodes.nodes[0]["ip"]: 0.001}, num_returns=2)(there)
    node, made = back.remote(made)
    assert mobula.get([node, made], timeout=PATIENCE_S) == [two_nodes.nodes[0]["node_id"], b"b" * 2_000_000 + b"!!"]
