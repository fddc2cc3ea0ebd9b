"""Whoever of driver, core, zygote and worker dies, and however: the session's processes and files go.

Each case names the invariant it defends: driver gone → core gone → workers gone, with what the user's code started in them.
"""

from __future__ import annotations

import contextlib
import os
import signal

import pytest

from process_kit import assert_nothing_left, driver, is_alive, kill, until

SESSION = """
mobula.init(num_cpus=2)
actors = tell_all()
wait()
"""


@pytest.mark.parametrize(
    "victims",
    [
        ["driver"],
        ["core"],
        ["driver", "core"],
        ["core", "driver"],
        ["zygote", "driver"],
        ["worker", "driver"],
        ["worker", "zygote", "driver"],
    ],
    ids="+".join,
)
def test_kill(place: str, victims: list[str]) -> None:
    with driver(SESSION, place) as running:
        told = running.read()
        pids = {"driver": running.pid, "core": told["core"], "zygote": told["zygote"], "worker": told["workers"][0]}
        assert all(map(is_alive, [*pids.values(), told["child"]]))
        kill(*(pids[name] for name in victims))
        assert_nothing_left(told["session"])
        until("the daemon that a worker started is gone", lambda: not is_alive(told["child"]))
        if "driver" not in victims:
            assert running.process.poll() is None, "the driver lives on without its core"


SLOW_TO_END = """
mobula.init(num_cpus=1)

@mobula.remote
def stubborn():
    child = subprocess.Popen(["sleep", "1000"], start_new_session=True, stdout=subprocess.DEVNULL)
    return os.getppid(), os.getpid(), child.pid

core, worker, child = mobula.get(stubborn.remote())
os.kill(worker, signal.SIGSTOP)  # so that the core waits for it when it ends
tell(core=core, worker=worker, child=child, session=session.started().session_dir)
wait()
"""


def test_core_is_killed_while_it_cleans_up(place: str) -> None:
    """The zygote is the last to go: whoever kills the core before has left somebody who knows what workers have started."""
    with driver(SLOW_TO_END, place) as running:
        told = running.read()
        running.kill()
        until("the worker is told to end", lambda: has_pending(told["worker"], signal.SIGTERM) or not is_alive(told["worker"]))
        with contextlib.suppress(ProcessLookupError):  # on a slow machine it may be through with it
            kill(told["core"])
        assert_nothing_left(told["session"])
        until("what the worker has started is gone", lambda: not is_alive(told["child"]))


def has_pending(pid: int, number: int) -> bool:
    try:
        with open(f"/proc/{pid}/status") as file:
            pending = next(line.split()[1] for line in file if line.startswith("ShdPnd"))
    except (OSError, StopIteration):
        return False  # it is no more
    return bool(int(pending, 16) >> (number - 1) & 1)


def test_kill_of_all_at_once_leaves_a_folder_that_the_next_start_removes(place: str) -> None:
    with driver(SESSION, place) as running:
        told = running.read()
        kill(running.pid, told["core"], told["zygote"])
        until("end of the workers", lambda: not any(map(is_alive, told["workers"])))
        running.process.wait()
        os.kill(told["child"], signal.SIGKILL)  # nobody is left who knows of it
    assert os.path.isdir(told["session"])
    with driver(SESSION, place) as running:
        again = running.read()
        assert os.listdir(place) == [os.path.basename(again["session"])]
    assert_nothing_left(again["session"])


def test_core_is_killed_and_the_driver_learns_of_it(place: str) -> None:
    program = """
    mobula.init(num_cpus=2)
    actors = tell_all()
    wait()
    try:
        mobula.get(add.remote(1, 2))
    except Exception as error:
        tell(error=str(error), type=type(error).__name__)
    mobula.shutdown()
    mobula.init(num_cpus=1)
    tell(sum=mobula.get(add.remote(1, 2)))
    """
    with driver(program, place) as running:
        told = running.read()
        kill(told["core"])
        assert_nothing_left(told["session"])
        running.say()
        error = running.read()
        assert all(words in error["error"] for words in ("mobula-core", "SIGKILL")), error
        assert running.read() == {"sum": 3}
        assert running.process.wait(20) == 0, running.stderr()


def test_zygote_is_killed_and_work_goes_on(place: str) -> None:
    program = """
    mobula.init(num_cpus=2)
    actors = tell_all()
    wait()
    more = [Actor.options(num_cpus=0).remote() for _ in range(3)]
    tell(workers=mobula.get([actor.pid.remote() for actor in actors + more]))
    """
    with driver(program, place) as running:
        told = running.read()
        kill(told["zygote"])
        running.say()
        workers = running.read()["workers"]
        assert workers[:2] == told["workers"]
        assert len(set(workers)) == 5
        assert running.process.wait(20) == 0, running.stderr()
        assert_nothing_left(told["session"])


