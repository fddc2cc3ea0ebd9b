"""A program that says `import ray` runs on mobula: by `mobula run`, and after `install_as_ray()`."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from driver_kit import ENV, Ended, python, write

UNCHANGED = """
import sys
import ray
import ray.util.multiprocessing
from ray.exceptions import TaskCancelledError
from ray.util import ActorPool
from ray.util.queue import Queue


@ray.remote
def here(x):
    import ray.util  # in the worker, too
    from ray.exceptions import RayTaskError

    return x, ray.__name__, RayTaskError.__name__, ray.get_runtime_context().is_canceled()


@ray.remote
class Doubler:
    def double(self, x):
        return 2 * ray.get(ray.put(x))


queue = Queue()
queue.put(5)
pool = ActorPool([Doubler.remote() for _ in range(2)])
print(ray.get(here.remote(1)), queue.get(), sorted(pool.map(lambda a, v: a.double.remote(v), [1, 2])))
print(sys.argv, __name__, __file__)
"""


def run(folder: Path, source: str, *arguments: str) -> Ended:
    write(folder, {"program.py": source})
    return python(["-m", "mobula", "run", "program.py", *arguments], cwd=folder)


def test_a_ray_program_runs_unchanged(tmp_path: Path) -> None:
    done = run(tmp_path, UNCHANGED, "--flag", "-h")
    assert (done.code, done.err) == (0, "")
    assert done.lines == [
        "(1, 'ray', 'RayTaskError', False) 5 [2, 4]",
        "['program.py', '--flag', '-h'] __main__ program.py",
    ]


def test_a_module_as_program(tmp_path: Path) -> None:
    write(tmp_path, {"pkg/__init__.py": "", "pkg/main.py": "import ray, sys\nprint(ray.get(ray.put(7)), sys.argv[1:])\n"})
    done = python(["-m", "mobula", "run", "-m", "pkg.main", "a"], cwd=tmp_path)
    assert (done.code, done.out, done.err) == (0, "7 ['a']\n", "")


def test_a_module_beside_the_script_that_imports_ray(tmp_path: Path) -> None:
    write(
        tmp_path / "app",
        {
            "helper.py": "import ray\n@ray.remote\ndef f(x):\n    return x + 1\n",
            "script.py": "import ray\nfrom helper import f\nprint(ray.get(f.remote(1)))\n",
        },
    )
    done = python(["-m", "mobula", "run", "app/script.py"], cwd=tmp_path)
    assert (done.code, done.out, done.err) == (0, "2\n", "")


@pytest.mark.parametrize(
    ("source", "code", "err"),
    [
        ("import sys\nsys.exit(3)\n", 3, ""),
        ("import sys\nsys.exit('words')\n", 1, "words\n"),
        (
            "def f():\n    raise ValueError('x')\nf()\n",
            1,
            (
                'Traceback (most recent call last):\n  File "program.py", line 3, in <module>\n    f()\n'
                "  File \"program.py\", line 2, in f\n    raise ValueError('x')\nValueError: x\n"
            ),
        ),
    ],
    ids=["exit", "words", "exception"],
)
def test_it_ends_as_python_would_end_it(tmp_path: Path, source: str, code: int, err: str) -> None:
    done = run(tmp_path, source)
    shown = "\n".join(line for line in done.err.splitlines() if set(line.strip()) - set("~^")) + ("\n" if done.err else "")
    assert (done.code, shown) == (code, err)


def test_a_syntax_error_shows_the_program_only(tmp_path: Path) -> None:
    done = run(tmp_path, "x = (\n")
    assert done.code == 1
    assert done.err.startswith('  File "program.py", line 1\n')
    assert "mobula" not in done.err


def test_ctrl_c_is_the_programs_own(tmp_path: Path) -> None:
    source = "import time\ntry:\n    print('up', flush=True)\n    time.sleep(60)\nfinally:\n    print('tidy')\n"
    write(tmp_path, {"program.py": source})
    command = [sys.executable, "-m", "mobula", "run", "program.py"]
    with subprocess.Popen(command, cwd=tmp_path, env=ENV, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert out == "tidy\n"
    assert err.rstrip().endswith("KeyboardInterrupt")
    assert "Aborted" not in err


def test_a_script_that_is_not_there(tmp_path: Path) -> None:
    done = python(["-m", "mobula", "run", "nothing.py"], cwd=tmp_path)
    assert (done.code, done.err) == (1, "Error: Could not open file 'nothing.py': No such file or directory\n")


INSTALL = "import mobula\nmobula.install_as_ray()\nmobula.install_as_ray()\nimport ray\n"


def test_what_is_missing_is_said_and_never_a_no_op(tmp_path: Path) -> None:
    source = (
        INSTALL
        + """
