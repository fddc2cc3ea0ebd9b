"""Ctrl-C at every bytecode of init(): a session is whole or not there, and what was started for it is gone.

integration/test_interrupted_init.py does the same with a real core, whose start takes a tenth of a second, so that only a sample of
the bytecodes is possible. Here a shell script stands in for the core's process, which keeps the promises of its start and of its
end, and the scripted core of these tests behind its socket: a start takes milliseconds.
"""

from __future__ import annotations

import gc
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from bytecodes import WHOLE, run_everywhere
from fake_core import FakeCore
from interrupt_checks import known

import mobula
from mobula._core import binary, launch
from mobula._version import __version__

# Says that it listens, and ends in order with its lifeline, as cmd/mobula-core does: a SIGTERM alone is no reason to go.
PROGRAM = """#!/bin/sh
trap '' TERM
for given; do case $given in --lifeline-fd=*) lifeline=${{given#*=}};; esac; done
echo 'mobula-core|{handshake}|{version}|unix|{socket}'
exec cat /proc/self/fd/$lifeline >/dev/null
"""

#: So many descriptors may an interrupt keep from their owner: the two of a pipe, which nothing gives back but the process's end.
LOST = 2

pytestmark = [
    pytest.mark.mobula_leaves("descriptor"),
    # What the interrupt left to the garbage collector it closes, and warns.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"),
    pytest.mark.timeout(7200 if WHOLE else 120),
]


@pytest.fixture
def core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCore]:
    with FakeCore(str(tmp_path)) as core:
        program = tmp_path / "mobula-core"
        program.write_text(PROGRAM.format(handshake=launch.HANDSHAKE_VERSION, version=__version__, socket=core.socket_path))
        program.chmod(0o755)
        monkeypatch.setenv(binary.VARIABLE, str(program))
        monkeypatch.setattr(launch, "_new_token", lambda: core.token)
        yield core


def has_children() -> bool:
    """Also those that have ended and that nobody has waited for."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def descriptors() -> set[tuple[int, int, int]]:
    """Number, device and inode of each."""
    found = set()
    for fd in map(int, os.listdir("/proc/self/fd")):
        try:
            info = os.fstat(fd)
        except OSError:
            continue  # that of the listing itself
        if not stat.S_ISDIR(info.st_mode):
            found.add((fd, info.st_dev, info.st_ino))
    return found


def test_init(core: FakeCore, place: str) -> None:
    threads = threading.active_count()

    def start(step: int) -> None:
        mobula.init(num_cpus=1, log_to_driver=False)

    def works(step: int) -> None:
        assert mobula.get(mobula.put(step), timeout=60) == step
        assert mobula.session.process().get([mobula.ObjectRef._owned(known(core))], 60) == ["known"]

    def end(step: int) -> None:
        mobula.shutdown()
        gc.collect()
        assert not has_children(), f"{step}: the core's process is still there"
        assert not os.listdir(place), f"{step}: the session's folder is still there"
        core.until(lambda: not core.lanes)
        core.applied = 0  # the next session is another one: its numbers begin anew
        core.waiting.clear()
        core.objects.clear()

    def check(step: int) -> None:
        nonlocal before
        if mobula.is_initialized():
            works(step)
        end(step)
        after = descriptors()
        lost = after - before
        assert len(lost) <= LOST, (step, lost)
        before = after

    start(0)  # what is imported on the way is imported once
    works(0)
    end(0)
    gc.freeze()  # so that each collection looks at what came since
    try:
        before = descriptors()
        assert run_everywhere("init()", start, check, 131) > 2000
        works(-1)
        end(-1)
    finally:
        gc.unfreeze()
    assert threading.active_count() <= threads + 1024  # the scripted core's own pool
    assert not [one for one in threading.enumerate() if one.name.startswith("mobula")]
