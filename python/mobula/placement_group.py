"""Placement groups: resources that are reserved together, for tasks and actors to run on. `mobula.util` has the names.

Owns `PlacementGroup` and the functions that make, find, describe and remove groups, with Ray's checks. Which group a call runs
in is placement.py's to say.
"""

from __future__ import annotations

import math
import os
import warnings
from typing import TYPE_CHECKING, Any

from mobula import labels, session
from mobula._core.context import placement as current_placement
from mobula._core.ids import NodeID, PlacementGroupID
from mobula.object_ref import ObjectRef

if TYPE_CHECKING:
    from mobula._core.pb import boundary_pb2 as pb

__all__ = [
    "PlacementGroup",
    "get_current_placement_group",
    "get_placement_group",
    "placement_group",
    "placement_group_table",
    "remove_placement_group",
]

STRATEGIES = ("PACK", "SPREAD", "STRICT_PACK", "STRICT_SPREAD")
STATES = ("PENDING", "CREATED", "REMOVED", "RESCHEDULING", "PREPARED")
_NODE_LABEL = "ray.io/node-id"
_LEAST = 0.0001
_ALONE = PlacementGroupID.nil()


class PlacementGroup:
    """A handle of a placement group; `placement_group` makes groups. It can be pickled and given to tasks and actors.

    Handles of one group are equal and hash alike.
    """

    @staticmethod
    def empty() -> PlacementGroup:
        """The handle of no group: a task that is given it runs outside of all groups."""
        return PlacementGroup(_ALONE)

    def __init__(self, id: PlacementGroupID, bundle_cache: list[dict[str, float]] | None = None) -> None:
        self.id = id
        self.bundle_cache = bundle_cache

    @property
    def is_empty(self) -> bool:
        """Whether this is the handle of no group."""
        return self.id.is_nil()

    def ready(self) -> ObjectRef[PlacementGroup]:
        """A ref to this handle that is there as soon as the group has its resources.

        Where the group is removed, `get` of it raises TaskPlacementGroupRemoved.

        >>> import mobula
        >>> from mobula.util import placement_group, remove_placement_group
        >>> group = placement_group([{"CPU": 1}])
        >>> mobula.get(group.ready()) == group
        True
        >>> remove_placement_group(group)
        """
        from mobula._core.pb import boundary_pb2 as pb
        from mobula.arguments import process_put
        from mobula.serialization import serialize

        process = session.process()
        serialized = serialize(self)
        if self.is_empty:
            return process_put(process, serialized)
        object_id = process.next_put_id()
        awaited = pb.AwaitGroup(group_id=self.id.binary(), object_id=object_id, value=process.store(serialized))
        ref = ObjectRef._called(object_id)
        process.mutate(pb.Mutation(await_group=awaited))
        ref._counted()
        return ref

    def wait(self, timeout_seconds: float = 30) -> bool:
        """Whether the group has its resources, waiting for it up to `timeout_seconds`.

        Raises ValueError where the group was removed, or is none.
        """
        from mobula.exceptions import TaskPlacementGroupRemoved

        gone = f"Placement group {self.id!r} does not exist: it was removed, or is the empty one, or of another session."
        if self.is_empty:
            raise ValueError(gone)
        ref = self.ready()
        process = session.process()
        if not process.wait([ref], 1, max(timeout_seconds, 0))[0]:
            return False
        try:
            process.get([ref])
        except TaskPlacementGroupRemoved as error:
            raise ValueError(gone) from error
        return True

    @property
    def bundle_specs(self) -> list[dict[str, float]]:
        """The bundles, each a dict of resource to amount."""
        if not self.bundle_cache:
            found = None if self.is_empty else _find(group_id=self.id.binary())
            self.bundle_cache = [] if found is None else [_amounts(bundle) for bundle in found.bundles]
        return self.bundle_cache

    @property
    def bundle_count(self) -> int:
        """How many bundles it has."""
        return len(self.bundle_specs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PlacementGroup) and self.id == other.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"PlacementGroup({self.id.hex()})"


