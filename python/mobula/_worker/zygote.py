"""The zygote: a process that has imported what workers need and forks them on the core's request.

It owns the fork and nothing else: the core makes the pipes and tickets, reaps the workers, and decides. It must stay
single-threaded, because a fork copies other threads' locks and not the threads; it looks before every fork and refuses
rather than making a worker that may hang. coreworker/workers/doc.go draws how a worker comes to be.

Requests and answers are JSON packets on a SOCK_SEQPACKET socket (coreworker/workers/zygote.go).
"""

from __future__ import annotations

import array
import gc
import importlib
import json
import os
import select
import signal
import socket
import struct
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from mobula._core import leftovers
from mobula._version import __version__
from mobula._worker import lifeline
from mobula._worker.birth import apply_environment, apply_interpreter, become_worker, entry_of, reset_process
from mobula._worker.config import WorkerConfig

# Imported once here so that no worker pays for it. Not numpy: its BLAS starts threads. The entry's own module comes
# last, so that a package that lacks something says so at once and in one place.
PRELOAD = ("pickle",)
# Of use to async actors alone, and long in coming: the first worker is waited for, and few workers would share little. Imported
# in a pause once this many were forked.
PRELOAD_LATER = ("concurrent.futures.thread", "mobula._worker.loop")
LATER = 4
PRELOAD_FOR_TASKS = ("cloudpickle", "mobula._core.pb.boundary_pb2")
CONFIG_FD = 4
MAX_PACKET = 64 << 10
FDS_OF_REQUEST = 5  # ticket, stdin, stdout, stderr, go
_PID = struct.Struct("=i")


