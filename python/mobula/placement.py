"""Which placement group a call runs in: what its options say, or what its caller's group captures.

Owns Ray's rules for `scheduling_strategy=`, the older options `placement_group…=` and captured children, the check that a call
fits its bundle, and the field of a TaskSpec that comes of it.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from mobula._core import context
from mobula._core.ids import PlacementGroupID
from mobula.placement_group import PlacementGroup
from mobula.strategies import PlacementGroupSchedulingStrategy

_UNSET = "default"  # Ray's word for an option that was not given
ANY_BUNDLE = -1

Needs = tuple[Mapping[str, float], Mapping[str, float]]
"""What a call holds while it runs, and what it needs to be placed; the same but for actors."""


class Places:
    """The places of all calls that are made with one set of options. The group may depend on who calls."""

    def __init__(self, options: Mapping[str, Any], needs: Needs, what: str) -> None:
        self._needs = needs
        self._what = what
        self._checked: set[tuple[bytes, int]] = set()
        strategy = options.get("scheduling_strategy")
        self._free = strategy is not None and not isinstance(strategy, PlacementGroupSchedulingStrategy)
        if isinstance(strategy, PlacementGroupSchedulingStrategy):
            self._group: Any = strategy.placement_group
            self._bundle = strategy.placement_group_bundle_index
            self._capture = strategy.placement_group_capture_child_tasks
        else:
            self._group = options.get("placement_group", _UNSET)
            self._bundle = options.get("placement_group_bundle_index", ANY_BUNDLE)
            self._capture = options.get("placement_group_capture_child_tasks")
            if self._group not in (_UNSET, None):
                warnings.warn(
                    "placement_group= is deprecated: use scheduling_strategy=PlacementGroupSchedulingStrategy(...)",
                    DeprecationWarning,
                    stacklevel=4,
                )
        # Nothing but the caller's group can give these calls a place.
        self._inherits_only = self._group == _UNSET and self._bundle == ANY_BUNDLE and self._capture is None

    def fields(self) -> bytes:
        """The field of a TaskSpec for a call made now; b"" outside of all groups.

        Raises ValueError when the call does not fit its bundle, or the bundle does not exist.
        """
        if self._free or (self._inherits_only and not context.may_capture):
            return b""
        around, captures = context.placement()
        if self._inherits_only and not captures:
            return b""
        capture = captures if self._capture is None else self._capture
        group = self._choose(around, capture=capture)
        if group.is_empty:
            if self._bundle != ANY_BUNDLE:
                raise ValueError("If placement group is not set, the value of bundle index must be -1.")
            return b""
        key = (group.id.binary(), self._bundle)
        if key not in self._checked:
            _check_fit(group, self._bundle, self._needs, self._what)
            self._checked.add(key)
        return _encode(group, self._bundle, capture=capture)

    def _choose(self, around: bytes, *, capture: bool) -> PlacementGroup:
        group = self._group
        if group == _UNSET:
            return PlacementGroup(PlacementGroupID(around)) if capture and around else PlacementGroup.empty()
        if not group:
            return PlacementGroup.empty()
        # AssertionError is Ray's answer here.
        assert isinstance(group, PlacementGroup), f"a placement group is what placement_group() returns, not {group!r}"
        return group


def _encode(group: PlacementGroup, bundle: int, *, capture: bool) -> bytes:
    from mobula._core.pb import boundary_pb2 as pb

    place = pb.Placement(group_id=group.id.binary(), bundle=bundle, capture=bool(capture))
    return pb.TaskSpec(placement=place).SerializeToString()


def _check_fit(group: PlacementGroup, index: int, needs: Needs, what: str) -> None:
    bundles = group.bundle_specs
    if not bundles:
        raise ValueError(f"Cannot schedule {what}: {group!r} is not known in this session, or was removed long ago")
    if not ANY_BUNDLE <= index < len(bundles):
        raise ValueError(f"placement group bundle index {index} is invalid: the group has bundles 0 to {len(bundles) - 1}")
    eligible = bundles if index == ANY_BUNDLE else [bundles[index]]
    held, placed = needs
    if not _fits_one(held, eligible):
        raise ValueError(
            f"Cannot schedule {what} with the placement group because the resource request {dict(held)} cannot fit into "
            f"any bundles for the placement group, {eligible}."
        )
    if not _fits_one(placed, eligible):
        raise ValueError(
            f"Cannot schedule {what} with the placement group because the actor requires {placed.get('CPU', 0):g} CPU for "
            f"creation, but it cannot fit into any bundles for the placement group, {eligible}. Give the actor num_cpus=0, or "
            "the group a bundle with CPU."
        )


def _fits_one(request: Mapping[str, float], bundles: Sequence[Mapping[str, float]]) -> bool:
    return any(all(bundle.get(name, 0) >= amount for name, amount in request.items()) for bundle in bundles)
