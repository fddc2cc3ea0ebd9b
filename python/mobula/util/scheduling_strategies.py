"""Scheduling strategies under Ray's names: values of the option `scheduling_strategy`."""

from mobula.strategies import NodeAffinitySchedulingStrategy

__all__ = ["NodeAffinitySchedulingStrategy"]
