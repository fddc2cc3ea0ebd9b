"""The generated code of proto/*.proto, as `make proto` makes it.

Here only: protobuf's implementation in Python is not loaded where nobody needs it. The generated code imports
`google.protobuf.descriptor_pool`, and that, whatever implements messages, the one in Python with its text format, decoder and
calendar: 20 of the 30 ms that all of protobuf takes, in each driver and each zygote. `LazyLoader` puts a module in its place
that loads itself with the first look at one of its names, which an interpreter without the native one takes at once.
"""

from __future__ import annotations

import importlib.util
import sys


def _later(name: str) -> None:
    if name in sys.modules:
        return
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        return  # a release without it
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    parent, _, own = name.rpartition(".")
    setattr(sys.modules[parent], own, module)


_later("google.protobuf.internal.python_message")
