"""Progress bars of tasks and actors are drawn at the driver, and tear no line that anybody prints."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from driver_kit import ENV, program, python

pytest.importorskip("tqdm")

WORK = """
from ray.experimental import tqdm_ray

ray.init(num_cpus=2)

@ray.remote
def task(name):
    for i in tqdm_ray.tqdm(range(20), desc=name, flush_interval_s=0):
        print("line", name, i)
    return name

@ray.remote
class Actor:
    def work(self):
        with tqdm_ray.tqdm(total=7, desc="acts", unit="step", flush_interval_s=0) as bar:
            for _ in range(7):
                bar.update()
        return "acted"

actor = Actor.remote()
mine = tqdm_ray.tqdm(total=3, desc="drives", flush_interval_s=0)
for ref in [task.remote("one"), task.remote("two"), actor.work.remote()]:
    print("got", ray.get(ref))
    mine.update()
mine.close()
ray.shutdown()
print("ends")
"""
SAID = sorted([f"(task pid=N) line {name} {i}" for name in ("one", "two") for i in range(20)])
QUIET = {"RAY_DEDUP_LOGS": "0"}


def as_ray(folder: Path) -> Path:
    script = folder / "program.py"
    script.write_text("import ray\n" + WORK)
    return script


def last_of_each(text: str) -> dict[str, str]:
    """What the last state of every bar says, by its description."""
    return dict(re.findall(r"(?:\(pid=\d+\) )?(one|two|acts|drives): +\d+%\|.*?\| ([\d.]+/[\d.]+) ", text))


def test_bars_of_tasks_actors_and_the_driver_in_a_pipe(tmp_path: Path) -> None:
    done = python(["-m", "mobula", "run", as_ray(tmp_path)], cwd=tmp_path, env=QUIET)
    assert done.code == 0, done.err
    assert sorted(line for line in done.lines if line.startswith("(task")) == SAID
    assert [line for line in done.lines if not line.startswith("(task")] == ["got one", "got two", "got acted", "ends"]
    assert "magic" not in done.out + done.err
    assert last_of_each(done.err) == {"one": "20.0/20.0", "two": "20.0/20.0", "acts": "7.00/7.00", "drives": "3.00/3.00"}
    assert re.search(r"\(pid=\d+\) acts", done.err)
    assert not re.search(r"\(pid=\d+\) drives", done.err)


def read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # nobody holds it open any more
        return b""


def test_no_line_is_torn_on_a_terminal(tmp_path: Path) -> None:
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "mobula", "run", as_ray(tmp_path)],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env={**ENV, **QUIET, "COLUMNS": "80", "TERM": "xterm"},
        start_new_session=True,
    )
    os.close(terminal)
    seen = b"".join(iter(lambda: read(controller), b""))
    os.close(controller)
    assert process.wait(60) == 0
    text = re.sub(r"\x1b\[[\d;]*[A-Za-z]", "", seen.decode())
    # Alone on its line: what was there before was wiped with blanks and a return.
    lines = re.findall(r"(?<![^\n\r])\(task pid=\d+\) line \w+ \d+\r\n", text)
    assert sorted(re.sub(r"pid=\d+", "pid=N", line).strip() for line in lines) == SAID
    assert re.findall(r"(?<![^\n\r])(got \w+|ends)\r\n", text) == ["got one", "got two", "got acted", "ends"]


def test_no_bars_without_the_workers_output(tmp_path: Path) -> None:
    done = program(
        tmp_path,
        """
        from mobula.experimental.tqdm_ray import tqdm
        ray.init(num_cpus=1, log_to_driver=False)
        print(ray.get(ray.remote(lambda: sum(tqdm(range(4), desc="hidden"))).remote()))
        """,
    )
    assert (done.code, done.out, done.err) == (0, "6\n", "")


def test_a_bar_that_its_worker_left_behind_is_closed_with_the_session(tmp_path: Path) -> None:
    done = program(
        tmp_path,
        """
        import builtins, os
        from mobula.experimental.tqdm_ray import tqdm
        from mobula._core import bars
        ray.init(num_cpus=1)
        @ray.remote(max_retries=0)
        def dies():
            tqdm(total=5, desc="left", flush_interval_s=0).update(2)
            os._exit(1)
        try:
            ray.get(dies.remote())
        except ray.exceptions.WorkerCrashedError:
            print("crashed")
        ray.shutdown()
        print(bars.existing()._all(), builtins.print is bars.print_aside)
        """,
    )
    assert done.code == 0, done.err
    assert done.out == "crashed\n[] True\n"
    assert "left:  40%" in done.err


def test_a_forked_child_prints_although_its_parent_draws(tmp_path: Path) -> None:
    done = program(
        tmp_path,
        """
        import os, warnings
        from mobula.experimental.tqdm_ray import tqdm
        from mobula._core import bars
        bar = tqdm(total=2)
        bar.update()
        with bars.instance().aside():  # a thread that the child will not have
            child = os.fork()
            if child == 0:
                print("from the child", bars.existing(), flush=True)
                os._exit(0)
            print(os.waitpid(child, 0)[1])
        bar.close()
        """,
        env={"PYTHONWARNINGS": "ignore"},
    )
    assert (done.code, done.out) == (0, "from the child None\n0\n"), done.err


def test_without_tqdm_it_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "tqdm").mkdir()
    (tmp_path / "tqdm" / "__init__.py").write_text("raise ImportError('not here')\n")
    done = program(
        tmp_path,
        """
        from mobula.experimental.tqdm_ray import tqdm
        print(sum(tqdm([1, 2], flush_interval_s=0)))
        """,
    )
    assert (done.code, done.out) == (0, "3\n")
    assert done.err.count("tqdm is not installed") == 1