def test_worker_is_killed_and_the_others_go_on(place: str) -> None:
    program = """
    mobula.init(num_cpus=2)
    actors = tell_all()
    wait()
    try:
        mobula.get(actors[0].pid.remote())
    except mobula.exceptions.RayActorError as error:
        tell(error=str(error))
    tell(pid=mobula.get(actors[1].pid.remote()))
    """
    with driver(program, place) as running:
        told = running.read()
        kill(told["workers"][0])
        running.say()
        assert "error" in running.read()
        assert running.read()["pid"] == told["workers"][1]
        assert running.process.wait(20) == 0, running.stderr()
        assert_nothing_left(told["session"])


@pytest.mark.parametrize("how", ["os.fork()", "ctypes.CDLL(None).fork()"], ids=["python", "native"])
def test_child_that_the_user_forked_lives_on(place: str, how: str) -> None:
    # The child of a native fork runs no hook and keeps the lifeline open: the pidfd is what tells.
    program = f"""
    import ctypes
    mobula.init(num_cpus=1)
    actors = tell_all()
    child = {how}
    if child == 0:
        time.sleep(1000)
        os._exit(0)
    tell(child=child)
    wait()
    """
    with driver(program, place) as running:
        told = running.read()
        child = running.read()["child"]
        try:
            running.kill()
            assert_nothing_left(told["session"])
            assert is_alive(child)
        finally:
            os.kill(child, signal.SIGKILL)


@pytest.mark.parametrize(
    ("end", "code"),
    [("", 0), ("sys.exit(3)", 3), ("1 / 0", 1), ("os._exit(4)", 4), ("os.kill(os.getpid(), 15)", -15), ("mobula.shutdown()", 0)],
    ids=["falls off", "sys.exit", "uncaught", "os._exit", "SIGTERM", "shutdown"],
)
def test_ways_to_end(place: str, end: str, code: int) -> None:
    with driver(SESSION + end, place) as running:
        told = running.read()
        running.say()
        assert running.process.wait(20) == code, running.stderr()
        assert_nothing_left(told["session"])


def test_ctrl_c_is_the_drivers_to_decide_about(place: str) -> None:
    program = """
    signal.signal(signal.SIGINT, lambda *_: None)
    mobula.init(num_cpus=1)
    actors = tell_all()
    wait()
    tell(pid=mobula.get(actors[1].pid.remote()))
    """
    with driver(program, place) as running:
        told = running.read()
        os.killpg(running.pid, signal.SIGINT)  # as a terminal does
        running.say()
        assert running.read()["pid"] == told["workers"][1]
        assert running.process.wait(20) == 0, running.stderr()
        assert_nothing_left(told["session"])


def test_init_in_a_thread_that_ends(place: str) -> None:
    program = """
    thread = threading.Thread(target=mobula.init, kwargs={"num_cpus": 1})
    thread.start()
    thread.join()
    time.sleep(0.2)  # were anything tied to the thread, it would be gone by now
    actors = tell_all()
    tell(sum=mobula.get(add.options(num_cpus=0).remote(1, 2)))
    """
    with driver(program, place) as running:
        told = running.read()
        assert running.read() == {"sum": 3}
        assert running.process.wait(20) == 0, running.stderr()
        assert_nothing_left(told["session"])


def test_sessions_one_after_the_other_leave_no_descriptor_and_no_thread(place: str) -> None:
    program = """
    def count():
        return len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))
    counts = []
    for _ in range(4):
        mobula.init(num_cpus=1)
        assert mobula.get(add.remote(1, 2)) == 3
        mobula.shutdown()
        # A thread that was joined is listed until the kernel has done with it.
        deadline = time.monotonic() + 30
        while len(counts) > 1 and count() > counts[-1] and time.monotonic() < deadline:
            time.sleep(0.01)
        counts.append(count())
    tell(counts=counts)
    """
    with driver(program, place) as running:
        counts = running.read()["counts"]
        assert counts[1] >= counts[2] >= counts[3], counts
        assert running.process.wait(20) == 0, running.stderr()


def test_two_drivers_at_once_are_strangers(place: str) -> None:
    with driver(SESSION, place) as one, driver(SESSION, place) as two:
        first, second = one.read(), two.read()
        one.kill()
        assert_nothing_left(first["session"])
        assert all(map(is_alive, [second["core"], second["zygote"], *second["workers"], second["child"]]))
        two.say()
        assert two.process.wait(20) == 0, two.stderr()
        assert_nothing_left(second["session"])
