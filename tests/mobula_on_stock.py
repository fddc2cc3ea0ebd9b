"""mobula as a driver of stock Ray clusters, under a name for the conformance suite: CONFORMANCE_BACKEND=mobula_on_stock.

This name *is* the package mobula, with one thing changed: `init()` starts a stock cluster of the one node that its keywords
describe, and joins it. So the cases run unchanged, their programs too; what they call runs on stock workers, where the suite's
backend is Ray. A cluster stays until a node of another kind is wanted, something is left of a driver before, or this process ends.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import importlib.machinery
import os
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import mobula
from mobula import session
from stock_kit import Cluster, stock_cluster

#: Keywords of init() that describe the node, with what Ray's own init() takes for those that are not given.
NODE = {"num_cpus": os.cpu_count(), "num_gpus": 0, "resources": None, "labels": None, "object_store_memory": 200 << 20}
FREE_PATIENCE_S = 5.0

_plain_init = session.init
_kept: tuple[dict[str, Any], Cluster, contextlib.ExitStack] | None = None


def _init(address: str | None = None, **given: Any) -> Any:
    """`mobula.init`, in a cluster of its own where no address is given."""
    from mobula import init_options

    if address is not None or session.is_initialized():
        return _plain_init(address, **given)
    _complain(init_options, given)
    node = {name: default if given.get(name) is None else given[name] for name, default in NODE.items()}
    rest = {name: value for name, value in given.items() if name not in NODE}
    reused = _kept is not None and _kept[0] == node
    context = _plain_init(_cluster(node).address, **rest)
    if reused and not _all_free():
        session.shutdown()
        _end()
        context = _plain_init(_cluster(node).address, **rest)
    return context


def _complain(init_options: ModuleType, given: dict[str, Any]) -> None:
    """Raises what init() raises for wrong values of what a cluster is not told."""
    import inspect

    names = inspect.signature(_plain_init).parameters
    known = {n: given.get(n, p.default) for n, p in names.items() if p.kind is not p.VAR_KEYWORD}
    init_options.read(known | {"address": "local"}, {n: v for n, v in given.items() if n not in names})


def _all_free() -> bool:
    end = time.monotonic() + FREE_PATIENCE_S
    total = {name: amount for name, amount in mobula.cluster_resources().items() if name != "object_store_memory"}
    while time.monotonic() < end:
        free = mobula.available_resources()
        if all(free.get(name) == amount for name, amount in total.items()):
            return True
        time.sleep(0.05)
    return False


def _cluster(node: dict[str, Any]) -> Cluster:
    global _kept
    if _kept is not None and _kept[0] != node:
        _end()
    if _kept is None:
        here = Path(__file__).parent
        paths = [str(here / "conformance"), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
        environment = {"CONFORMANCE_BACKEND": "ray", "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths))}
        started = contextlib.ExitStack()
        wanted = {name: value for name, value in node.items() if value is not None}
        cluster = started.enter_context(stock_cluster(wanted, token=False, env=environment))
        os.environ |= cluster.environment
        _kept = dict(node), cluster, started
    return _kept[1]


@atexit.register
def _end() -> None:
    global _kept
    if _kept is not None:
        kept, _kept = _kept, None
        kept[2].close()


class _Finder:
    """`mobula_on_stock.x` is `mobula.x`."""

    def find_spec(self, fullname: str, path: Any, target: ModuleType | None = None) -> importlib.machinery.ModuleSpec | None:
        if not fullname.startswith(__name__ + "."):
            return None
        spec = importlib.machinery.ModuleSpec(fullname, self)  # type: ignore[arg-type]  # it has what importlib asks for
        module = importlib.import_module("mobula" + fullname[len(__name__) :])
        spec.loader_state = module, module.__spec__
        return spec

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        module: ModuleType = spec.loader_state[0]
        return module

    def exec_module(self, module: ModuleType) -> None:
        assert module.__spec__ is not None
        module.__spec__ = module.__spec__.loader_state[1]


sys.meta_path.insert(0, _Finder())
mobula.init = session.init = _init
sys.modules[__name__] = mobula