def said(action):
    try:
        action()
    except (AttributeError, ImportError) as error:
        print(type(error).__name__, error)

def imported():
    import ray.rllib
def from_util():
    from ray.util import collective
said(lambda: ray.tune)
said(lambda: ray.nonsense)
said(lambda: ray.util.pdb)
said(imported)
said(from_util)
said(lambda: mobula.serve)
"""
    )
    done = python(["-c", source], cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    library = "Ray's libraries are built on a cluster of Ray: install ray and run this part there"
    assert done.lines == [
        f"AttributeError mobula has no ray.tune: {library}",
        "AttributeError mobula has no ray.nonsense; docs/differences.md lists what is missing",
        "AttributeError mobula has no ray.util.pdb: a worker has no terminal; print, log, or return what is asked",
        f"ModuleNotFoundError mobula has no ray.rllib: {library}",
        (
            "ModuleNotFoundError mobula has no ray.util.collective: it needs NCCL or Gloo between machines; "
            "exchange arrays by refs, or use torch.distributed inside actors"
        ),
        f"AttributeError mobula has no ray.serve: {library}",
    ]


def test_private_names_that_libraries_with_a_ray_engine_ask_for(tmp_path: Path) -> None:
    source = (
        INSTALL
        + """
from ray._private.services import get_node_ip_address
from ray.data import from_pandas_refs
from ray.util import DeveloperAPI, PublicAPI
DeveloperAPI(stability="alpha")(PublicAPI(int.__class__("Mine", (), {})))
assert get_node_ip_address is ray.util.get_node_ip_address
assert ray._private.utils.read_ray_address() is None
ray.init(num_cpus=3)
assert ray._private.state.cluster_resources()["CPU"] == 3
def said(action):
    try:
        action()
    except (AttributeError, ImportError, NotImplementedError) as error:
        print(type(error).__name__, error)
def sub():
    from ray.data.dataset import Dataset
said(lambda: from_pandas_refs([]))
said(lambda: ray.data.range(3))
said(sub)
said(lambda: ray._private.worker)
"""
    )
    done = python(["-c", source], cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    library = "Ray's libraries are built on a cluster of Ray: install ray and run this part there"
    assert done.lines[0].startswith("NotImplementedError mobula has no ray.data, so no Dataset can be made of these frames: get()")
    assert done.lines[1:] == [
        f"AttributeError mobula has no ray.data.range: {library}",
        f"ModuleNotFoundError mobula has no ray.data.dataset: {library}",
        "AttributeError mobula has no ray._private.worker: it is private to Ray and about its own processes",
    ]


def test_the_same_objects_under_both_names_and_the_release_that_it_is(tmp_path: Path) -> None:
    source = (
        INSTALL
        + """
import pickle
import ray.actor, ray.cloudpickle, ray.exceptions
assert ray.get is mobula.get and ray.ObjectRef is mobula.ObjectRef and ray.exceptions.RayError is mobula.exceptions.RayError
assert ray.util.ActorPool is mobula.util.ActorPool
assert ray.actor.ActorHandle is mobula.actor.ActorHandle
assert pickle.loads(ray.cloudpickle.dumps(ray)) is ray
from ray import *
assert remote is mobula.remote
print(ray.__version__, mobula.__version__ != ray.__version__, "ray.util" in dir() or sorted(dir(ray))[-1])
"""
    )
    done = python(["-c", source], cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert done.out == "2.60.0 True wait\n"


def test_the_real_ray_is_never_replaced_under_a_program(tmp_path: Path) -> None:
    write(tmp_path, {"ray.py": ""})
    done = python(["-c", "import ray, mobula\nmobula.install_as_ray()\n"], cwd=tmp_path, env={"PYTHONSAFEPATH": ""})
    assert done.code == 1
    last = done.err.splitlines()[-1]
    assert last.startswith("RuntimeError: the real ray is imported in this process already (")
    assert last.endswith("or run the program with `mobula run`")


def test_after_init_it_is_too_late(tmp_path: Path) -> None:
    done = python(["-c", "import mobula\nmobula.init()\nmobula.install_as_ray()\n"], cwd=tmp_path)
    assert done.code == 1
    assert done.err.splitlines()[-1].startswith("RuntimeError: a session runs already")
