"""Row 16, an addition. Ray 2.60: `ray.get(ref, timeout=-1)` never returns. Here: ValueError, as `ray.wait` has it."""

from __future__ import annotations

import math

import pytest
from beyond_kit import Flags, wait_for

import mobula


@pytest.mark.parametrize("timeout", [-1, -0.001, -math.inf, math.nan])
@pytest.mark.parametrize("call", ["get", "get of a list", "wait"])
def test_a_time_that_is_over_before_it_begins(flags: Flags, call: str, timeout: float) -> None:
    ref = wait_for.options(num_cpus=0).remote(flags, "go")
    block = mobula.wait if call == "wait" else mobula.get
    with pytest.raises(ValueError, match="timeout"):
        block(ref if call == "get" else [ref], timeout=timeout)
    flags.up("go")
    assert mobula.get(ref) == "go"
