"""What a worker process is told of itself: the certificate that the core writes, as a tuple with names.

It arrives in memory (a memfd, or the zygote's own copy), never by environment or arguments, for it holds the token.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple


class WorkerConfig(NamedTuple):
    """Everything `run_worker` needs. Descriptors are open, not inheritable, and belong to the worker; -1 means none."""

    worker_id: bytes  # 28 bytes
    socket_path: str
    token: bytes  # 32 bytes; gRPC metadata carries its hex form
    arena_fd: int
    arena_bytes: int
    page_fd: int
    ticket_fd: int
    core_pid: int
    spill_fd: int = -1  # the file that objects are spilled to, as offsets behind the arena
    session_dir: str = ""
    namespace: str = ""
    job_id: bytes = b""  # 4 bytes
    sys_path: tuple[str, ...] = ()  # applied already
    cwd: str = ""  # applied already
    script_dir: str = ""
    argv: tuple[str, ...] = ()  # applied already
    log_to_driver: bool = True
    runtime_env: str = ""  # of this worker, beyond the session's: TaskSpec.runtime_env
    options: Mapping[str, Any] = MappingProxyType({})  # the driver's worker configuration, whole

    @classmethod
    def from_certificate(
        cls, certificate: Mapping[str, Any], worker_id: str, ticket_fd: int, runtime_env: str = ""
    ) -> WorkerConfig:
        """Build it from the core's JSON (coreworker/workers/config.go writes that)."""
        options: Mapping[str, Any] = certificate["options"]
        return cls(
            worker_id=bytes.fromhex(worker_id),
            socket_path=certificate["socket_path"],
            token=bytes.fromhex(certificate["token"]),
            arena_fd=certificate["arena_fd"],
            arena_bytes=certificate["arena_bytes"],
            page_fd=certificate["page_fd"],
            ticket_fd=ticket_fd,
            core_pid=certificate["core_pid"],
            spill_fd=certificate["spill_fd"],
            session_dir=certificate["session_dir"],
            namespace=options.get("namespace", ""),
            job_id=bytes.fromhex(options.get("job_id", "")),
            sys_path=tuple(options.get("sys_path") or ()),
            cwd=options.get("cwd", ""),
            script_dir=options.get("script_dir", ""),
            argv=tuple(options.get("argv") or ()),
            log_to_driver=bool(options.get("log_to_driver", True)),
            runtime_env=runtime_env,
            options=options,
        )
