"""Further drivers of one session: what they share, what each has of its own, and what is left when one of them goes."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from integration_kit import until

import mobula
from mobula import testing
from mobula._core import guest, launch
from mobula._core.start_error import SessionJoinError
from mobula._version import __version__

NAMESPACE = "meeting"
JOINS = 'ray.init(address=sys.argv[1], namespace="meeting")'
HEAD = """
import json, os, sys, time
import mobula as ray
from mobula import testing

def say(**what):
    print("SAID " + json.dumps(what), flush=True)
"""


@mobula.remote(num_cpus=0)
class Keeper:
    """What drivers leave for each other."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}

    def keep(self, name: str, what: Any) -> None:
        self.kept[name] = what

    def kept_as(self, name: str) -> Any:
        return self.kept.get(name)


@mobula.remote
def has_variable(name: str) -> str | None:
    """A variable of a worker of the first driver."""
    return os.environ.get(name)


@pytest.fixture(scope="module")
def session() -> Iterator[Any]:
    """One session for all tests here; gives its Process."""
    mobula.init(num_cpus=4, object_store_memory=1 << 28, namespace=NAMESPACE)
    yield mobula.session.process()
    mobula.shutdown()


@pytest.fixture
def keeper(session: Any) -> Iterator[Any]:
    """A named actor of the first driver; when the test is over, nothing else is left of it."""
    made = Keeper.options(name="keeper").remote()
    mobula.get(made.keep.remote("", None))
    yield made
    mobula.kill(made)
    del made
    testing.at_rest()


@pytest.fixture(autouse=True)
def _none_stays() -> Iterator[None]:
    yield
    for one in Second.started:
        if one.process.poll() is None:  # the test has failed
            one.process.kill()
        one.process.communicate()
    Second.started.clear()


class Second:
    """Another driver, in a process of its own."""

    started: ClassVar[list[Second]] = []

    def __init__(self, folder: Path, source: str, *, address: str = "", head: str = JOINS) -> None:
        script = folder / "second.py"
        script.write_text(HEAD + head + "\n" + textwrap.dedent(source))
        address = address or mobula.session.address_info()["address"]
        self.process = subprocess.Popen(
            [sys.executable, str(script), address],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.PIPE,
            text=True,
            env={**os.environ, "RAY_COLOR_PREFIX": "0"},
        )
        self.seen = ""
        self.started.append(self)

    def said(self) -> dict[str, Any]:
        """What it says next."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("SAID "):
                found: dict[str, Any] = json.loads(line[5:])
                return found
            self.seen += line
        raise AssertionError(self.process.communicate()[1])

    def go_on(self) -> None:
        """Lets it read a line."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def ended(self) -> str:
        """What it printed, when it has ended well."""
        out, err = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, err
        return self.seen + out + err


def workers() -> list[int]:
    return [one.pid for one in mobula.util.state.list_workers() if one.worker_type == "WORKER"]


def all_is_back() -> bool:
    return mobula.available_resources().get("CPU") == 4.0