def placement_group(
    bundles: list[dict[str, float]],
    strategy: str | None = None,
    name: str = "",
    lifetime: str | None = None,
    _soft_target_node_id: str | None = None,
    bundle_label_selector: list[dict[str, str]] | None = None,
    topology_strategy: dict[str, str] | None = None,
) -> PlacementGroup:
    """Asks for a placement group and returns its handle at once; it is made when the machine has room for all its bundles.

    `bundles` is a list of dicts of resource to amount. `strategy` is "PACK" (the default), "SPREAD", "STRICT_PACK" or
    "STRICT_SPREAD"; the last puts each bundle on a machine of its own, so that on one machine a group of several is never
    made. A group that can never be made waits, and the driver is told why. `bundle_label_selector` has a label selector for
    each bundle. A group ends with the session, one that a detached actor made with that actor; `lifetime="detached"` keeps
    it until `remove_placement_group`, or the end of the session.

    `topology_strategy` is the `strategy` over machines, {"ray.io/node-id": …}, and that of one more label, such as a rack's:
    "STRICT_PACK", all bundles on machines with one value of it. A machine without the label has none.

    Raises ValueError for what is wrong, RaySystemError when the name is taken.

    >>> from mobula.util import placement_group, remove_placement_group
    >>> group = placement_group([{"CPU": 1}, {"CPU": 1}], strategy="PACK")
    >>> group.bundle_count
    2
    >>> remove_placement_group(group)
    """
    from mobula._core.pb import boundary_pb2 as pb

    chosen, domains = _check_strategy(strategy, topology_strategy)
    in_domain = labels.of_operators((label, labels.Exists()) for label in domains)
    _check_target(_soft_target_node_id, chosen)
    _check_bundles(bundles)
    selectors = _check_selectors(bundles, bundle_label_selector)
    if lifetime not in (None, "detached"):
        raise ValueError(f"placement_group(lifetime=): takes None or 'detached', not {lifetime!r}")
    process = session.process()
    far = session.in_cluster()
    group_id = os.urandom(PlacementGroupID.size() - len(process.job_id)) + process.job_id
    process.request(
        pb.Request(
            create_group=pb.CreateGroup(
                group_id=group_id,
                name=name or "",
                namespace=process.namespace,
                strategy=chosen,
                bundles=[
                    pb.GroupBundle(
                        resources=[pb.Resource(name=what, amount=amount) for what, amount in sorted(bundle.items()) if amount],
                        labels=pb.LabelSelector(matches=[*labels.of_texts(selector), *in_domain]),
                        label_texts=selector if far else {},
                    )
                    for bundle, selector in zip(bundles, selectors, strict=True)
                ],
                detached=lifetime == "detached",
                domains=domains if far else [],
                target_node_id=bytes.fromhex(_soft_target_node_id) if far and _soft_target_node_id else b"",
            )
        )
    )
    return PlacementGroup(PlacementGroupID(group_id), [{what: float(amount) for what, amount in one.items()} for one in bundles])


def remove_placement_group(placement_group: PlacementGroup) -> None:
    """Ends a placement group: what runs in it is killed, what waits for it fails, its resources are free again.

    Tasks that waited, or were to be tried again, fail with TaskPlacementGroupRemoved, also where the group was still pending;
    running ones with WorkerCrashedError. Actors are dead: ActorDiedError, or ActorPlacementGroupRemoved for those that had no
    process yet. Removing a group twice is harmless.
    """
    from mobula._core.pb import boundary_pb2 as pb

    assert placement_group is not None, "remove_placement_group() takes a PlacementGroup, not None"
    if not placement_group.is_empty:
        session.process().request(pb.Request(remove_group=pb.RemoveGroup(group_id=placement_group.id.binary())))


def get_placement_group(placement_group_name: str) -> PlacementGroup:
    """The placement group of that name in the current namespace. Raises ValueError when there is none, or it was removed."""
    if not placement_group_name:
        raise ValueError("get_placement_group() needs a name that is not empty")
    process = session.process()
    found = _find(name=placement_group_name, namespace=process.namespace)
    if found is None:
        raise ValueError(
            f"Failed to look up placement group with name: {placement_group_name}. It was never made in namespace "
            f"{process.namespace!r}, or was removed"
        )
    return PlacementGroup(PlacementGroupID(found.group_id))


