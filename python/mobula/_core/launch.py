"""Starts mobula-core for this process, or says in one sentence why not and leaves nothing behind.

Owns what must exist before the core does: folder, shared memory, token, lifeline. All but the folder are descriptors without
a name, inherited by number; cmd/mobula-core/main.go is the other side of the agreement.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from mobula import as_ray
from mobula._core import binary, session_dir, spill_file
from mobula._core.core_process import Core, ended_how, read_log
from mobula._core.start_error import ClusterJoinError, CoreStartError, last_words
from mobula._version import __version__

__all__ = ["ClusterJoinError", "Core", "CoreStartError", "LaunchConfig", "start"]

HANDSHAKE_VERSION = "1"
TOKEN_BYTES = 32
PAGE_BYTES = 8 * 65536  # one 64-bit word a slot
_LONGEST_HANDSHAKE = 4096
_NOT_JOINED = 6  # how the core exits where a cluster does not take it in; what it says is a sentence for the user


@dataclass(frozen=True)
class LaunchConfig:
    """What a session is to have."""

    #: Resource name to amount; "CPU" at least.
    resources: Mapping[str, float] = field(default_factory=lambda: {"CPU": 1.0})
    #: Size of the arena in bytes; sparse, so that nothing is taken until it is used.
    object_store_bytes: int = 1 << 30
    namespace: str = ""
    log_to_driver: bool = True
    #: Where the session's folder goes; None: XDG_RUNTIME_DIR, else the system's temporary folder.
    temp_dir: str | None = None
    #: Where objects are spilled to; None: `temp_dir`, else the system's temporary folder.
    spill_dir: str | None = None
    #: Variables for all workers, set before their interpreters start.
    env: Mapping[str, str] = field(default_factory=dict)
    job_id: bytes = b"\x01\x00\x00\x00"
    #: Interpreter of the workers; "" is this one.
    python: str = ""
    #: How long the core may take until it listens.
    timeout_s: float = 30.0  # a cluster is given longer: its first driver waits for workers
    #: More of the workers' configuration (`preload`, `entry`).
    options: Mapping[str, Any] = field(default_factory=dict)
    #: Called with the session's folder, before the core starts; gives `env` and still more of that configuration.
    prepare: Callable[[str], Mapping[str, Any]] | None = None
    #: Of the cluster to join; "": none.
    address: str = ""


def start(config: LaunchConfig, owner: ExitStack | None = None, meanwhile: Callable[[], object] = lambda: None) -> Core:
    """Start a core and wait until it listens. It ends with this process, whatever thread called. `owner` stops it.

    `meanwhile` is called once the core's process is there, which takes some milliseconds until it listens.

    Raises CoreStartError.

    >>> core = start(LaunchConfig(resources={"CPU": 1.0}))
    >>> core.stop()
    """
    path = binary.find()
    python = config.python or sys.executable
    if not python:
        raise CoreStartError("this Python does not know its own interpreter (sys.executable is empty), so none can be started")
    with ExitStack() as undo:
        directory = session_dir.create(config.temp_dir, undo)
        try:
            core = _Launch(config, path, python, directory, undo).run(meanwhile)
        except ClusterJoinError:
            raise  # an OSError by Ray's habit, and a sentence already
        except OSError as error:
            raise CoreStartError(_sentence(error)) from error
        if owner is not None:
            # A Ctrl-C may come between any two of these lines: one of the stacks undoes the start, and not both.
            undo.callback(core.disown)
            owner.callback(core.stop)
        undo.pop_all()
        return core


class _Launch:
    """One start: the descriptors on their way, each closed again should anything fail."""

    def __init__(self, config: LaunchConfig, path: str, python: str, directory: str, undo: ExitStack) -> None:
        self._config = config
        self._path = path
        self._python = python
        self._directory = directory
        self._undo = undo

    def run(self, meanwhile: Callable[[], object]) -> Core:
        config = self._config
        token = _new_token()
        arena = self._memory("mobula-arena", config.object_store_bytes)
        page = -1 if config.address else self._memory("mobula-page", PAGE_BYTES)  # nothing runs here for a cluster's driver
        spill = spill_file.make(config.spill_dir or config.temp_dir)
        if spill >= 0:
            self._kept(spill)
        log = self._kept(os.memfd_create("mobula-log", os.MFD_CLOEXEC))
        lifeline_end, lifeline = os.pipe()
        self._kept(lifeline)
        # What only the core needs: closed as soon as it runs, or with all the rest.
        given = self._undo.enter_context(ExitStack())
        given.callback(os.close, lifeline_end)
        token_end = _filled_pipe(token)
        given.callback(os.close, token_end)
        options = worker_options(config)
        if config.prepare is not None:
            options.update(config.prepare(self._directory))
        workers = _filled_memory("mobula-options", json.dumps(options).encode())
        given.callback(os.close, workers)
        process = self._execute(
            [
                self._path,
                f"--session-dir={self._directory}",
                f"--arena-fd={arena}",
                f"--arena-bytes={config.object_store_bytes}",
                f"--page-fd={page}",
                f"--spill-fd={spill}",
                f"--token-fd={token_end}",
                f"--lifeline-fd={lifeline_end}",
                f"--driver-pid={os.getpid()}",
                f"--resources={json.dumps(dict(config.resources))}",
                f"--python={self._python}",
                f"--worker-config=fd:{workers}",
                f"--address={config.address}",
            ],
            tuple(fd for fd in (arena, page, spill, token_end, lifeline_end, workers) if fd >= 0),
            log,
        )
        given.close()
        pidfd = self._kept(os.pidfd_open(process.pid))
        meanwhile()
        assert process.stdout is not None
        with process.stdout:
            socket_path, job_id, address = self._handshake(process, log, process.stdout.fileno())
        return Core(
            process=process,
            pidfd=pidfd,
            directory=self._directory,
            socket_path=socket_path,
            token=token,
            arena_fd=arena,
            arena_bytes=config.object_store_bytes,
            page_fd=page,
            spill_fd=spill,
            lifeline_fd=lifeline,
            log_fd=log,
            job_id=job_id or config.job_id,
            address=address,
        )

    def _kept(self, fd: int) -> int:
        self._undo.callback(os.close, fd)
        return fd

    def _memory(self, name: str, size: int) -> int:
        """Shared memory of a fixed size: sealed, for a file that shrinks kills whoever reads its map."""
        fd = self._kept(os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING))
        os.ftruncate(fd, size)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
        return fd

    def _execute(self, command: list[str], inherited: tuple[int, ...], log: int) -> subprocess.Popen[bytes]:
        try:
            return _Process(
                self._undo,
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,  # memory, not a pipe: the core must never wait for the driver to read its words
                pass_fds=inherited,
                start_new_session=True,  # a Ctrl-C at the terminal is the driver's to decide about
                bufsize=0,
            )
        except OSError as error:
            if error.errno == errno.ENOEXEC:
                raise CoreStartError(f"mobula-core is not a program that this system can run: {self._path}") from error
            if error.errno == errno.EACCES:
                raise CoreStartError(
                    f"mobula-core may not be executed: {self._path} (is its file system mounted noexec?)"
                ) from error
            raise CoreStartError(f"mobula-core cannot be executed: {error.strerror}: {self._path}") from error

    def _handshake(self, process: subprocess.Popen[bytes], log: int, stdout: int) -> tuple[str, bytes, bytes]:
        """Read the core's one line and return the socket's path; of a driver of a cluster its job and address, too."""
        line = _read_line(stdout, time.monotonic() + self._config.timeout_s)
        if line is None:
            raise CoreStartError(
                f"mobula-core did not listen within {self._config.timeout_s:g} s: {self._path}{last_words(read_log(log))}"
            )
        fields = line.decode(errors="replace").rstrip("\n").split("|")
        if not line.endswith(b"\n") and not line.startswith(b"mobula-core|"):
            # Its stdout ended: it is going, or gone.
            how = ended_how(process.pid, code := process.wait())
            if code == _NOT_JOINED:
                raise ClusterJoinError(read_log(log).strip().removeprefix("mobula-core: "))
            raise CoreStartError(f"{how} before it listened: {self._path}{last_words(read_log(log))}")
        if len(fields) < 3 or fields[0] != "mobula-core":
            raise CoreStartError(f"{self._path} is not mobula-core: it said {line[:200]!r}")
        if fields[2] != __version__:
            raise CoreStartError(
                f"mobula-core is version {fields[2]}, the mobula package version {__version__}: {self._path}; "
                "install one of them again, or unset MOBULA_CORE"
            )
        if fields[1] != HANDSHAKE_VERSION or len(fields) != (7 if self._config.address else 5) or fields[3] != "unix":
            raise CoreStartError(f"mobula-core speaks another start-up protocol, it said {line[:200]!r}: {self._path}")
        job, address = fields[5:] or ("", "")
        return fields[4], bytes.fromhex(job), bytes.fromhex(address)


def language() -> str:
    """The version of Python, as far as pickles of functions depend on it: drivers of one session have the same."""
    return "{}.{}".format(*sys.version_info)


def worker_options(config: LaunchConfig) -> dict[str, Any]:
    """What workers get of this process, as `mobula._worker.config` reads it."""
    main_file = getattr(sys.modules.get("__main__"), "__file__", None)
    try:
        cwd = os.getcwd()
    except OSError:
        cwd = ""  # the folder was removed under us; workers then stay where they start
    return {
        # "" is the working directory: of this process, now, and not of a worker that goes elsewhere.
        "sys_path": [os.path.abspath(entry) if entry or cwd else entry for entry in sys.path],
        "sys_path_front": _before_library(),
        "cwd": cwd,
        "script_dir": os.path.dirname(os.path.abspath(main_file)) if main_file else cwd,
        "argv": list(sys.argv),
        "as_ray": as_ray.is_installed(),
        "env": dict(config.env),
        "namespace": config.namespace,
        "job_id": config.job_id.hex(),
        "log_to_driver": config.log_to_driver,
        "language": language(),
        **config.options,
    }


def _before_library() -> int:
    """How many entries of the import path come before the standard library: the script's folder, PYTHONPATH."""
    library = os.path.dirname(os.__file__)
    archive = os.path.join(os.path.dirname(library), "python{}{}.zip".format(*sys.version_info))
    return next((i for i, entry in enumerate(sys.path) if entry in (library, archive)), 0)


