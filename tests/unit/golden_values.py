"""Values whose encoding by Ray 2.60 is kept in golden_values.json, and the program that made that file.

    python tests/unit/golden_values.py make          (with Ray and mobula importable) writes golden_values.json
    python tests/unit/golden_values.py read FILE     (with Ray installed) lets Ray load what mobula wrote
    python tests/unit/golden_values.py write FILE    (with mobula importable) writes for `read`

Ray aligns buffers by memory address, so `make` reads the bytes from its object store, where values start at multiples of
64; and it leaves padding uninitialised, which `make` fills with zeros.
"""

from __future__ import annotations

import collections
import datetime
import decimal
import enum
import fractions
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

FILE = Path(__file__).with_suffix(".json")


def module_level(x: int) -> int:
    return x + 1


class Colour(enum.Enum):
    RED = 1


def plain() -> dict[str, Any]:
    """Values whose encoding is the same in every Python, byte for byte."""
    return {
        "none": None,
        "true": True,
        "false": False,
        **{f"int {n}": n for n in (0, 1, 127, 128, 255, 256, 65535, 65536, 2**31, 2**32, 2**63 - 1, 2**63, 2**64 - 1)},
        **{f"int {n}": n for n in (-1, -32, -33, -128, -129, -32769, -(2**31) - 1, -(2**63))},
        "int 2**64": 2**64,
        "int -2**63-1": -(2**63) - 1,
        "int huge": 10**400 + 7,
        "float": 0.1,
        "infinity": float("-inf"),
        "complex": 3 - 4j,
        "ellipsis": ...,
        "empty str": "",
        "str": "na\u00efve \u2603 \U0001f40d \0 end",
        "lone surrogate": "\ud800",
        "long str": "ab" * 300,
        "list": [1, [2, [3, []]], "x", b"y", None, 1.5],
        "long list": list(range(300)),
        "dict": {"a": {"b": {1: None}}, 4.5: [6], b"k": True, None: 0},
        "tuple": (1, (2,), ()),
        "tuples in a list": [(1,), {"k": (2, 3)}, 4],
        "tuple as a key": {(1, 2): 3},
        "set": {1},
        "frozenset": frozenset({"x"}),
        "range": range(3, 30, 4),
        "slice": slice(1, None, 2),
        "ordered dict": collections.OrderedDict([("z", 1), ("a", 2)]),
        "date": datetime.date(2024, 2, 29),
        "timedelta": datetime.timedelta(days=-1, microseconds=5),
        "decimal": decimal.Decimal("1.10"),
        "fraction": fractions.Fraction(22, 7),
        "class": int,
        "builtin": len,
        "exception": ValueError("as data", 3),
        "exception class": KeyError,
        "2000 objects": [(n,) for n in range(200)],
    }


def arrays() -> dict[str, Any]:
    """The pickle names modules of numpy, which move between its releases."""
    return {
        "int64": np.arange(3),
        "float64 large": np.arange(500.0),
        "float32 matrix": np.arange(12, dtype="f4").reshape(3, 4),
        "fortran": np.asfortranarray(np.arange(12.0).reshape(3, 4)),
        "0-d": np.array(7),
        "empty": np.zeros((3, 0, 2)),
        "strided": np.arange(100)[::7],
        "big-endian": np.arange(5, dtype=">i4"),
        "bool": np.array([True, False]),
        "complex64": np.array([1j, 2], dtype="c8"),
        "datetime": np.arange(5).astype("datetime64[ns]"),
        "strings": np.array(["a", "bb"]),
        "structured": np.array([(1, 2.5)], dtype=[("i", "i4"), ("f", "f8")]),
        "object": np.array([1, "two", None], dtype=object),
        "masked": np.ma.masked_array([1, 2, 3], mask=[False, True, False]),
        "scalar": np.float64(1.5),
        "two in a list": [np.arange(3, dtype="i1"), np.arange(600.0)],
        "in a tuple": (np.arange(10), {"w": np.ones((20, 20))}),
    }


def functions() -> dict[str, Any]:
    """Byte code belongs to one release of Python: these are read by the one that wrote them (3.11)."""
    offset = 7

    class Local:
        def __init__(self, n: int) -> None:
            self.n = n

        def plus(self, m: int) -> int:
            return self.n + m

    return {"closure": lambda x: x + offset, "instance of a local class": Local(5)}


def kept_here() -> dict[str, Any]:
    """What Ray writes as less than it is, and reads as what it is when it was written here."""
    shared = [1]
    return {
        "bytearray": bytearray(b"ab"),
        "memoryview": memoryview(b"ab" * 5000),
        "view of a table": memoryview(np.arange(6, dtype="i4").reshape(2, 3)),
        "types in a list": [bytearray(b"ab"), b"ab", {"x": memoryview(b"ab")}],
        "shared": [shared, {"again": shared}],
    }


# ------------------------------------------------------------------------------------------------- with Ray


