"""What a start does not import: between `init()` and the core's process, and in the zygote, each millisecond is waited for."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid

from mobula import init_options

PROGRAM = """
import inspect, json, sys
import mobula
from mobula import init_options
parameters = inspect.signature(mobula.init).parameters.values()
init_options.read({one.name: one.default for one in parameters if one.kind is not one.VAR_KEYWORD}, {})
from mobula._core import launch
before = sorted(sys.modules)
from mobula._worker import zygote
zygote._preload({})
print(json.dumps([before, sorted(sys.modules)]))
"""
#: OpenSSL behind hashlib and secrets; long imports for what a line or two do as well; protobuf in Python.
NOWHERE = {"_hashlib", "pathlib", "urllib.parse", "google.protobuf.text_format", "grpc", "numpy", "asyncio"}
#: Needed, but while the core starts or the workers do.
NOT_BEFORE_THE_CORE = {"cloudpickle", "google.protobuf", "platform", "uuid", "mobula._core.process"}


def test_neither_driver_nor_zygote_imports_what_it_does_not_need() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=60)
    before, after = json.loads(done.stdout)
    assert not (NOWHERE | NOT_BEFORE_THE_CORE) & set(before)
    assert not NOWHERE & set(after)
    assert {"cloudpickle", "mobula._core.pb.boundary_pb2", "mobula._worker.main"} <= set(after)


def test_a_session_without_a_name_gets_a_random_uuid() -> None:
    made = {init_options._namespace(None) for _ in range(100)}
    assert len(made) == 100
    assert {(str(uuid.UUID(one)) == one, uuid.UUID(one).version, uuid.UUID(one).variant) for one in made} == {
        (True, 4, uuid.RFC_4122)
    }
