"""nodes(): Ray's keys, and the same answer to whoever asks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mobula

RAYS_KEYS = {
    "NodeID", "Alive", "NodeManagerAddress", "NodeManagerHostname", "NodeManagerPort", "ObjectManagerPort",
    "ObjectStoreSocketName", "RayletSocketName", "MetricsExportPort", "MetricsAgentPort", "DashboardAgentListenPort", "NodeName",
    "RuntimeEnvAgentPort", "DeathReason", "DeathReasonMessage", "alive", "Resources", "Labels",
}  # fmt: skip


def test_a_task_sees_the_machine_as_its_driver_does(fresh: Callable[..., Any]) -> None:
    fresh(num_cpus=3, labels={"zone": "a"}, _node_name="here")
    [mine] = mobula.nodes()
    assert mine.keys() == RAYS_KEYS
    assert mine["NodeName"] == "here"
    assert mine["Labels"] == {"zone": "a", "ray.io/node-id": mine["NodeID"]}
    assert mine["Resources"] == mobula.cluster_resources()
    assert mine["Resources"]["CPU"] == 3
    assert mobula.get(mobula.remote(mobula.nodes).remote()) == [mine]
    assert mobula.get_runtime_context().get_node_id() == mine["NodeID"]