def run_zygote(certificate: Mapping[str, Any]) -> NoReturn:
    """Serve until the core closes the control socket or dies. Entered by the bootstrap of the core."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is the driver's to decide about
    lifeline.set_name("mobula-zygote")
    os.close(CONFIG_FD)
    for fd in (certificate["arena_fd"], certificate["page_fd"], certificate["spill_fd"], certificate["control_fd"]):
        if fd >= 0:
            os.set_inheritable(fd, False)
    core_pid: int = certificate["core_pid"]
    core = os.pidfd_open(core_pid)
    if os.getppid() != core_pid:
        os._exit(0)  # the core ended before we looked; compared after the pidfd was made, so this holds
    gc.disable()
    apply_interpreter(certificate["options"])
    _preload(certificate["options"])
    control = socket.socket(fileno=certificate["control_fd"])
    _Zygote(certificate, control, core).serve()
    os._exit(0)


def run_single(certificate: Mapping[str, Any]) -> NoReturn:
    """Be one worker in an interpreter of its own. Entered by the bootstrap of the core."""
    os.close(CONFIG_FD)
    ticket_fd, go_fd = certificate["ticket_fd"], certificate["control_fd"]
    for fd in (certificate["arena_fd"], certificate["page_fd"], certificate["spill_fd"], ticket_fd, go_fd):
        if fd >= 0:
            os.set_inheritable(fd, False)
    apply_interpreter(certificate["options"], keep_own_path=certificate.get("own_path", False))
    reset_process()
    env = certificate.get("runtime_env", "")
    become_worker(WorkerConfig.from_certificate(certificate, certificate["worker_id"], ticket_fd, env), go_fd)


def _preload(options: Mapping[str, Any]) -> None:
    entry, _ = entry_of(options)
    for_tasks = PRELOAD_FOR_TASKS if "entry" not in options else ()
    for name in (*PRELOAD, *for_tasks, *(options.get("preload") or ()), entry):
        importlib.import_module(name)
    _freeze()


def _freeze() -> None:
    gc.collect()
    gc.freeze()  # the collector of a worker must not touch, and so copy, what all share


class _Zygote:
    """The serving loop and its two descriptors."""

    def __init__(self, certificate: Mapping[str, Any], control: socket.socket, core: int) -> None:
        self._certificate = certificate
        self._control = control
        self._core = core
        self._forked = 0

    def serve(self) -> None:
        # Until here the core's end killed this process, whatever an import was waiting for. From here on it sees that end
        # by itself, and survives it to clean up.
        lifeline.outlive_parent()
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._core, select.POLLIN)
        self._answer(ready=__version__)
        later = list(PRELOAD_LATER) if "entry" not in self._certificate["options"] else []
        while True:
            if later and self._forked >= LATER and not poll.poll(0):
                importlib.import_module(later.pop())
                if not later:
                    _freeze()
                continue
            ready = [fd for fd, _ in poll.poll()]
            if self._core in ready:
                leftovers.clean_up_after_core(self._certificate["session_dir"])
                return
            if self._control.fileno() in ready and not self._serve_one():
                # The core wants no more, or is being killed and its socket went before its process. It ends this process
                # when it has cleaned up; until then it may be killed over that, so its end is waited for.
                poll.unregister(self._control)
                self._control.close()

    def _serve_one(self) -> bool:
        """False when nothing more will come."""
        rights = array.array("i")
        try:
            data, ancillary, _, _ = self._control.recvmsg(
                MAX_PACKET, socket.CMSG_SPACE(FDS_OF_REQUEST * rights.itemsize), socket.MSG_CMSG_CLOEXEC
            )
        except ConnectionError:
            return False
        if not data:
            return False
        for level, kind, payload in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                rights.frombytes(payload[: len(payload) - len(payload) % rights.itemsize])
        fds = rights.tolist()
        request = json.loads(data)
        if request.get("last"):
            return False
        try:
            self._fork(request, fds)
        finally:
            for fd in fds:
                os.close(fd)
        return True

    def _answer(self, **fields: Any) -> None:
        try:
            self._control.send(json.dumps(fields).encode())
        except ConnectionError:
            pass  # the next receive says the same and ends the loop

    def _fork(self, request: Mapping[str, Any], fds: Sequence[int]) -> None:
        why = _threads()
        if why:
            self._answer(refused=request["id"], why=why)
            return
        try:
            pid = self._fork_twice(request, fds)
        except OSError as error:
            self._answer(failed=request["id"], why=f"the zygote could not fork: {error}")
            return
        self._answer(born=request["id"], pid=pid)
        self._forked += 1

    def _fork_twice(self, request: Mapping[str, Any], fds: Sequence[int]) -> int:
        """Make the worker a child of the core and return its pid, when it is one."""
        reader, writer = os.pipe()
        try:
            between = os.fork()
            if between == 0:
                self._between(request, fds, reader, writer)
            os.close(writer)
            writer = -1
            told = os.read(reader, _PID.size)
            # When this returns the kernel has handed the worker on: it does so before it lets anybody see the end.
            os.waitpid(between, 0)
        finally:
            os.close(reader)
            if writer >= 0:
                os.close(writer)
        if len(told) != _PID.size:
            raise OSError("the process between zygote and worker ended early")
        pid: int = _PID.unpack(told)[0]
        if pid < 0:
            raise OSError(-pid, os.strerror(-pid))
        return pid

    def _between(self, request: Mapping[str, Any], fds: Sequence[int], reader: int, writer: int) -> NoReturn:
        """The first child: fork the worker, tell its pid, end. Nothing may return into the zygote's loop."""
        try:
            try:
                pid = os.fork()
            except OSError as error:
                pid = -(error.errno or 1)
            if pid > 0:
                # Here and in the worker itself, or:
                #     zygote: reports the worker        core: says go, kills a dead zygote's group
                #     worker: not scheduled yet, still in that group, and dies with it
                os.setpgid(pid, pid)
            if pid:
                os.write(writer, _PID.pack(pid))
                os._exit(0)
            os.close(reader)
            os.close(writer)
            self._worker(request, fds)
        finally:
            os._exit(1)

    def _worker(self, request: Mapping[str, Any], fds: Sequence[int]) -> NoReturn:
        ticket, stdin, stdout, stderr, go = fds
        os.setpgid(0, 0)
        for fd, standard in ((stdin, 0), (stdout, 1), (stderr, 2)):
            os.dup2(fd, standard)
            os.close(fd)
        self._control.close()
        os.close(self._core)
        apply_environment(request.get("env") or ())
        reset_process()
        env = request.get("runtime_env", "")
        certificate = self._certificate
        if "options" in request:  # of a driver that has joined the session
            certificate = {**certificate, "options": request["options"]}
            apply_interpreter(certificate["options"])
        become_worker(WorkerConfig.from_certificate(certificate, request["id"], ticket, env), go)


def _threads() -> str:
    """Why a fork would not be safe now; "" when it is."""
    count = len(os.listdir("/proc/self/task"))
    if count == 1:
        return ""
    names = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
    native = count - 1 - len(names)
    if native > 0:
        names.append(f"{native} started by native code")
    return f"something imported into the zygote started threads ({', '.join(names)}); a fork would not copy them"


def main() -> NoReturn:
    """`python -m mobula._worker.zygote`: the certificate is on descriptor 4, as from the bootstrap."""
    run_zygote(json.loads(os.pread(CONFIG_FD, os.fstat(CONFIG_FD).st_size, 0)))


if __name__ == "__main__":
    sys.exit(main())
