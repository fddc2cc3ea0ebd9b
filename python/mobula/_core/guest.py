"""Joins the session of another driver on this machine, by the address that its `address_info` tells.

Owns what is said on the second socket of a session's folder (pyshim/guests is the other side) and the handle that stands where a
driver that starts a session has `Core`. It refuses a folder that another user could have made, entered or exchanged.
"""

from __future__ import annotations

import array
import contextlib
import json
import os
import socket
import stat
import struct
import sys
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from mobula._core import forks, session_dir
from mobula._core.launch import language
from mobula._core.start_error import SessionJoinError
from mobula._version import __version__

PROTOCOL = 1
_SOCKET = "join.sock"
_PATIENCE_S = 30.0
_LEAVING_S = 20.0
_LONGEST_ANSWER = 16 << 10
_DESCRIPTORS = 2  # arena and spill file
_BYE = b"bye"


def folder_of(address: str) -> str:
    """The folder of the session that an address names: `unix:` and the path of its socket, or the path of the folder. "" where
    it names none."""
    path = address.removeprefix("unix:")
    if not path.startswith("/"):
        return ""
    return os.path.dirname(path) if os.path.basename(path) == os.path.basename(session_dir.socket_of("")) else path.rstrip("/")


def join(folder: str, options: Mapping[str, Any], *, shows: bool, owner: ExitStack) -> Guest:
    """Makes this process a further driver of the session; `options` are its workers', `owner` lets it leave.

    Raises SessionJoinError, which says why not.
    """
    check(folder)
    guest = Guest(folder)
    owner.callback(guest.stop)
    guest._enter(
        {"protocol": PROTOCOL, "version": __version__, "python": sys.executable, "language": language(), "shows": shows}, options
    )
    return guest


def check(folder: str) -> None:
    """Raises SessionJoinError where there is no session, or not one of this user alone."""
    try:
        found = os.lstat(folder)  # not stat: a symbolic link could be pointed elsewhere after the look
    except FileNotFoundError:
        raise SessionJoinError(
            f"there is no session in {folder}: it has ended with the driver that began it, or never was"
        ) from None
    except OSError as error:
        raise SessionJoinError(f"the session in {folder} cannot be looked at: {error.strerror}") from error
    if stat.S_ISLNK(found.st_mode):
        raise SessionJoinError(f"{folder} is a symbolic link, and so no session's folder: give the folder itself")
    if not stat.S_ISDIR(found.st_mode):
        raise SessionJoinError(f"{folder} is no folder, and so no session's: give address_info['address'] of the session's driver")
    if found.st_uid != os.getuid():
        raise SessionJoinError(
            f"the session in {folder} belongs to uid {found.st_uid}, this process to uid {os.getuid()}: a session is one user's"
        )
    if found.st_mode & 0o077:
        raise SessionJoinError(
            f"{folder} has mode {stat.S_IMODE(found.st_mode):04o}, which lets others in: a session's folder has 0700"
        )


