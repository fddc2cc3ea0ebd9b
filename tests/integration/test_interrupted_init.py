"""Ctrl-C in the middle of init(): a session is whole or not there, and what was started for it is gone."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

import psutil
import pytest
from integration_kit import until

import mobula

sys.path.append(str(Path(__file__).parents[1] / "unit"))

from bytecodes import run_everywhere

pytestmark = [
    # A pipe or a file in memory may be lost whose number the interrupt kept from its owner; it goes with the process. What the
    # interrupt left to the garbage collector it closes, and warns.
    pytest.mark.mobula_leaves("descriptor"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"),
    pytest.mark.timeout(1200),
]


def alive() -> list[psutil.Process]:
    found = psutil.Process().children(recursive=True)
    return [one for one in found if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


def test_at_every_bytecode(place: str) -> None:
    """With a real core. The only thing that may stay is the entry of one that has died, until the next is started.

    unit/test_init_bytecodes.py takes every one, with a script in the core's place.
    """
    before = {one.pid for one in alive()}

    def start(step: int) -> None:
        mobula.init(num_cpus=1, log_to_driver=False)

    def check(step: int) -> None:
        if mobula.is_initialized():
            assert mobula.get(mobula.put(step), timeout=60) == step
        mobula.shutdown()
        gc.collect()
        until("all processes are gone", lambda: {one.pid for one in alive()} <= before)
        until("its folder is gone", lambda: not os.listdir(place))

    start(0)  # what is imported on the way is imported once
    check(0)
    run_everywhere("init() of a session", start, check, 601)
    check(-1)
    start(-1)
    assert mobula.get(mobula.put("works"), timeout=60) == "works"
    mobula.shutdown()
