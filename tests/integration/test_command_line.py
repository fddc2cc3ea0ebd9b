"""What the `mobula` command shows and completes: at a terminal, in a pipe, as JSON, and in a shell."""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

import mobula
from mobula.cli import commands
from mobula.util import state
from mobula.util.placement_group import placement_group, remove_placement_group

PACKAGE = Path(mobula.__file__).parents[1]
NAME = "a_name_that_is_longer_than_what_a_narrow_terminal_has_room_for_beside_the_rest"


# A task that nobody can run waits for as long as a test looks.
pytestmark = pytest.mark.mobula_leaves("tasks_pending", "tasks_queued")


@pytest.fixture(autouse=True)
def _session(place: str) -> Iterator[None]:
    mobula.init(num_cpus=2, log_to_driver=False, resources={"widget": 1}, labels={"zone": "a"})
    yield
    mobula.shutdown()


@mobula.remote
class Counter:
    def fails(self) -> None:
        raise ValueError("on purpose")

    def ping(self) -> int:
        return 1


@mobula.remote
def one() -> bytes:
    return bytes(300_000)


@pytest.fixture(autouse=True)
def things(_session: None) -> tuple[Any, ...]:
    """Something of every kind. No task runs while it is looked at, so that what is shown stays as it is."""
    actors = [Counter.options(name="first").remote(), Counter.remote()]
    mobula.get([actor.ping.remote() for actor in actors])
    with pytest.raises(ValueError, match="on purpose"):
        mobula.get(actors[0].fails.remote())
    refs = [one.remote() for _ in range(3)]
    mobula.get(refs)
    never = one.options(name=NAME, num_cpus=64, resources={"gadget": 1}).remote()
    made = placement_group([{"CPU": 1, "memory": 1 << 20}, {"widget": 1}], name="made")
    assert made.wait(60)
    pending = placement_group([{"CPU": 1}] * 3, strategy="SPREAD")
    gone = placement_group([{"CPU": 1}], name="gone")
    remove_placement_group(gone)
    return actors, refs, never, made, pending, gone


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def run(*words: str, into: io.StringIO | None = None) -> str:
    """What the command writes into a pipe. In this process: a new one costs half a second on a busy machine."""
    out = into or io.StringIO()
    with contextlib.redirect_stdout(out):
        commands.main([*words, f"--session={os.getpid()}"], prog_name="mobula", standalone_mode=False)
    return out.getvalue()


