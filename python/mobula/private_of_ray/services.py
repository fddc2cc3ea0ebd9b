"""What stands for `ray._private.services`."""

from __future__ import annotations

from mobula.util.node import get_node_ip_address

__all__ = ["get_node_ip_address"]
