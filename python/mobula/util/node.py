"""What there is to ask about this machine and its named actors."""

from __future__ import annotations

import os
from typing import Any

from mobula import resources, session
from mobula._values import rayhandle, stock

__all__ = ["get_node_instance_id", "get_node_ip_address", "list_named_actors"]


def get_node_ip_address(address: str | None = None) -> str:
    """The address of this machine as `nodes()` gives it: in a cluster its node's, else the loopback address.

    `address` is where Ray would look for a way out, and changes nothing here.

    >>> get_node_ip_address()
    '127.0.0.1'
    """
    cluster = stock.current()
    return resources.NODE_ADDRESS if cluster is None else rayhandle.ip_address(cluster.owner)


def get_node_instance_id() -> str:
    """The cloud's id of this machine, as RAY_CLOUD_INSTANCE_ID says it; "" where nothing does.

    >>> get_node_instance_id()
    ''
    """
    return os.environ.get("RAY_CLOUD_INSTANCE_ID", "")


def list_named_actors(all_namespaces: bool = False) -> list[Any]:
    """The names of the living named actors of the current namespace.

    With `all_namespaces`, of all of them, each as `{"name": ..., "namespace": ...}`.

    >>> import mobula
    >>> @mobula.remote(num_cpus=0)
    ... class Clerk:
    ...     pass
    >>> clerk = Clerk.options(name="clerk").remote()
    >>> list_named_actors()
    ['clerk']
    """
    from mobula._core.pb import boundary_pb2 as pb

    process = session.process()
    asked = pb.ListNamedActors(all_namespaces=bool(all_namespaces), namespace=process.namespace)
    found = process.request(pb.Request(list_named_actors=asked)).named_actors
    if not all_namespaces:
        return list(found.names)
    return [{"name": name, "namespace": where} for name, where in zip(found.names, found.namespaces, strict=True)]