class Guest:
    """This process's place in another's session. Made by `join`; `stop` must follow, in this process."""

    def __init__(self, folder: str) -> None:
        self.session_dir = folder
        self.socket_path = session_dir.socket_of(folder)
        self.address = b""
        #: The cancel page is the driver's that the session began with: our cancels wait for their answer.
        self.page_fd = -1
        self.arena_fd = self.spill_fd = -1
        self.arena_bytes = 0
        self.token = self.job_id = b""
        #: The core's process, and that of the driver that the session began with.
        self.pid = self.driver_pid = 0
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._lock = threading.Lock()
        self._stopped = False
        forks.on_child(self._abandon)

    def _enter(self, request: Mapping[str, Any], options: Mapping[str, Any]) -> None:
        self._socket.settimeout(_PATIENCE_S)
        try:
            self._socket.connect(os.path.join(self.session_dir, _SOCKET))
        except (FileNotFoundError, ConnectionRefusedError) as error:
            raise SessionJoinError(self._why_closed()) from error
        except OSError as error:
            raise SessionJoinError(f"the session in {self.session_dir} cannot be reached: {error}") from error
        try:
            _, uid, _ = struct.unpack("3i", self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
            if uid != os.getuid():
                raise SessionJoinError(f"in {self.session_dir} a process of uid {uid} listens: a session is one user's")
            with open(os.memfd_create("mobula-options", os.MFD_CLOEXEC), "wb") as file:
                file.write(json.dumps(options).encode())
                file.flush()
                socket.send_fds(self._socket, [json.dumps(request).encode()], [file.fileno()])
            answer = self._hear()
        except OSError as error:
            if isinstance(error, SessionJoinError):
                raise
            raise SessionJoinError(f"the session in {self.session_dir} did not answer: {error}") from error
        if "refused" in answer:
            raise SessionJoinError(f"the session in {self.session_dir} does not take this driver in: {answer['refused']}")
        self.token, self.job_id = bytes.fromhex(answer["token"]), bytes.fromhex(answer["job"])
        self.pid, self.driver_pid = answer["core_pid"], answer.get("driver_pid", 0)

    def _hear(self) -> dict[str, Any]:
        rights = array.array("i")
        packet, ancillary, flags, _ = self._socket.recvmsg(
            _LONGEST_ANSWER, socket.CMSG_SPACE(_DESCRIPTORS * rights.itemsize), socket.MSG_CMSG_CLOEXEC
        )
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                rights.frombytes(data[: len(data) - len(data) % rights.itemsize])
        if not packet:
            raise SessionJoinError(f"the session in {self.session_dir} has ended while this driver was about to join")
        answer: dict[str, Any] = json.loads(packet)
        fds = list(rights)
        if flags & socket.MSG_CTRUNC:  # the kernel gives those that fit
            for fd in fds:
                os.close(fd)
            raise SessionJoinError(
                f"the session in {self.session_dir} cannot be joined: this process has no descriptors left for its shared memory "
                "(raise the limit of open files, `ulimit -n`)"
            )
        if answer.get("arena"):
            self.arena_fd, self.arena_bytes = fds.pop(0), answer["arena_bytes"]
        if answer.get("spill"):
            self.spill_fd = fds.pop(0)
        return answer

    def _why_closed(self) -> str:
        listens = socket.socket(socket.AF_UNIX)
        try:
            with listens:
                listens.connect(self.socket_path)
        except OSError:
            return f"the session in {self.session_dir} has ended, with the driver that began it"
        return (
            f"the session in {self.session_dir} cannot be joined: it is a driver's place in a Ray cluster (give the address of "
            f"that), or one of another release than mobula {__version__}"
        )

    def describe_end(self) -> str:
        """Why nothing answers any more."""
        whose = f" (process {self.driver_pid})" if self.driver_pid else ""
        joined = f"the session in {self.session_dir}, which this process had joined"
        return f"{joined}, is over: it ends with the driver that began it{whose}"

    def stop(self) -> None:
        """Leaves the session, and waits until what ran for this driver is gone. Idempotent, and nothing in a forked child."""
        with self._lock:
            if self._stopped:
                return
            self._stopped = True
            forks.forget(self._abandon)
            with contextlib.suppress(OSError):  # the session has ended, or was never reached: there is nobody to say goodbye to
                self._socket.settimeout(_LEAVING_S)
                self._socket.send(_BYE)
                self._socket.recv(1)  # nothing ever comes: it is closed when all is done
            self._close()

    def _abandon(self) -> None:
        """In a forked child: let go. Without a word: the connection is the parent's."""
        self._stopped = True
        self._close()

    def _close(self) -> None:
        self._socket.close()
        for fd in (self.arena_fd, self.spill_fd):
            if fd >= 0:
                with contextlib.suppress(OSError):  # closed by a child that closes all descriptors, say
                    os.close(fd)
        self.arena_fd = self.spill_fd = -1
