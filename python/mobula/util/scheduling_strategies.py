"""Scheduling strategies under Ray's names: values of the option `scheduling_strategy`."""

from __future__ import annotations

from typing import TypeAlias

from mobula.labels import DoesNotExist, Exists, In, NotIn
from mobula.strategies import (
    NodeAffinitySchedulingStrategy,
    NodeLabelSchedulingStrategy,
    PlacementGroupSchedulingStrategy,
)

__all__ = [
    "DoesNotExist",
    "Exists",
    "In",
    "NodeAffinitySchedulingStrategy",
    "NodeLabelSchedulingStrategy",
    "NotIn",
    "PlacementGroupSchedulingStrategy",
    "SchedulingStrategyT",
]

SchedulingStrategyT: TypeAlias = (
    str | PlacementGroupSchedulingStrategy | NodeAffinitySchedulingStrategy | NodeLabelSchedulingStrategy | None
)
