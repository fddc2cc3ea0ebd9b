"""A stock Ray cluster on loopback addresses, for as long as this program's stdin stays open.

    .venv-ray/bin/python stock_cluster.py '{"nodes": [{"num_cpus": 2}, {"resources": {"other": 1}}], "token": "secret"}'

Runs in an environment that has ray, and needs nothing else; the Python and the Go tests start it alike. It prints one line of
JSON that says where everything is (`describe`), and then reads its stdin: at the end of it every process of the cluster is ended
and the folder is removed. Whatever ends this program ends the cluster: all of it descends from this process, which is the
parent of orphans too, and the kernel kills the servers when this process dies.

Owns the start and the end, and nothing about joining: who uses it gets an address, as from `ray start`. The monitor, the client
server and, unless `"dashboard": true`, the dashboard are left out: no driver speaks to them.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from typing import Any

PR_SET_CHILD_SUBREAPER = 36
#: One address a node: a cluster on 127.0.0.1 takes the machine's own address instead.
FIRST_ADDRESS = 3
MIB = 1 << 20
PATIENCE_S = 60.0


def main() -> None:
    wanted = json.loads(sys.argv[1])
    answers = os.dup(1)  # ray prints on stdout as it likes
    os.dup2(2, 1)
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    _set_environment(wanted)
    folder = tempfile.mkdtemp(prefix="mc-", dir="/tmp")  # a socket's path has 107 bytes
    os.environ["HOME"] = folder  # no token and no other file of ray's goes where the user's are
    nodes: list[Any] = []
    try:
        signal.signal(signal.SIGTERM, _leave)
        _start(wanted, folder, nodes)
        # A worker looks whether its raylet is a process still, and a zombie is one.
        signal.signal(signal.SIGCHLD, _reap)
        os.write(answers, json.dumps(describe(nodes, folder, wanted.get("token"))).encode() + b"\n")
        while os.read(0, 4096):
            pass
    finally:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        _end_everything()
        shutil.rmtree(folder, ignore_errors=True)


def _leave(*_: Any) -> None:
    raise SystemExit("told to end")


def _reap(*_: Any) -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _set_environment(wanted: dict[str, Any]) -> None:
    for name in [name for name in os.environ if name.startswith("RAY_")]:
        del os.environ[name]
    token = wanted.get("token")
    os.environ["RAY_AUTH_MODE"] = "token" if token else "disabled"
    if token:
        os.environ["RAY_AUTH_TOKEN"] = token
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.update(wanted.get("env", {}))


def _start(wanted: dict[str, Any], folder: str, nodes: list[Any]) -> None:
    # Here, because what these read of the environment they read when they are loaded.
    from ray._private import services
    from ray._private.node import Node
    from ray._private.parameter import RayParams

    class Lean(Node):  # type: ignore[misc]
        def start_api_server(self, **keywords: Any) -> None:
            if wanted.get("dashboard"):
                super().start_api_server(**keywords)

    services.get_node = _patiently(services.get_node)
    for number, given in enumerate(wanted.get("nodes") or [{}]):
        head = number == 0
        described: dict[str, Any] = {
            "num_cpus": 1,
            "num_gpus": 0,
            "object_store_memory": 150 * MIB,
            "min_worker_port": 0,
            "max_worker_port": 0,
            "node_manager_port": 0,
            "temp_dir": folder,
            "node_ip_address": f"127.0.0.{FIRST_ADDRESS + number}",
            "include_log_monitor": head,  # one a machine
            **given,
        }
        if head:
            described |= {
                "gcs_server_port": 0,
                "no_monitor": True,
                "include_dashboard": bool(wanted.get("dashboard")),
                "dashboard_port": 0,
                "_system_config": wanted.get("system_config"),
            }
        else:
            described["gcs_address"] = nodes[0].gcs_address
        parameters = RayParams(**described)
        parameters.dashboard_agent_listen_port = None
        nodes.append(Lean(parameters, head=head, shutdown_at_exit=False, spawn_reaper=True))


def _patiently(get_node: Any) -> Any:
    """Ray waits thirty seconds for a raylet; on a machine that is busy with other tests its agents alone have taken longer."""

    def patient(*asked: Any) -> Any:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                return get_node(*asked)
            except RuntimeError:  # noqa: PERF203
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    return patient


def describe(nodes: list[Any], folder: str, token: str | None) -> dict[str, Any]:
    """What the users of a cluster need to know of it."""
    return {
        "address": nodes[0].gcs_address,
        "folder": folder,
        "session_dir": nodes[0].get_session_dir_path(),
        "token": token or "",
        "nodes": [
            {
                "node_id": node.node_id,
                "ip": node.node_ip_address,
                "raylet_socket": node.raylet_socket_name,
                "store_socket": node.plasma_store_socket_name,
                "node_manager_port": node.node_manager_port,
                "pids": {name: [one.process.pid for one in processes] for name, processes in node.all_processes.items()},
            }
            for node in nodes
        ],
    }


# --------------------------------------------------------------------------------------------------- the end


def _children() -> list[int]:
    with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:
        return [int(word) for word in file.read().split()]


def _end_everything() -> None:
    """Kill what descends from this process until nothing does: who loses its parent becomes a child of ours."""
    deadline = time.monotonic() + PATIENCE_S
    while children := _children():
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(-1, 0)  # one of them at least: all were killed
        if time.monotonic() > deadline:
            sys.exit(f"these processes of the cluster do not end: {_children()}")


if __name__ == "__main__":
    main()
