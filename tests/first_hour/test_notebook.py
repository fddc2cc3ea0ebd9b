"""Notebooks: a running event loop, definitions that are made again, an interrupted cell."""

from __future__ import annotations

from pathlib import Path

import pytest
from driver_kit import HEAD, program, python

CELLS = [
    "import mobula as ray, asyncio, time",
    "ray.init(num_cpus=2)",
    "@ray.remote\ndef f(x):\n    return ('first', x)",
    "first = ray.get(f.remote(1))",
    "@ray.remote\ndef f(x):\n    return ('second', x)",
    "second = ray.get(f.remote(2))",
    "SCALE = 10\ndef helper(x):\n    return x * SCALE\n@ray.remote\ndef g(x):\n    return helper(x)",
    "third = ray.get(g.remote(3))",
    # As in a notebook: what g uses was made again, and g too.
    "SCALE = 100\n@ray.remote\ndef g(x):\n    return helper(x)",
    "fourth = ray.get(g.remote(3))",
    "@ray.remote\nclass C:\n    def who(self):\n        return 'first'\nold = C.remote()",
    "@ray.remote\nclass C:\n    def who(self):\n        return 'second'\nnew = C.remote()",
    "fifth = ray.get([old.who.remote(), new.who.remote()])",
    "sixth = await f.remote(6)",
    "seventh = await asyncio.gather(f.remote(7), new.who.remote())",
    "@ray.remote\nclass Async:\n    async def get(self, x):\n        await asyncio.sleep(0.01)\n        return x",
    "a = Async.remote()\neighth = await a.get.remote(8)",
    "ninth = ray.get(f.remote(9))",
    "class Data: pass",
    "tenth = ray.get(ray.remote(lambda data: isinstance(data, Data)).remote(Data()))",
    "ray.init(ignore_reinit_error=True)",
]
WANTED = {
    "first": ("first", 1),
    "second": ("second", 2),
    "third": 30,
    "fourth": 300,
    "fifth": ["first", "second"],
    "sixth": ("second", 6),
    "seventh": [("second", 7), "second"],
    "eighth": 8,
    "ninth": ("second", 9),
    "tenth": True,
}

# What a kernel does: every cell is compiled with top-level await and runs inside one loop, in a __main__ without a file.
SHELL = f"""
import ast, asyncio, inspect
cells, wanted = {CELLS!r}, {WANTED!r}
async def kernel():
    for cell in cells:
        code = compile(cell, "<cell>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        made = eval(code, globals())
        if inspect.isawaitable(made):
            await made
asyncio.run(kernel())
assert {{name: globals()[name] for name in wanted}} == wanted, {{name: globals()[name] for name in wanted}}
"""

IPYTHON = f"""
import asyncio
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
async def kernel():
    for cell in {CELLS!r}:
        (await shell.run_cell_async(cell, transformed_cell=cell)).raise_error()
asyncio.run(kernel())
wanted = {WANTED!r}
assert {{name: shell.user_ns[name] for name in wanted}} == wanted, {{name: shell.user_ns[name] for name in wanted}}
"""


def test_cells_in_a_running_loop(tmp_path: Path) -> None:
    done = python(["-c", SHELL], cwd=tmp_path)
    assert (done.code, done.out, done.err) == (0, "", "")


def test_cells_in_ipython(tmp_path: Path) -> None:
    pytest.importorskip("IPython")
    done = python(["-c", IPYTHON], cwd=tmp_path, env={"IPYTHONDIR": str(tmp_path)})
    assert done.code == 0, done.out + done.err


def test_an_interrupted_cell_leaves_everything_usable(tmp_path: Path) -> None:
    done = program(
        tmp_path,
        """
        import _thread, asyncio, os, signal, threading, time
        ray.init(num_cpus=2)
        @ray.remote
        def slow(): time.sleep(60)
        @ray.remote
        def f(): return 1
        def interrupt(): threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
        for _ in range(3):
            interrupt()
            try:
                ray.get(slow.options(num_cpus=0).remote())
            except KeyboardInterrupt:
                print("interrupted", ray.get(f.remote()))
        async def cell(): return await slow.options(num_cpus=0).remote()
        async def quick(): return await f.remote()
        interrupt()
        try:
            asyncio.run(cell())
        except KeyboardInterrupt:
            print("interrupted", asyncio.run(quick()))
        """,
    )
    assert (done.code, done.err) == (0, "")
    assert done.out == "interrupted 1\n" * 4


def test_a_call_inside_asyncio_run_and_in_threads_of_it(tmp_path: Path) -> None:
    done = program(
        tmp_path,
        """
        import asyncio
        @ray.remote
        def f(x): return x
        async def main():
            blocking = ray.get(f.remote(1))
            awaited = await f.remote(2)
            futures = await asyncio.gather(*[f.remote(n) for n in range(3, 6)])
            in_thread = await asyncio.to_thread(lambda: ray.get(f.remote(6)))
            ready, rest = await asyncio.wait([asyncio.wrap_future(f.remote(7).future())])
            late = None
            try:
                await asyncio.wait_for(ray.remote(lambda: __import__("time").sleep(5)).remote(), 0.1)
            except asyncio.TimeoutError:
                late = "late"
            return blocking, awaited, futures, in_thread, len(ready), late
        print(asyncio.run(main()))
        """,
    )
    assert (done.code, done.err) == (0, "")
    assert done.out == "(1, 2, [3, 4, 5], 6, 1, 'late')\n"


def test_shell_code_without_a_file(tmp_path: Path) -> None:
    done = python(["-c", HEAD + "@ray.remote\ndef f(): raise ValueError('x')\nray.get(f.remote())"], cwd=tmp_path)
    assert done.code == 1
    assert done.err.rstrip().endswith("ValueError: x")
    assert 'File "<string>", line 3, in f' in done.err
