"""What stands for `ray._private.state`: what a session has. Ray's `ray.util.multiprocessing` counts CPUs so."""

from __future__ import annotations

from mobula.api import available_resources, cluster_resources, nodes, timeline

__all__ = ["available_resources", "cluster_resources", "nodes", "timeline"]