def placement_group_table(placement_group: PlacementGroup | None = None) -> dict[str, Any]:
    """What is known of a placement group, with Ray's keys; without one, of all, by id in hex.

    "state" is "PENDING", "CREATED" or "REMOVED". Of groups that were removed, the last thousand are remembered. Of a group
    that is not known, {}.
    """
    if placement_group is not None:
        found = None if placement_group.is_empty else _find(group_id=placement_group.id.binary())
        return {} if found is None else _entry(found)
    return {one.group_id.hex(): _entry(one) for one in _ask()}


def get_current_placement_group() -> PlacementGroup | None:
    """The placement group that the calling task or actor runs in; None outside of groups, and in the driver."""
    session.process()
    group, _ = current_placement()
    return PlacementGroup(PlacementGroupID(group)) if group else None


# ------------------------------------------------------------------------------------------------ asking the core


def _ask(**which: Any) -> list[pb.GroupInfo]:
    from mobula._core.pb import boundary_pb2 as pb

    return list(session.process().request(pb.Request(find_groups=pb.FindGroups(**which))).groups.groups)


def _find(**which: Any) -> pb.GroupInfo | None:
    found = _ask(**which)
    return found[0] if found else None


def _amounts(bundle: pb.GroupBundle) -> dict[str, float]:
    return {one.name: one.amount for one in bundle.resources}


def _entry(group: pb.GroupInfo) -> dict[str, Any]:
    state = STATES[group.state]
    if group.scheduling:
        return _far_entry(group, state)
    node = session.process().node_id.hex() if group.placed else ""
    pending = "INFEASIBLE" if group.infeasible else "NO_RESOURCES"
    made_ms = group.made_us / 1000
    return {
        "placement_group_id": group.group_id.hex(),
        "name": group.name,
        "bundles": {index: _amounts(bundle) for index, bundle in enumerate(group.bundles)},
        "bundles_to_node_id": dict.fromkeys(range(len(group.bundles)), node),
        "strategy": STRATEGIES[group.strategy],
        "state": state,
        "stats": {
            "end_to_end_creation_latency_ms": made_ms,
            "scheduling_latency_ms": made_ms,
            "scheduling_attempt": group.attempts,
            "highest_retry_delay_ms": 0.0,  # nothing is tried again by the clock
            "scheduling_state": {"PENDING": pending, "CREATED": "FINISHED", "REMOVED": "REMOVED"}[state],
        },
    }


def _far_entry(group: pb.GroupInfo, state: str) -> dict[str, Any]:
    return {
        "placement_group_id": group.group_id.hex(),
        "name": group.name,
        "bundles": {index: _amounts(bundle) for index, bundle in enumerate(group.bundles)},
        "bundles_to_node_id": {index: bundle.node_id.hex() for index, bundle in enumerate(group.bundles)},
        "strategy": STRATEGIES[group.strategy],
        "state": state,
        "stats": {
            "end_to_end_creation_latency_ms": group.made_us / 1000,
            "scheduling_latency_ms": group.latency_us / 1000,
            "scheduling_attempt": group.attempts,
            "highest_retry_delay_ms": group.retry_delay_ms,
            "scheduling_state": group.scheduling,
        },
    }


# ------------------------------------------------------------------------------------------------ checks


