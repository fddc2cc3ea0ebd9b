"""The core by itself, started and ended by hand: what it is given, what it keeps private, how its end is told."""

from __future__ import annotations

import os
import resource
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from mobula._core import binary, launch, leftovers, session_dir
from mobula._core.launch import LaunchConfig
from process_kit import assert_nothing_left, children, descriptors, is_alive, until


def test_version_and_help() -> None:
    for option in ("--version", "--help"):
        done = subprocess.run([binary.find(), option], capture_output=True, text=True, check=True)
        assert "mobula-core" in done.stdout


def test_start_and_stop(place: str) -> None:
    before = descriptors()
    core = launch.start(LaunchConfig(object_store_bytes=1 << 22))
    assert core.is_alive()
    assert core.describe_end() == ""
    assert stat.S_IMODE(os.stat(core.session_dir).st_mode) == 0o700
    assert stat.S_IMODE(os.stat(core.socket_path).st_mode) == 0o600
    assert os.fstat(core.arena_fd).st_size == core.arena_bytes == 1 << 22
    assert os.fstat(core.page_fd).st_size == 8 * 65536
    with pytest.raises(OSError, match="not permitted"):
        os.ftruncate(core.arena_fd, 0)
    core.stop()
    core.stop()
    assert not core.is_alive()
    assert core.describe_end() == ""
    assert_nothing_left(core.session_dir)
    assert descriptors() == before


def test_token_is_in_no_command_line_and_no_environment(place: str) -> None:
    core = launch.start(LaunchConfig())
    try:
        until("zygote", lambda: len(children(core.pid)) >= 1)
        for pid in [core.pid, *children(core.pid)]:
            for name in ("cmdline", "environ"):
                with open(f"/proc/{pid}/{name}", "rb") as file:
                    content = file.read()
                assert core.token not in content
                assert core.token.hex().encode() not in content
    finally:
        core.stop()


def test_no_process_of_a_session_dumps_core(place: str) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))  # as a user has it who wants dumps
    try:
        core = launch.start(LaunchConfig())
        try:
            until("zygote", lambda: len(children(core.pid)) >= 1)
            for pid in [core.pid, *children(core.pid)]:
                assert resource.prlimit(pid, resource.RLIMIT_CORE) == (0, hard)
        finally:
            core.stop()
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))


def test_token_is_in_no_log_and_no_file(place: str) -> None:
    core = launch.start(LaunchConfig())
    try:
        until("zygote", lambda: len(children(core.pid)) >= 1)
        with socket.socket(socket.AF_UNIX) as peer:  # the core has something to say of it, perhaps
            peer.connect(core.socket_path)
            peer.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + core.token.hex().encode())
        os.kill(children(core.pid)[0], signal.SIGKILL)
        until("the core's words", lambda: os.fstat(core._log_fd).st_size > 0)
        kept = [path.read_bytes() for path in Path(core.session_dir).rglob("*") if path.is_file()]
        kept.append(os.pread(core._log_fd, 1 << 20, 0))
        assert len(kept) >= 2, "the owner's file and the log"
        for content in kept:
            assert core.token not in content
            assert core.token.hex().encode() not in content
    finally:
        core.stop()


def test_core_listens_on_no_network(place: str) -> None:
    core = launch.start(LaunchConfig())
    try:
        sockets = {os.readlink(f"/proc/{core.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{core.pid}/fd")}
        for table in ("tcp", "tcp6", "udp", "udp6"):
            with open(f"/proc/{core.pid}/net/{table}") as file:
                inodes = {f"socket:[{line.split()[9]}]" for line in file.readlines()[1:]}
            assert not sockets & inodes, table
    finally:
        core.stop()


def test_garbage_at_the_socket_hurts_nobody(place: str) -> None:
    core = launch.start(LaunchConfig())
    try:
        for garbage in (b"", b"GET / HTTP/1.1\r\n\r\n", os.urandom(5000)):
            with socket.socket(socket.AF_UNIX) as peer:
                peer.connect(core.socket_path)
                try:
                    peer.sendall(garbage)
                except ConnectionError:
                    pass  # it hung up in the middle, which is its right
        assert core.is_alive()
    finally:
        core.stop()
    assert core.describe_end() == ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_core_ends_in_order_when_asked(place: str, number: signal.Signals) -> None:
    core = launch.start(LaunchConfig())
    os.kill(core.pid, number)
    until("end", lambda: not core.is_alive())
    assert not os.path.exists(core.session_dir)
    assert core.describe_end() == f"mobula-core (process {core.pid}) exited with code 0"
    core.stop()


