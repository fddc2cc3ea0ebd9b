"""Where a task or actor is to run: what `scheduling_strategy=` takes beside None, "DEFAULT" and "SPREAD".

Owns the strategies' values, their checks and the fields of a TaskSpec that they become. `mobula.util.scheduling_strategies` is
where people import them from, as in Ray.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mobula import labels
from mobula._core.ids import NodeID

if TYPE_CHECKING:
    from mobula._core.pb import boundary_pb2 as pb
    from mobula.placement_group import PlacementGroup


class PlacementGroupSchedulingStrategy:
    """Runs a task or actor in a placement group: on the resources that one of its bundles has reserved.

    `placement_group_bundle_index` names the bundle; -1 takes any that has room. With
    `placement_group_capture_child_tasks=True`, what the task submits without a strategy of its own runs in the group too;
    None does as the submitting task does. `placement_group=None` is no group.

    >>> import mobula
    >>> from mobula.util import placement_group, remove_placement_group
    >>> from mobula.util.scheduling_strategies import PlacementGroupSchedulingStrategy
    >>> group = placement_group([{"CPU": 1}])
    >>> @mobula.remote
    ... def inside() -> str | None:
    ...     return mobula.get_runtime_context().get_placement_group_id()
    >>> strategy = PlacementGroupSchedulingStrategy(placement_group=group)
    >>> mobula.get(inside.options(scheduling_strategy=strategy).remote()) == group.id.hex()
    True
    >>> remove_placement_group(group)
    """

    def __init__(
        self,
        placement_group: PlacementGroup | None,
        placement_group_bundle_index: int = -1,
        placement_group_capture_child_tasks: bool | None = None,
    ) -> None:
        self.placement_group = placement_group
        self.placement_group_bundle_index = placement_group_bundle_index
        self.placement_group_capture_child_tasks = placement_group_capture_child_tasks


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


class NodeLabelSchedulingStrategy:
    """Runs a task or actor on a machine whose labels fit: `hard` must, `soft` should.

    Both are dicts of label to `In(…)`, `NotIn(…)`, `Exists()` or `DoesNotExist()`. What fits no machine waits for one that it
    fits. Raises ValueError for anything else, and where both are empty.

    >>> from mobula.util.scheduling_strategies import In, NodeLabelSchedulingStrategy
    >>> NodeLabelSchedulingStrategy({"zone": In("a", "b")}).hard[0].key
    'zone'
    """

    def __init__(self, hard: dict[str, labels.Operator] | None, *, soft: dict[str, labels.Operator] | None = None) -> None:
        self.hard = _expressions("hard", hard)
        self.soft = _expressions("soft", soft)
        if not self.hard and not self.soft:
            raise ValueError("NodeLabelSchedulingStrategy needs a condition: hard and soft cannot both be empty")


class LabelExpression:
    """One condition of a NodeLabelSchedulingStrategy: a label's key, and what is asked of it."""

    def __init__(self, key: str, operator: labels.Operator) -> None:
        self.key = key
        self.operator = operator


def _expressions(what: str, given: Any) -> list[LabelExpression]:
    if given is None:
        return []
    if not isinstance(given, dict):
        raise ValueError(f"NodeLabelSchedulingStrategy({what}=): takes a dict like {{'zone': In('a')}}, not {given!r}")
    for key, operator in given.items():
        if not isinstance(key, str):
            raise ValueError(f"NodeLabelSchedulingStrategy({what}=): a label's key is a str, not {key!r}")
        if not isinstance(operator, labels.OPERATORS):
            raise ValueError(
                f"NodeLabelSchedulingStrategy({what}=): label {key!r} takes In(…), NotIn(…), Exists() or DoesNotExist(), "
                f"not {operator!r}"
            )
    return [LabelExpression(key, operator) for key, operator in given.items()]


def spec_fields(options: Mapping[str, Any]) -> dict[str, Any]:
    """What the options add to a TaskSpec about machines, by field. Placement groups are placement.py's."""
    fields: dict[str, Any] = {}
    strategy = options.get("scheduling_strategy")
    if strategy == "SPREAD":  # of one machine it chooses what DEFAULT does
        fields = {"spread": True}
    if isinstance(strategy, NodeAffinitySchedulingStrategy):
        fields = {"node": bytes.fromhex(strategy.node_id), "node_soft": bool(strategy.soft)}
    asked = _selectors(options)
    if asked:
        fields["labels"] = asked
    return fields


def _selectors(options: Mapping[str, Any]) -> list[pb.LabelSelector]:
    """The selectors of which one has to fit: that of `label_selector`, else those of `fallback_strategy` one after the other.
    On one machine it makes no difference which one it is, nor what a soft condition says."""
    from mobula._core.pb import boundary_pb2 as pb

    strategy = options.get("scheduling_strategy")
    hard = strategy.hard if isinstance(strategy, NodeLabelSchedulingStrategy) else []
    always = labels.of_operators((one.key, one.operator) for one in hard)
    choices = [options.get("label_selector")]
    if choices[0]:
        choices += [one.get("label_selector") for one in options.get("fallback_strategy") or ()]
    found = [pb.LabelSelector(matches=[*always, *labels.of_texts(one)]) for one in choices]
    return found if any(one.matches for one in found) else []
