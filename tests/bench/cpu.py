"""CPU time of processes, thread by thread (Linux)."""

import os


def children(pid):
    """Processes whose parent is `pid` (Linux)."""
    out = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat") as f:
                    parent = int(f.read().rsplit(")", 1)[1].split()[1])
            except OSError:  # it has ended meanwhile
                continue
            if parent == pid:
                out.append(int(name))
    return out


def cpu(pids):
    """Nanoseconds that the threads of these processes have run."""
    total = 0
    for pid in pids:
        for thread in os.listdir(f"/proc/{pid}/task"):
            try:
                with open(f"/proc/{pid}/task/{thread}/schedstat") as f:
                    total += int(f.read().split()[0])
            except OSError:  # noqa: PERF203 - it has ended meanwhile
                continue
    return total
