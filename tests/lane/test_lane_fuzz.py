"""A few seconds of the fuzzer in every run; `python tests/lane/fuzz_lane.py --seconds 300` for more."""

from __future__ import annotations

import random

import fuzz_lane


def test_a_few_seconds_of_fuzzing() -> None:
    seed = random.SystemRandom().getrandbits(48)
    print(f"seed {seed}")
    count, ends = fuzz_lane.run(3, seed)
    assert count > 100
    assert set(ends) == {"LaneClosed", "ProtocolError", "RpcError"}