def narrow(*words: str) -> list[str]:
    """The lines that it shows where 80 columns are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "80")
        patch.setenv("TERM", "xterm")
        return plain(run(*words, into=Terminal()).split("\n"))


def plain(lines: list[str]) -> list[str]:
    return [re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip() for line in lines]


def at_terminal(columns: int, *words: str) -> list[str]:
    """The lines that the command shows at a terminal this wide."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    command = [sys.executable, "-m", "mobula", *words, f"--session={os.getpid()}"]
    environment |= {"PYTHONPATH": str(PACKAGE), "TERM": "xterm"}
    process = subprocess.Popen(command, env=environment, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # Linux's end of a terminal
            break
        if not piece:
            break
        shown += piece
    os.close(ours)
    assert process.wait(60) == 0, shown.decode()
    return plain(shown.decode().split("\r\n"))


KINDS = ["tasks", "actors", "objects", "workers", "nodes", "placement-groups"]


def test_tables_fit_a_narrow_terminal() -> None:
    shown = {kind: narrow("list", kind) for kind in KINDS} | {"summary": narrow("summary", "tasks")}
    for kind, lines in shown.items():
        assert max(map(len, lines)) <= 80, lines
        assert len(lines) > 2, kind
    tasks = shown["tasks"]
    assert tasks[0].endswith(" tasks")
    assert tasks[1].split() == ["task", "id", "name", "state", "pid", "running", "needs"]
    # The oldest without an outcome comes first. Its state is whole; its name takes the lines it needs.
    assert "PENDING_NODE_ASSIGNMENT" in tasks[2]
    assert NAME not in tasks[2]
    assert re.search(r"PENDING +SPREAD +3 x CPU=1 +-$", "\n".join(shown["placement-groups"]), re.MULTILINE)
    assert shown["placement-groups"][0] == "3 placement groups"
    assert "memory=1.0MiB; widget=1" in "".join(shown["placement-groups"])
    assert "ALIVE" in shown["nodes"][2]
    assert "node:" not in "".join(shown["nodes"])


def test_tables_use_a_wide_terminal() -> None:
    task = at_terminal(200, "list", "tasks")[2]
    assert NAME in task
    assert task.endswith("CPU=64, gadget=1")


def test_a_pipe_gets_exact_words_and_json_all_fields() -> None:
    rows = [line.split("\t") for line in run("list", "placement-groups").splitlines()]
    assert [row[1:5] for row in rows] == [
        ["made", "CREATED", "PACK", "CPU=1,memory=1048576;widget=1"],
        ["-", "PENDING", "SPREAD", "CPU=1;CPU=1;CPU=1"],
        ["gone", "REMOVED", "PACK", "CPU=1"],
    ]
    for kind in KINDS:
        told = json.loads(run("list", kind, "--json"))
        assert [set(one) for one in told] == [set(told[0])] * len(told)
    (made,) = json.loads(run("list", "placement-groups", "--json", "--filter", "name=made"))
    assert made["bundles"] == [{"CPU": 1, "memory": 1 << 20}, {"widget": 1}]
    assert made["creation_ms"] >= 0
    (node,) = json.loads(run("list", "nodes", "--json"))
    assert (node["labels"]["zone"], node["resources_total"]["widget"]) == ("a", 1)
    assert {"traceEvents"} <= set(json.loads(run("timeline", "--json")))


def test_summaries() -> None:
    assert run("summary", "actors") == "Counter\t2\tALIVE=2\n"
    tasks = {line.split("\t")[0]: line.split("\t")[1:] for line in run("summary", "tasks").splitlines()}
    assert tasks["one"] == ["NORMAL_TASK", "3", "FINISHED=3"]
    assert tasks["Counter.fails"] == ["ACTOR_TASK", "1", "FAILED=1"]
    assert tasks[NAME] == ["NORMAL_TASK", "1", "PENDING_NODE_ASSIGNMENT=1"]
    assert json.loads(run("summary", "tasks", "--json"))["total_tasks"] == 4
    objects = run("summary", "objects").splitlines()
    assert objects[0].endswith("of which 3 in shared memory")
    told = json.loads(run("summary", "objects", "--json"))
    assert told["summary"]["disabled"]["total_objects"] == told["total_objects"]


def test_the_state_of_nodes_and_groups(things: tuple[Any, ...]) -> None:
    made, pending = things[3], things[4]
    (node,) = state.list_nodes()
    assert state.get_node(node.node_id) == node
    assert node.node_id == mobula.nodes()[0]["NodeID"]
    assert state.list_nodes(address=str(os.getpid())) == [node]
    found = state.get_placement_group(made.id.hex())
    assert found is not None
    assert (found.name, found.state, found.is_detached, found.is_infeasible) == ("made", "CREATED", False, False)
    assert state.get_placement_group(pending.id.hex()).is_infeasible
    assert state.get_placement_group("00" * 18) is None
    assert [one.name for one in state.list_placement_groups(filters=[("state", "=", "removed")])] == ["gone"]


SPY = """#!{python}
import json, sys
pid = sys.argv[sys.argv.index("--pid") + 1]
if pid == "{refused}":
    sys.exit("Permission Denied")
print(json.dumps([{{"pid": int(pid)}}]) if "--json" in sys.argv else "Thread of " + pid)
"""


@pytest.fixture
def spy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A py-spy that only says whom it was asked about: may one process look into another here? Not every system lets it."""
    path = tmp_path / "py-spy"
    path.write_text(SPY.format(python=sys.executable, refused=0))
    path.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return path


def test_stacks_of_all_processes(spy: Path) -> None:
    actors = {one.pid for one in state.list_actors()}  # an idle worker may come and go meanwhile
    assert len(actors) == 2
    told = json.loads(run("stack", "--json"))
    assert (told[0]["name"], told[0]["pid"]) == ("driver", os.getpid())
    assert {one["pid"] for one in told[1:]} >= actors
    assert all(one["threads"] == [{"pid": one["pid"]}] for one in told)
    shown = run("stack").splitlines()
    assert shown[:2] == [f"--- driver (pid {os.getpid()})", f"Thread of {os.getpid()}"]


def test_stacks_where_one_process_cannot_be_read(spy: Path) -> None:
    spy.write_text(SPY.format(python=sys.executable, refused=os.getpid()))
    out = io.StringIO()
    with pytest.raises(click.ClickException, match="py-spy could not read all of them"):
        run("stack", "--json", into=out)
    driver, *others = json.loads(out.getvalue())
    assert driver["error"] == "Permission Denied"
    assert len(others) >= 2
    assert all("threads" in one for one in others)  # one that cannot be read hides no other


def asked_by_shell(what: str, **variables: str) -> str:
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out):
        for name, value in {"_MOBULA_COMPLETE": what, **variables}.items():
            patch.setenv(name, value)
        with pytest.raises(SystemExit):
            commands.main([], prog_name="mobula", standalone_mode=False)
    out.seek(0)
    return out.read()


def completed(shell: str, line: str) -> set[str]:
    """What a shell would be offered at the end of the line, by what its script asks."""
    words = line.split(" ")
    last = words[-1] if shell == "fish" else str(len(words) - 1)
    lines = asked_by_shell(f"{shell}_complete", COMP_WORDS=line, COMP_CWORD=last).splitlines()
    if shell == "zsh":  # type, word and help, a line each
        return set(lines[1::3])
    return {one.split(",", 1)[1].split("\t")[0] for one in lines}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str) -> None:
    assert completed(shell, "mobula list pl") == {"placement-groups"}
    assert completed(shell, f"mobula why --session {os.getpid()} a_na") == {NAME}
    script = asked_by_shell(f"{shell}_source")
    program = shutil.which(shell)
    if program is None:
        return  # what it would ask was asked
    subprocess.run([program, "-n", "-c", script], check=True)


def test_what_is_completed() -> None:
    assert {"list", "run", "stack", "status", "summary", "timeline", "why"} <= completed("bash", "mobula ")
    assert completed("bash", "mobula list ") == set(KINDS)
    assert str(os.getpid()) in completed("bash", "mobula status --session ")  # beside other sessions of this user


def test_completion_in_a_real_bash() -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("there is no bash")
    folder = Path(sys.executable).parent
    if not (folder / "mobula").exists():
        pytest.skip("the command is not installed beside this Python")
    script = (
        'eval "$(_MOBULA_COMPLETE=bash_source mobula)" && COMP_WORDS=(mobula summary o) COMP_CWORD=2 && '
        '_mobula_completion mobula summary o && echo "${COMPREPLY[@]}"; complete -p mobula'
    )
    path = f"{folder}:{os.environ['PATH']}"
    done = subprocess.run([bash, "-c", script], env={**os.environ, "PATH": path}, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["objects", "complete -o nosort -F _mobula_completion mobula"], done.stderr