def test_killed_core_is_told_and_cleaned_up(place: str) -> None:
    core = launch.start(LaunchConfig())
    os.kill(core.pid, signal.SIGKILL)
    until("end", lambda: not core.is_alive())
    assert core.describe_end() == f"mobula-core (process {core.pid}) was killed by SIGKILL"
    core.stop()
    assert_nothing_left(core.session_dir)


def test_core_that_hangs_is_killed(place: str) -> None:
    core = launch.start(LaunchConfig())
    os.kill(core.pid, signal.SIGSTOP)
    core.stop(timeout_s=0.2)
    assert "SIGKILL" in core.describe_end()
    assert_nothing_left(core.session_dir)


def test_forked_child_gives_everything_up(place: str) -> None:
    before = set(os.listdir("/proc/self/fd"))  # among them what a start lost that an earlier test interrupted
    core = launch.start(LaunchConfig())
    child = os.fork()
    if child == 0:
        try:
            core.stop()
            open_ends = [fd for fd in os.listdir("/proc/self/fd") if fd not in before and "mobula" in _target(fd)]
            os._exit(10 + len(open_ends))
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 10
    assert core.is_alive()
    core.stop()


def _target(fd: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        return ""


def test_program_that_waits_for_all_children(place: str) -> None:
    # os.wait() of the user's takes the core's exit status away: that is no reason to fail.
    core = launch.start(LaunchConfig())
    os.kill(core.pid, signal.SIGKILL)
    assert os.wait()[0] == core.pid
    core.stop()


def test_sweep_takes_only_what_is_surely_dead(place: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from mobula._core import session_dir; print(session_dir.create(sys.argv[1]))", place],
        capture_output=True,
        text=True,
        check=True,
    )
    dead = done.stdout.strip()
    alive = session_dir.create(place)  # and sweeps
    assert not os.path.exists(dead)
    bare = os.path.join(place, f"mobula-{os.getuid()}-4000000-aaaaaaaaaaaa")  # being made, or not ours to judge
    os.mkdir(bare, 0o700)
    other = session_dir.create(place)
    assert sorted(os.listdir(place)) == sorted(map(os.path.basename, (alive, bare, other)))
    for path in (alive, bare, other):
        session_dir.remove(path)


def test_sweep_of_processes_finds_them_by_their_mark() -> None:
    mark = "mobula-0-0-test"
    marked = subprocess.Popen(["sleep", "1000"], env={"MOBULA_SESSION": mark}, start_new_session=True)
    other = subprocess.Popen(["sleep", "1000"], env={"MOBULA_SESSION": mark + "2"})
    try:
        assert leftovers.kill_session(mark) == 1
        assert marked.wait(60) == -signal.SIGKILL
        assert is_alive(other.pid)
    finally:
        other.kill()
        other.wait()


def test_a_process_between_two_programs_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    mark = "mobula-0-0-between"
    wanted = f"MOBULA_SESSION={mark}".encode()
    marked = subprocess.Popen(["sleep", "1000"], env={"MOBULA_SESSION": mark})
    bare = subprocess.Popen(["sleep", "1000"], env={})
    real = leftovers._read
    empty = iter([b""] * 5)  # the whole first look, and a part of the second

    def read(pid: str, name: str) -> bytes:
        return next(empty, real(pid, name)) if pid == str(marked.pid) else real(pid, name)

    monkeypatch.setattr(leftovers, "_read", read)
    try:
        until("both have their program", lambda: real(str(bare.pid), "cmdline") != b"" != real(str(marked.pid), "environ"))
        assert leftovers._has_variable(str(bare.pid), wanted) is False, "it has no environment, and will have none"
        assert leftovers.kill_session(mark) == 1
        assert marked.wait(60) == -signal.SIGKILL
        assert next(empty, None) is None
        bare.kill()
        until("a zombie", lambda: not is_alive(bare.pid))
        assert leftovers._has_variable(str(bare.pid), wanted) is False
    finally:
        for process in (marked, bare):
            process.kill()
            process.wait()
