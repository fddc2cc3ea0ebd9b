"""Workers for the pool's tests: each function is an entry, as `mobula._worker.main:run_worker` is the real one."""

import ctypes
import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time

if os.environ.get("FAKE_THREAD"):
    threading.Thread(target=time.sleep, args=(1000,), name="fake-thread", daemon=True).start()


def nothing(config):
    os._exit(0)


def report(config):
    death_signal = ctypes.c_int()
    ctypes.CDLL(None).prctl(2, ctypes.byref(death_signal), 0, 0, 0)
    fds = [int(fd) for fd in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{fd}") or _open(int(fd))]
    print("to stderr", file=sys.stderr)
    print(
        json.dumps(
            {
                "worker_id": config.worker_id.hex(),
                "pid": os.getpid(),
                "ppid": os.getppid(),
                "pgid": os.getpgid(0),
                "token": config.token.hex(),
                "colour": os.environ.get("COLOUR"),
                "job_id": config.job_id.hex(),
                "pdeathsig": death_signal.value,
                "sigint": getattr(signal.getsignal(signal.SIGINT), "__name__", None),
                "stdin": os.readlink("/proc/self/fd/0"),
                "gc": gc.isenabled(),
                "fds": fds,
            }
        )
    )
    sys.exit(7)


def _open(fd):
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def take_tickets(config):
    taken = 0
    while taken < 3 and len(os.read(config.ticket_fd, 8)) == 8:
        taken += 1
    sys.exit(taken)


def with_child(config):
    child = subprocess.Popen(["sleep", "1000"])
    print("child", child.pid)
    child.wait()


def leave_child(config):
    print("child", subprocess.Popen(["sleep", "1000"]).pid)


def escape(config):
    quick = subprocess.Popen(["sleep", "0.05"], start_new_session=True)
    slow = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    print("quick", quick.pid, "slow", slow.pid)


def sleep_until_interrupted(config):
    try:
        print("asleep")  # inside: the interrupt may come as soon as this is read
        time.sleep(1000)
    except KeyboardInterrupt:
        sys.exit(9)


def sleep(config):
    time.sleep(1000)


def print_for_ever(config):
    """Says so after twice what the core keeps of one process, and goes on."""
    text = ("x" * 100 + "\n") * 100
    for _ in range(2 * (8 << 20) // len(text)):
        sys.stderr.write(text)
    open(os.environ["PRINTED"], "w").close()
    while True:
        sys.stderr.write(text)


def ignore_term(config):
    signal.signal(signal.SIGTERM, (lambda *_: sys.exit(5)) if os.environ.get("POLITE") else signal.SIG_IGN)
    print("set")
    while True:
        time.sleep(1000)
