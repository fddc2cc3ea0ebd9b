"""What this machine has, when `init` is not told: CPUs, memory, the size of the object store.

Owns reading affinity and cgroup limits (version 2 and 1), so that a container is not taken for its whole host.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

MIB = 1 << 20
STORE_SHARE = 0.3
STORE_LEAST = 75 * MIB  # Ray's minimum
STORE_MOST = 200 * 10**9  # Ray's cap on the default
NODE_ADDRESS = "127.0.0.1"

_CGROUP = "/sys/fs/cgroup"
_NVIDIA = "/proc/driver/nvidia/gpus"


def default_cpus() -> int:
    """CPUs this process may use: its affinity, or the cgroup's quota when that is lower; at least 1."""
    count = len(os.sched_getaffinity(0))
    quotas = [quota for quota in map(_cpu_quota, _cgroup_folders("cpu")) if quota is not None]
    return max(1, min([count, *map(int, quotas)]))


def visible_gpus() -> list[str] | None:
    """The GPUs that CUDA_VISIBLE_DEVICES names; None where it is not set, and all are visible."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return None
    return [name.strip() for name in visible.split(",") if name.strip() not in ("", "NoDevFiles")]


def default_gpus() -> int:
    """NVIDIA GPUs whose driver is loaded, as far as CUDA_VISIBLE_DEVICES lets them be seen."""
    try:
        count = len(os.listdir(_NVIDIA))
    except OSError:
        return 0
    visible = visible_gpus()
    return count if visible is None else min(count, len(visible))


def available_memory() -> int:
    """Bytes that are free now: of the machine, or of the cgroup when that leaves less."""
    least = _meminfo().get("MemAvailable", 0)
    for folder in _cgroup_folders("memory"):
        for limit_file, usage_file in (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")):
            limit, usage = _number(folder, limit_file), _number(folder, usage_file)
            if limit is not None and usage is not None:
                least = min(least, max(limit - usage, 0))
    return least


def default_store_bytes(available: int) -> int:
    """The size of the object store when none is given: 30 % of the memory that is free, within Ray's bounds."""
    share = float(os.environ.get("RAY_DEFAULT_OBJECT_STORE_MEMORY_PROPORTION") or STORE_SHARE)
    return max(STORE_LEAST, min(int(available * share), STORE_MOST))


def node_resources(
    *, num_cpus: float, num_gpus: float, custom: Mapping[str, float], memory: int, store_bytes: int
) -> dict[str, float]:
    """The node's total resources under Ray's names; what there is nothing of is not listed."""
    total: dict[str, float] = {"CPU": num_cpus, "GPU": num_gpus, **custom, "memory": memory, "object_store_memory": store_bytes}
    total[f"node:{NODE_ADDRESS}"] = 1.0
    total["node:__internal_head__"] = 1.0
    return {name: float(amount) for name, amount in total.items() if amount}


def _cgroup_folders(controller: str) -> Iterator[str]:
    """Every cgroup that limits this process, innermost first. In a container the path may lead outside of what is mounted."""
    try:
        lines = _read("/proc/self/cgroup").splitlines()
    except OSError:
        return
    for line in lines:
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            root = _CGROUP
        elif controller in controllers.split(","):
            root = os.path.join(_CGROUP, controller)
        else:
            continue
        folder = os.path.join(root, path.lstrip("/")).rstrip("/")
        while True:
            yield folder
            if not folder.startswith(root + "/"):
                break
            folder = os.path.dirname(folder)


def _cpu_quota(folder: str | os.PathLike[str]) -> float | None:
    try:
        quota, period = _read(os.path.join(folder, "cpu.max")).split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        limit, length = _number(folder, "cpu.cfs_quota_us"), _number(folder, "cpu.cfs_period_us")
        return limit / length if limit and length and limit > 0 else None


def _number(folder: str | os.PathLike[str], name: str) -> int | None:
    try:
        return int(_read(os.path.join(folder, name)))
    except (OSError, ValueError):
        return None  # not there, or "max"


def _read(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()


def _meminfo() -> dict[str, int]:
    out: dict[str, int] = {}
    for line in _read("/proc/meminfo").splitlines():
        name, _, rest = line.partition(":")
        amount = rest.split()
        if amount and amount[0].isdigit():
            out[name] = int(amount[0]) * (1024 if amount[-1] == "kB" else 1)
    return out
