"""The faults of the soak: signals to processes that the core has started, at random."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections import Counter


def _status(pid: int) -> tuple[str, int, str] | None:
    """Name, parent and state of a process; None when there is none."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            head, _, tail = file.read().rpartition(")")
    except OSError:
        return None
    state, parent = tail.split()[:2]
    return head.partition("(")[2], int(parent), state


def _is_zygote(pid: int) -> bool:
    status = _status(pid)
    return status is not None and status[0] == "mobula-zygote"


def _is_starting(pid: int) -> bool:
    """It has not come to giving itself a name."""
    status = _status(pid)
    return status is not None and not status[0].startswith("mobula-")


def children(core: int) -> list[int]:
    """The core's children: the zygote and the workers."""
    found = []
    for name in os.listdir("/proc"):
        status = _status(int(name)) if name.isdigit() else None
        if status is not None and status[1] == core and status[2] not in "ZX":
            found.append(int(name))
    return found


#: Of what is being started so many are killed in a row, and then it is left alone until a zygote is there again: on a machine where
#: a start takes longer than faults are apart, none would ever be ready, and after minutes of that the core has to say so.
STARTS_IN_A_ROW = 25


class Faults(threading.Thread):
    """Injects until it is stopped. `done` counts what was injected; `failed` is what ended the thread early."""

    def __init__(self, core: int, seed: int, every: float) -> None:
        super().__init__()
        self.done: Counter[str] = Counter()
        self.failed: BaseException | None = None
        self._core = core
        self._choose = random.Random(seed)
        self._every = every
        self._starts = 0  # that were killed since there was a zygote
        self._over = threading.Event()

    def stop(self) -> None:
        """Inject nothing more; every process that was stopped goes on."""
        self._over.set()
        self.join()

    def run(self) -> None:
        """Implements Thread."""
        try:
            while not self._over.wait(self._choose.expovariate(1 / self._every)):
                self._inject()
        except BaseException as error:
            self.failed = error
            raise

    def _inject(self) -> None:
        """One fault: mostly a worker's death, now and then the zygote's, or a worker that stands still for a while. What is being
        started, a zygote or a worker, is taken for a worker: where nothing else lives, every fault hits the next zygote."""
        kind = self._choose.choices(("worker killed", "worker stopped for a while", "zygote killed"), (8, 2, 1))[0]
        all_of_them = children(self._core)
        if any(map(_is_zygote, all_of_them)):
            self._starts = 0
        fit = [pid for pid in all_of_them if _is_zygote(pid) == (kind == "zygote killed")]
        if self._starts >= STARTS_IN_A_ROW:
            fit = [pid for pid in fit if not _is_starting(pid)]
        if not fit:
            return  # between the end of one and the start of the next
        pid = self._choose.choice(sorted(fit))
        try:
            pidfd = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        try:
            status = _status(pid)
            if status is None or status[1] != self._core:
                return  # the number is another process's by now
            starting = _is_starting(pid)
            if kind != "worker stopped for a while":
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            else:
                signal.pidfd_send_signal(pidfd, signal.SIGSTOP)
                self._over.wait(self._choose.random())
                signal.pidfd_send_signal(pidfd, signal.SIGCONT)
            self._starts += starting
            self.done[kind.replace("worker", "process") + " as it started" if starting else kind] += 1
        except ProcessLookupError:
            pass  # it ended by itself meanwhile
        finally:
            os.close(pidfd)