def test_it_shares_the_session_and_has_a_job_of_its_own(keeper: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Its tasks find its modules, know its job and print where it prints; when it leaves, what it had is gone, and no more."""
    (tmp_path / "beside.py").write_text("WHERE = 'beside the second script'\n")
    second = Second(
        tmp_path,
        """
        @ray.remote
        def look():
            import beside
            print("printed by the second's task", flush=True)
            context = ray.get_runtime_context()
            return beside.WHERE, context.get_job_id(), context.namespace, os.getpid()

        @ray.remote(num_cpus=1)
        class Mine:
            def pid(self):
                return os.getpid()

        keeper = ray.get_actor("keeper")
        ray.get(keeper.keep.remote("cpus", ray.cluster_resources()["CPU"]))
        mine = Mine.options(name="mine").remote()
        lasting = Mine.options(name="lasting", lifetime="detached", num_cpus=0).remote()
        say(job=ray.get_runtime_context().get_job_id(), look=ray.get(look.remote()), mine=ray.get(mine.pid.remote()),
            lasting=ray.get(lasting.pid.remote()), theirs=ray.get(keeper.kept_as.remote("job")))
        sys.stdin.readline()
        keeper.keep.remote("last", "word")     # nobody waits for it
        """,
    )
    mobula.get(keeper.keep.remote("job", mobula.get_runtime_context().get_job_id()))
    said = second.said()
    where, job, namespace, pid = said["look"]
    assert where == "beside the second script"
    assert job == said["job"] != said["theirs"] == mobula.get_runtime_context().get_job_id()
    assert namespace == NAMESPACE
    assert [one.job_id for one in mobula.util.state.list_jobs()] == [said["theirs"], job]
    mine = mobula.get_actor("mine")
    assert mobula.get(mine.pid.remote()) == said["mine"]
    second.go_on()
    assert "printed by the second's task" in second.ended()
    assert "printed by the second's task" not in "".join(capfd.readouterr())
    assert mobula.get(keeper.kept_as.remote("cpus")) == 4.0
    assert mobula.get(keeper.kept_as.remote("last")) == "word"
    assert [one.job_id for one in mobula.util.state.list_jobs()] == [said["theirs"]]
    left = workers()
    assert pid not in left
    assert said["mine"] not in left
    with pytest.raises(mobula.exceptions.ActorDiedError, match=r"its driver \(process \d+\) has left the session"):
        mobula.get(mine.pid.remote())
    with pytest.raises(ValueError, match="mine"):
        mobula.get_actor("mine")
    lasting = mobula.get_actor("lasting")
    assert mobula.get(lasting.pid.remote()) == said["lasting"]
    mobula.kill(lasting)


def test_one_that_is_killed_leaves_nothing(keeper: Any, tmp_path: Path) -> None:
    """SIGKILL while it has running, nested, queued and stored things: all is given back, and what others hold is told."""
    second = Second(
        tmp_path,
        """
        import numpy
        from mobula.util.placement_group import placement_group

        @ray.remote(num_cpus=1)
        def sleep():
            time.sleep(600)

        @ray.remote(num_cpus=1)
        def nested():
            ray.get(sleep.remote())

        @ray.remote(num_cpus=1, max_restarts=-1)
        class Mine:
            def child(self):
                self.mine = Mine.options(num_cpus=0).remote()
                return ray.get(self.mine.pid.remote())
            def pid(self):
                return os.getpid()

        keeper = ray.get_actor("keeper")
        group = placement_group([{"CPU": 1}], name="seconds")
        ray.get(group.ready())
        mine = Mine.remote()
        child = ray.get(mine.child.remote())
        running = nested.remote()
        ray.get(keeper.keep.remote("refs", [running, ray.put(numpy.arange(100_000)), sleep.remote()]))
        queued = [sleep.remote() for _ in range(50)]
        say(pids=[child, ray.get(mine.pid.remote())])
        time.sleep(600)
        """,
    )
    pids = second.said()["pids"]
    assert set(pids) <= set(workers())
    second.process.kill()
    second.process.communicate()
    until("all resources are back", all_is_back)
    until("its workers are gone", lambda: not set(pids) & set(workers()))
    running, stored, waiting = mobula.get(keeper.kept_as.remote("refs"))
    assert int(mobula.get(stored).sum()) == sum(range(100_000))
    for lost in (running, waiting):
        with pytest.raises((mobula.exceptions.OwnerDiedError, mobula.exceptions.WorkerCrashedError)):
            mobula.get(lost, timeout=30)
    with pytest.raises(ValueError, match="seconds"):
        mobula.util.get_placement_group("seconds")


def test_its_environment_is_its_own(keeper: Any, tmp_path: Path) -> None:
    """Variables of its runtime_env are there before its workers' interpreters start; nobody else has them. What they print last
    is shown, although nobody waits for them when it leaves."""
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "brought.py").write_text("WHAT = 'a module'\n")
    second = Second(
        tmp_path,
        """
        @ray.remote
        class Talker:
            def look(self):
                from modules import brought
                return brought.WHAT, os.environ["SECOND_HAS"], ray.get_runtime_context().runtime_env["env_vars"]
            def talk(self):
                for number in range(2000):
                    print(f"line {number}", flush=True)

        talker = Talker.remote()
        say(look=ray.get(talker.look.remote()))
        ray.get(talker.talk.remote())
        """,
        head="""
modules = os.path.join(os.path.dirname(__file__), "modules")
env = {"env_vars": {"SECOND_HAS": "this", "PYTHONHASHSEED": "7"}, "py_modules": [modules]}
ray.init(address=sys.argv[1], namespace="meeting", runtime_env=env)
""",
    )
    assert second.said()["look"] == ["a module", "this", {"SECOND_HAS": "this", "PYTHONHASHSEED": "7"}]
    shown = second.ended()
    assert [number for number in range(2000) if f"line {number}\n" not in shown.replace("\x1b[0m", "")] == []
    assert mobula.get(has_variable.remote("SECOND_HAS")) is None


def test_two_at_a_time_pass_large_objects_on(keeper: Any, tmp_path: Path) -> None:
    """Each maps what the others have stored; each leaves for itself, and finds nothing of its own left behind."""
    source = """
    import numpy
    with testing.nothing_left():
        keeper = ray.get_actor("keeper")
        me = sys.stdin.readline().strip()
        [theirs] = ray.get(keeper.kept_as.remote("first"))
        view = ray.get(theirs)
        ray.get(keeper.keep.remote(me, [ray.put(view + 1)]))
        say(writable=view.flags.writeable, job=ray.get_runtime_context().get_job_id())
        sys.stdin.readline()
        del theirs, view, keeper
        ray.shutdown()
    """
    import numpy

    mobula.get(keeper.keep.remote("first", [mobula.put(numpy.zeros(1 << 20))]))
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
    both = [Second(folder, source) for folder in folders]
    jobs = set()
    for one, name in zip(both, "ab", strict=True):
        assert one.process.stdin is not None
        one.process.stdin.write(f"{name}\n")
        one.process.stdin.flush()
        said = one.said()
        assert not said["writable"]
        jobs.add(said["job"])
    assert len(jobs) == 2
    both[0].go_on()
    both[0].ended()
    for name in "ab":
        [ref] = mobula.get(keeper.kept_as.remote(name))
        assert float(mobula.get(ref).sum()) == 1 << 20
        del ref
    both[1].go_on()
    both[1].ended()


def test_the_session_ends_with_the_driver_that_began_it(tmp_path: Path) -> None:
    """Who waits in a get learns it in one sentence, and can begin anew."""
    first = Second(
        tmp_path,
        """
        say(address=ray.session.address_info()["address"])
        sys.stdin.readline()
        """,
        address="local",
        head='ray.init(num_cpus=1, address="local")',
    )
    folder = tmp_path / "second"
    folder.mkdir()
    second = Second(
        folder,
        """
        @ray.remote
        def sleep():
            say(runs=True)
            time.sleep(600)

        ref = sleep.remote()
        say(joined=True)
        try:
            ray.get(ref)
        except ray.exceptions.RaySystemError as error:
            say(error=str(error))
        ray.shutdown()
        ray.init(num_cpus=1, address="local")
        say(again=ray.get(ray.put("again")))
        """,
        address=first.said()["address"],
    )
    assert second.said() == {"joined": True}
    first.go_on()
    first.ended()
    error = second.said()["error"]
    assert f"is over: it ends with the driver that began it (process {first.process.pid})" in error
    assert second.said() == {"again": "again"}
    second.ended()


def test_each_refusal_is_one_sentence(session: Any, tmp_path: Path) -> None:
    """Wrong path, symbolic link, another's folder, open folder, other release, other Python, what a session has itself."""
    folder = os.path.dirname(session.session.socket_path)
    link, plain, wide = tmp_path / "link", tmp_path / "plain", tmp_path / "wide"
    link.symlink_to(folder)
    plain.write_text("")
    wide.mkdir(mode=0o755)
    (tmp_path / "dead").mkdir(mode=0o700)
    cases = {
        f"unix:{tmp_path}/none/core.sock": "there is no session in .*/none: it has ended",
        str(link): "is a symbolic link",
        str(plain): "is no folder",
        str(wide): "has mode 0755, which lets others in",
        str(tmp_path / "dead"): "has ended, with the driver that began it",
    }
    if os.getuid() == 0:
        foreign = tmp_path / "foreign"
        foreign.mkdir(mode=0o700)
        os.chown(foreign, 12345, -1)
        cases[str(foreign)] = "belongs to uid 12345"
    for address, sentence in cases.items():
        with pytest.raises(SessionJoinError, match=sentence):
            _ask(guest.folder_of(address))
    good = {"protocol": 1, "version": __version__, "python": sys.executable, "language": launch.language(), "shows": False}
    for wrong, sentence in (
        ({"version": "0.0.1"}, f"the session is one of mobula {__version__}, the driver has 0.0.1"),
        ({"language": "2.7"}, "the session's drivers run Python .*, this one 2.7"),
        ({"protocol": 7}, "joined by protocol 1, and the driver speaks 7"),
    ):
        with pytest.raises(SessionJoinError, match=sentence):
            _ask(folder, {**good, **wrong})
    with _free_descriptors(2), pytest.raises(SessionJoinError, match="no descriptors left for its shared memory"):
        _ask(folder, good)  # enough for the connection and for what it sends, not for both that come back
    assert session.inspect().processes == 1 + session.inspect().workers
    with pytest.raises(ValueError, match="the session that is joined has its own"):
        mobula.init_options.read({**_nothing_given(), "address": folder, "num_cpus": 2}, {})


@contextlib.contextmanager
def _free_descriptors(number: int) -> Iterator[None]:
    """This process can open so many more, and no other one."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/proc/self/fd"))) + 1 + number, limits[1]))
    plugs = []
    with contextlib.suppress(OSError):  # the last one
        while True:
            plugs.append(os.dup(0))
    for _ in range(number):
        os.close(plugs.pop())
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        for fd in plugs:
            os.close(fd)


def _ask(folder: str, request: dict[str, Any] | None = None) -> None:
    guest.check(folder)
    asking = guest.Guest(folder)
    try:
        asking._enter(request or {}, {})
    finally:
        asking.stop()


def _nothing_given() -> dict[str, Any]:
    import inspect

    return {name: one.default for name, one in inspect.signature(mobula.init).parameters.items() if name != "kwargs"}


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")
def test_another_user_is_turned_away(session: Any) -> None:
    """The folder's mode keeps others out; where that is widened, the uid at accept does."""
    folder = os.path.dirname(session.session.socket_path)
    code = f"""
import os, socket
os.setgid(12345); os.setuid(12345)
asking = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
asking.connect({os.path.join(folder, "join.sock")!r})
asking.settimeout(10)
try:
    print("READ", asking.recv(100))
except ConnectionError as error:
    print("READ", error)
"""
    ask = [sys.executable, "-c", code]
    assert "Permission denied" in subprocess.run(ask, check=False, capture_output=True, text=True).stderr
    os.chmod(folder, 0o711)
    os.chmod(os.path.join(folder, "join.sock"), 0o666)
    try:
        done = subprocess.run(ask, check=False, capture_output=True, text=True)
    finally:
        os.chmod(os.path.join(folder, "join.sock"), 0o600)
        os.chmod(folder, 0o700)
    assert done.stdout.startswith(("READ b''", "READ [Errno")), done


@pytest.mark.skipif(
    shutil.which("unshare") is None
    or subprocess.run(["unshare", "--pid", "--fork", "true"], check=False, capture_output=True).returncode != 0,
    reason="no pid namespace can be made here",
)
def test_a_container_is_turned_away(session: Any) -> None:
    """A process of another pid namespace that shares uid and folder could not debug the session, and so is not given its token."""
    folder = os.path.dirname(session.session.socket_path)
    code = f"""
import socket
asking = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
asking.connect({os.path.join(folder, "join.sock")!r})
print("READ", asking.recv(1000))
"""
    done = subprocess.run(["unshare", "--pid", "--fork", sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert "it is a process of another pid namespace (a container)" in done.stdout, done


def test_who_says_nothing_is_not_waited_for(session: Any) -> None:
    """One that connects and goes, or talks nonsense, changes nothing for others."""
    folder = os.path.dirname(session.session.socket_path)
    for words in (b"", b"{", b"[]", b"x" * 20_000):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as asking:
            asking.connect(os.path.join(folder, "join.sock"))
            if words:
                asking.send(words)
                assert b"refused" in asking.recv(1000)
    assert session.inspect().processes == 1 + session.inspect().workers
