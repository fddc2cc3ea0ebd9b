"""Where a task or actor is to run: what `scheduling_strategy=` takes beside None, "DEFAULT" and "SPREAD".

Owns the strategies' values, their checks and the fields of a TaskSpec that they become. `mobula.util.scheduling_strategies` is
where people import them from, as in Ray.
"""

from __future__ import annotations

from typing import Any

from mobula._core.ids import NodeID


class NodeAffinitySchedulingStrategy:
    """Runs a task or actor on one node, named by its id in hex.

    With `soft=False` it fails with TaskUnschedulableError or ActorUnschedulableError where there is no such node; with
    `soft=True` it then runs on another. Where the node is there, it waits for the node's resources.

    Raises ValueError for what is no node id.

    >>> import mobula
    >>> from mobula.util.scheduling_strategies import NodeAffinitySchedulingStrategy
    >>> @mobula.remote
    ... def where() -> str:
    ...     return mobula.get_runtime_context().get_node_id()
    >>> here = mobula.nodes()[0]["NodeID"]
    >>> mobula.get(where.options(scheduling_strategy=NodeAffinitySchedulingStrategy(here, soft=False)).remote()) == here
    True
    """

    def __init__(
        self, node_id: str | NodeID, soft: bool, _spill_on_unavailable: bool = False, _fail_on_unavailable: bool = False
    ) -> None:
        self.node_id: str = node_id if isinstance(node_id, str) else node_id.hex()
        self.soft = soft
        self._spill_on_unavailable = _spill_on_unavailable
        self._fail_on_unavailable = _fail_on_unavailable
        try:
            nil = NodeID.from_hex(self.node_id).is_nil()
        except ValueError as error:
            raise ValueError(f"{self.node_id!r} is not a node id in hex: nodes() lists those there are") from error
        if nil:
            raise ValueError(f"{self.node_id!r} is the id of no node: nodes() lists those there are")
        if _spill_on_unavailable and not soft:
            raise ValueError("_spill_on_unavailable=True needs soft=True: it sends work to another node")
        if _fail_on_unavailable and soft:
            raise ValueError("_fail_on_unavailable=True needs soft=False: soft work runs elsewhere instead")
        if _fail_on_unavailable:
            raise NotImplementedError("_fail_on_unavailable=True: failing while a node is busy is not built into mobula yet")

    def __repr__(self) -> str:
        return f"NodeAffinitySchedulingStrategy(node_id={self.node_id!r}, soft={self.soft!r})"


def spec_fields(strategy: object) -> dict[str, Any]:
    """What a scheduling strategy adds to a TaskSpec, by field."""
    if isinstance(strategy, NodeAffinitySchedulingStrategy):
        return {"node": bytes.fromhex(strategy.node_id), "node_soft": bool(strategy.soft)}
    return {}  # of one node, DEFAULT and SPREAD choose the same