def _check_strategy(strategy: Any, topology: Any) -> tuple[str, list[str]]:
    """The strategy over machines, and labels of which all machines of the group have one value. One machine has one value of a
    label, if it has it."""
    if topology is None:
        if strategy is not None and strategy not in STRATEGIES:
            raise ValueError(f"Invalid placement group strategy {strategy!r}. Supported strategies are: {', '.join(STRATEGIES)}.")
        return strategy or "PACK", []
    if strategy is not None:
        raise ValueError(f"strategy and topology_strategy exclude each other: give topology_strategy={{{_NODE_LABEL!r}: …}} only")
    if not isinstance(topology, dict):
        raise ValueError(f"topology_strategy is a dict of label to strategy, not {topology!r}")
    others = []
    for label, value in topology.items():
        if not isinstance(label, str) or not label:
            raise ValueError(f"topology_strategy: a label is a text that is not empty, not {label!r}")
        if value not in STRATEGIES:
            raise ValueError(f"topology_strategy: {label!r} takes {', '.join(STRATEGIES)}, not {value!r}")
        if label != _NODE_LABEL:
            others.append(label)
            if value != "STRICT_PACK":
                raise ValueError(f"topology_strategy: {label!r} takes 'STRICT_PACK' only, not {value!r}")
    if len(others) > 1:
        raise ValueError(f"topology_strategy takes at most one label beside {_NODE_LABEL!r}, not {others}")
    return topology.get(_NODE_LABEL, "PACK"), others


def _check_target(node_id: Any, strategy: str) -> None:
    """A machine that bundles should go to; with one there is no choice."""
    if not node_id:
        return
    if strategy != "STRICT_PACK":
        raise ValueError(f"_soft_target_node_id is for STRICT_PACK, not {strategy}")
    try:
        nil = NodeID.from_hex(node_id).is_nil()
    except (TypeError, ValueError) as error:
        raise ValueError(f"_soft_target_node_id: {node_id!r} is not a node id in hex") from error
    if nil:
        raise ValueError(f"_soft_target_node_id: {node_id!r} is the id of no node")


def _check_bundles(bundles: Any) -> None:
    if not isinstance(bundles, list):
        raise ValueError(f"Placement group bundles must be a list, got {type(bundles).__name__}: give [{{'CPU': 1}}, …]")
    if not bundles:
        raise ValueError("Bundles must be a non-empty list of resource dictionaries, like [{'CPU': 1.0}, {'GPU': 1.0}]")
    for bundle in bundles:
        if not isinstance(bundle, dict):
            raise ValueError(f"a bundle is a dict of resource to amount, not {bundle!r}")
        for name, amount in bundle.items():
            _check_amount(name, amount)
        if not any(bundle.values()):
            raise ValueError(f"a bundle cannot be empty, or have amounts of 0 only: {bundles}")
        if "object_store_memory" in bundle:
            warnings.warn(
                "'object_store_memory' of a bundle reserves no memory in the object store",
                DeprecationWarning,
                stacklevel=4,
            )


def _check_amount(name: Any, amount: Any) -> None:
    if not isinstance(name, str) or not name:
        raise ValueError(f"a bundle is a dict of resource to amount: a resource's name is a text, not {name!r}")
    if not isinstance(amount, (int, float)):
        raise ValueError(f"a bundle is a dict of resource to amount: that of {name!r} is a number, not {amount!r}")
    if name == "bundle":
        raise ValueError("a bundle cannot ask for 'bundle': that name is Ray's own")
    if amount < 0 or not math.isfinite(amount) or 0 < amount < _LEAST:
        raise ValueError(f"a bundle cannot have {amount!r} of {name!r}: give 0 or more, in steps of {_LEAST}")
    if name == "GPU" and amount > 1 and not float(amount).is_integer():
        raise ValueError(f"above 1 a bundle has whole GPUs, not {amount!r}")


def _check_selectors(bundles: list[Any], given: Any) -> list[dict[str, str]]:
    """A selector for each bundle."""
    if given is None:
        return [{} for _ in bundles]
    if not isinstance(given, list):
        raise ValueError(f"Placement group bundle_label_selector must be a list, got {type(given).__name__}")
    if len(given) != len(bundles):
        raise ValueError(f"bundle_label_selector has a selector for each bundle: {len(bundles)}, not {len(given)}")
    for selector in given:
        if not isinstance(selector, dict) or not all(isinstance(key, str) for key in selector):
            raise ValueError(f"bundle_label_selector is a list of dicts of str to str, not of {selector!r}")
        sentence = labels.selector_complaint(selector)
        if sentence:
            raise ValueError(f"bundle_label_selector: {sentence}")
    return given