def _canonical(data: bytes) -> bytes:
    """`data` with zeros where Ray leaves whatever the memory held: after the length, and around the buffers."""
    import msgpack

    from mobula._core.pb import rayvalue_pb2

    unpacker = msgpack.Unpacker()
    unpacker.feed(data[:9])
    length = unpacker.unpack()
    out = bytearray(len(data))
    out[:9] = msgpack.packb(length).ljust(9, b"\0")
    out[9 : 9 + length] = data[9 : 9 + length]
    if 9 + length == len(data):
        return bytes(out)
    start = 9 + length
    pickle_length, described_length = np.frombuffer(data[start : start + 16], "<i8").tolist()
    end = start + 16 + pickle_length + described_length
    out[start:end] = data[start:end]
    described = rayvalue_pb2.PythonObject.FromString(data[end - described_length : end])
    first = -(-end // 64) * 64
    for buffer in described.buffer:
        at = slice(first + buffer.address, first + buffer.address + buffer.length)
        out[at] = data[at]
    return bytes(out)


def _make() -> None:
    import msgpack
    import ray
    from ray._private.worker import global_worker
    from ray.core.generated import common_pb2
    from ray.exceptions import RayTaskError, TaskCancelledError

    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
    context = global_worker.get_serialization_context()

    def encoded(value: Any) -> dict[str, str]:
        ref = ray.put(value) if not isinstance(value, RayTaskError) else None
        if ref is None:  # put() refuses errors, and they have no buffers
            serialized = context.serialize(value)
            return {"metadata": serialized.metadata.decode(), "data": _canonical(serialized.to_bytes()).hex()}
        [(buffer, metadata, _)] = global_worker.core_worker.get_objects([ref], 1000)[:1]
        return {"metadata": metadata.decode(), "data": _canonical(buffer.to_pybytes()).hex()}

    def info(kind: str, **fields: Any) -> dict[str, str]:
        number = common_pb2.ErrorType.Value(kind)
        body = common_pb2.RayErrorInfo(error_type=number, **fields).SerializeToString()
        packed = msgpack.packb(body)
        return {"metadata": str(number), "data": (msgpack.packb(len(packed)).ljust(9, b"\0") + packed).hex()}

    text = 'Traceback (most recent call last):\n  File "x.py", line 1, in f\nValueError: v\n'
    groups = {
        "plain": {name: encoded(value) for name, value in plain().items()},
        "arrays": {name: encoded(value) for name, value in arrays().items()},
        "functions": {name: encoded(value) for name, value in functions().items()},
        "errors": {
            "task error": encoded(RayTaskError("f", text, ValueError("v"), "ray::f", 12, "10.0.0.1")),
            "task canceled in python": encoded(RayTaskError("f", text, TaskCancelledError(), "ray::f", 12, "10.0.0.1")),
            "task canceled": info("TASK_CANCELLED", error_message="our text"),
            "actor died": info(
                "ACTOR_DIED",
                actor_died_error=common_pb2.ActorDeathCause(
                    actor_died_error_context=common_pb2.ActorDiedErrorContext(
                        actor_id=b"a" * 16, class_name="C", pid=77, error_message="it was killed", ray_namespace="ns"
                    )
                ),
            ),
            "actor unavailable": info(
                "ACTOR_UNAVAILABLE",
                error_message="restarting",
                actor_unavailable_error=common_pb2.ActorUnavailableContext(actor_id=b"a" * 16),
            ),
            "out of memory": info("OUT_OF_MEMORY", error_message="killed"),
        },
        "refs": {"ref in a list": encoded([ray.put(1)])},
    }
    FILE.write_text(json.dumps(groups, indent=1) + "\n")
    print({name: len(group) for name, group in groups.items()})


def _same(name: str, value: Any, back: Any) -> bool:
    if name == "closure":
        return bool(back(1) == 8)
    if name == "instance of a local class":
        return bool(back.plus(1) == 6)
    if name == "shared":
        return bool(back == value and back[0] is back[1]["again"])
    if isinstance(value, BaseException):
        return type(back) is type(value) and back.args == value.args
    return same(value, back)


def same(a: Any, b: Any) -> bool:
    """Equal and of the same type, arrays and what holds them included."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and bool(np.array_equal(a, b)) and a.flags.fnc == b.flags.fnc
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(map(repr, a)) == list(map(repr, b)) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, BaseException):
        return bool(a.args == b.args)
    return bool(a == b)


def _all_values() -> dict[str, Any]:
    return {**plain(), **arrays(), **functions(), **kept_here(), "bytes": bytes(range(256)), "big array": np.arange(300_000)}


def _write(path: str) -> None:
    from mobula.serialization import serialize

    written = {}
    for name, value in _all_values().items():
        one = serialize(value)
        written[name] = {"metadata": one.metadata.decode(), "data": one.to_bytes().hex()}
    Path(path).write_text(json.dumps(written))


def _read(path: str) -> None:
    import ray
    from ray._private.worker import global_worker

    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
    # Ray carries cloudpickle inside itself; where it runs alone, `cloudpickle` is not importable by that name.
    sys.modules.setdefault("cloudpickle", ray.cloudpickle)
    sys.modules.setdefault("cloudpickle.cloudpickle", ray.cloudpickle.cloudpickle)
    context = global_worker.get_serialization_context()
    values = _all_values()
    bad = 0
    for name, one in json.loads(Path(path).read_text()).items():
        ref = ray.put(bytes.fromhex(one["data"]))  # the way to a buffer of Ray's own with exactly these bytes
        [(buffer, _, _)] = global_worker.core_worker.get_objects([ref], 1000)[:1]
        back = context.deserialize_objects([(buffer, one["metadata"].encode(), None)], [ref], {})[0]
        if not _same(name, values[name], back):
            bad += 1
            print("DIFFERS:", name, repr(back)[:200])
    print(f"{len(values)} values read by Ray {ray.__version__}, {bad} differ")
    sys.exit(bool(bad))


if __name__ == "__main__":
    {"make": lambda: _make(), "write": lambda: _write(sys.argv[2]), "read": lambda: _read(sys.argv[2])}[sys.argv[1]]()