def _new_token() -> bytes:
    return os.urandom(TOKEN_BYTES)


def _filled_pipe(data: bytes) -> int:
    reader, writer = os.pipe()
    try:
        os.write(writer, data)
    finally:
        os.close(writer)
    return reader


def _filled_memory(name: str, data: bytes) -> int:
    with open(os.memfd_create(name, os.MFD_CLOEXEC), "wb") as file:
        file.write(data)
        file.flush()
        return os.dup(file.fileno())


def _read_line(fd: int, deadline: float) -> bytes | None:
    """One line, or what came until the end; None when the time is over first."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    line = b""
    while not line.endswith(b"\n") and len(line) < _LONGEST_HANDSHAKE:
        left = deadline - time.monotonic()
        if left <= 0 or not poll.poll(left * 1000):
            return None
        piece = os.read(fd, _LONGEST_HANDSHAKE)
        if not piece:
            break
        line += piece
    return line


class _Process(subprocess.Popen[bytes]):
    """The core's process, which `undo` knows of before it runs: a Ctrl-C may come before whoever starts it has it in hand."""

    pid = 0

    def __init__(self, undo: ExitStack, command: list[str], **options: Any) -> None:
        undo.callback(self._end)
        super().__init__(command, **options)

    def _end(self) -> None:
        """After a failed start: no core, and no child of it. Its number is its own until it is waited for."""
        if self.pid and self.returncode is None:
            try:
                os.killpg(self.pid, signal.SIGKILL)
            except ProcessLookupError:  # it has not made its group yet
                self.kill()
            self.wait()


def _sentence(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"there is no space to start mobula-core: {error}"
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return f"too many files are open to start mobula-core: {error}"
    if error.errno == errno.ENOMEM:
        return f"there is not enough memory to start mobula-core: {error}"
    return f"mobula-core could not be started: {error}"
