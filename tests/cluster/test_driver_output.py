"""What workers of a cluster print, and what the cluster reports, at the driver's terminal."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from conftest import Cluster

PATIENCE_S = 120.0
# The cluster is a child of this process, with a pipe to each side, and starts and ends workers as it likes.
pytestmark = pytest.mark.mobula_leaves("process", "descriptor pipe")

PROGRAM = """
import os, sys
import mobula

mobula.init(log_to_driver=LOG)

@mobula.remote(max_retries=0)
def say(what):
    print("said", what)
    print("complained", what, file=sys.stderr)
    return os.getpid()

@mobula.remote(max_retries=0)
def die():
    os._exit(3)

@mobula.remote
class Actor:
    def say(self):
        print("an actor speaks")
        return os.getpid()

print("task", mobula.get(say.remote("one")))
print("actor", mobula.get(Actor.remote().say.remote()))
try:
    mobula.get(die.remote())
except mobula.exceptions.WorkerCrashedError:
    print("it died")
"""


def run(cluster: Cluster, program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    found = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **cluster.environment, "RAY_ADDRESS": cluster.address, "RAY_COLOR_PREFIX": "0", **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    return found


def test_lines_have_rays_prefixes(one_node: Cluster) -> None:
    found = run(one_node, PROGRAM.replace("LOG", "True"))
    pid, actor = (re.search(rf"^{name} (\d+)$", found.stdout, re.MULTILINE) for name in ("task", "actor"))
    assert pid is not None
    assert actor is not None
    assert f"(say pid={pid[1]}) said one\n" in found.stdout
    assert f"(say pid={pid[1]}) complained one\n" in found.stderr
    assert f"(Actor pid={actor[1]}) an actor speaks\n" in found.stdout
    # What the raylet reports through the GCS.
    assert "(raylet) A worker died or was killed" in found.stdout


def test_lines_are_not_wanted(one_node: Cluster) -> None:
    found = run(one_node, PROGRAM.replace("LOG", "False") + "import time; time.sleep(1)\n")  # as long as they take, and more
    assert "it died" in found.stdout
    assert "said" not in found.stdout
    assert "complained" not in found.stderr
