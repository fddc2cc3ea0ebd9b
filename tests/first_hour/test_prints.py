"""What workers print is seen at the driver, with Ray's prefix, and nothing of it is lost."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from driver_kit import PACKAGE, program, python


def test_every_way_to_print(tmp_path: Path) -> None:
    done = program(
        tmp_path,
        """
        import asyncio, logging, os, subprocess, sys, threading, time
        ray.init(num_cpus=1)

        @ray.remote
        def task():
            print("plain")
            print("to stderr", file=sys.stderr)
            print("two\\nlines")
            os.system("echo from a child")
            os.write(1, b"past python\\n")
            sys.stdout.write("no newline")

        @ray.remote
        class Actor:
            def __init__(self): print("from init")
            def method(self):
                print("from a method")
                thread = threading.Thread(target=print, args=("from a thread",))
                thread.start(); thread.join()

        @ray.remote
        class Async:
            async def method(self):
                await asyncio.sleep(0)
                print("from a coroutine")
                logging.warning("logged")

        @ray.remote
        class Named:
            def __repr__(self): return "Named(x=1)"
            def method(self): print("by its repr")

        ray.get(task.remote())
        ray.get(task.options(name="renamed").remote())
        for cls in (Actor, Async, Named):
            actor = cls.options(num_cpus=0, name="not shown " + str(cls)).remote()
            ray.get(actor.method.remote())
        """,
    )
    assert done.code == 0, done.err
    of_a_task = ["plain", "two", "lines", "from a child", "past python", "no newline"]
    # Children and os.write bypass Python's stream: their place among its lines is theirs.
    assert done.lines[:12] == [f"({name} pid=N) {line}" for name in ("task", "renamed") for line in of_a_task]
    assert done.lines[12:] == [
        "(Actor pid=N) from init",
        "(Actor pid=N) from a method",
        "(Actor pid=N) from a thread",
        "(Async pid=N) from a coroutine",
        "(Named(x=1) pid=N) by its repr",
    ]
    assert re.sub(r"pid=\d+", "pid=N", done.err).splitlines() == [
        "(task pid=N) to stderr",
        "(renamed pid=N) to stderr",
        "(Async pid=N) WARNING:root:logged",
    ]


def test_the_name_is_that_of_the_task_that_printed(tmp_path: Path) -> None:
    done = program(
        tmp_path,
        """
        ray.init(num_cpus=1)
        @ray.remote
        def alpha(): print("alpha's")
        @ray.remote
        def beta(): print("beta's")
        ray.get([task.remote() for _ in range(200) for task in (alpha, beta)])
        """,
    )
    assert (done.code, done.err) == (0, "")
    assert done.lines == ["(alpha pid=N) alpha's", "(beta pid=N) beta's"] * 200


def test_many_and_long_lines_and_the_last_ones(tmp_path: Path) -> None:
    done = program(
        tmp_path,
        """
        @ray.remote
        def many():
            for i in range(20_000):
                print("line", i)
            print("x" * 200_000)
        @ray.remote
        def last():
            print("the very last")
        ray.get(many.remote())
        ray.get(last.remote())
        """,
    )
    assert (done.code, done.err) == (0, "")
    lines = done.lines
    assert lines[:-2] == [f"(many pid=N) line {i}" for i in range(20_000)]
    assert lines[-2] == "(many pid=N) " + "x" * 200_000
    assert lines[-1] == "(last pid=N) the very last"


def test_descriptor_1_replaced_by_the_user_gets_what_was_printed_and_nothing_else(tmp_path: Path) -> None:
    done = program(
        tmp_path,
        """
        import contextlib, io, os, sys
        @ray.remote
        def task():
            kept = os.dup(1)
            with open("captured", "wb") as file:
                os.dup2(file.fileno(), 1)
                print("into the file")
                sys.stdout.flush()
                os.dup2(kept, 1)
            with contextlib.redirect_stdout(io.StringIO()) as text:
                print("into the text")
            print("shown", repr(text.getvalue()), sys.stdout.fileno(), sys.stdout.isatty(), sys.stdout.encoding)
        ray.get(task.remote())
        print(open("captured", "rb").read())
        """,
    )
    assert (done.code, done.err) == (0, "")
    assert sorted(done.lines) == ["(task pid=N) shown 'into the text\\n' 1 False utf-8", "b'into the file\\n'"]


def test_log_to_driver_false_is_quiet(tmp_path: Path) -> None:
    source = """
        import sys
        ray.init(log_to_driver=False)
        @ray.remote
        def task():
            print("nobody sees this")
            print("nor this", file=sys.stderr)
        ray.get(task.remote())
        """
    done = program(tmp_path, source)
    assert (done.code, done.out, done.err) == (0, "", "")


@pytest.mark.parametrize(
    ("choice", "pattern"),
    [
        (None, r"\x1b\[36m\(task pid=\d+\)\x1b\[0m hello\n"),
        ("1", r"\x1b\[\d+m\(task pid=\d+\)\x1b\[0m hello\n"),
        ("0", r"\(task pid=\d+\) hello\n"),
    ],
)
def test_the_colour_of_the_prefix(tmp_path: Path, choice: str | None, pattern: str) -> None:
    source = '@ray.remote\ndef task(): print("hello")\nray.get(task.remote())\n'
    done = program(tmp_path, source, env={"RAY_COLOR_PREFIX": choice or ""})
    assert re.fullmatch(pattern, done.out), done.out


def test_the_prints_of_an_example() -> None:
    done = python([PACKAGE.parent / "examples" / "sync_actor.py"])
    assert done.code == 0, done.err
    assert "(SyncActor pid=N) canceled: tidying up" in done.lines
    assert done.lines[-1].startswith("the actor lives: canceled=True")


def test_output_that_is_closed_hurts_nobody(tmp_path: Path) -> None:
    done = program(
        tmp_path,
        """
        import sys
        @ray.remote
        def closes():
            sys.stdout.close()
            return 1
        @ray.remote
        def prints(): print("to nobody")
        print(ray.get(closes.remote()))
        ray.shutdown()
        sys.stdout.close()
        ray.get(prints.remote())
        """,
    )
    assert done.code == 0, done.err
    assert done.out == "1\n"


ALIKE = """
    import time
    ray.init(num_cpus=0)
    @ray.remote(num_cpus=0)
    class Actor:
        def say(self, i): print("step", i)
    actors = [Actor.remote() for _ in range(3)]
    for actor in actors:
        ray.get(actor.say.remote(1))
    """


def test_what_many_print_alike_is_shown_once_and_counted(tmp_path: Path) -> None:
    done = program(tmp_path, ALIKE)
    assert (done.code, done.err) == (0, "")
    assert done.lines[0] == "(Actor pid=N) step 1"
    assert done.lines[1].startswith("(Actor pid=N) step 1 [repeated 2x across cluster]")
    assert len(done.lines) == 2


def test_the_count_is_shown_when_its_window_is_over(tmp_path: Path) -> None:
    """Also when nothing else is printed, where Ray waits for the next line."""
    waits = ALIKE + "\n    import sys, select; select.select([], [], [], 1.5); print('the end', flush=True)\n"
    done = program(tmp_path, waits, env={"RAY_DEDUP_LOGS_AGG_WINDOW_S": "0.2"})
    assert (done.code, done.err) == (0, "")
    assert "repeated" in done.lines[1]
    assert done.lines[2:] == ["the end"]


def test_every_line_is_shown_where_that_is_wanted(tmp_path: Path) -> None:
    done = program(tmp_path, ALIKE, env={"RAY_DEDUP_LOGS": "0"})
    assert (done.code, done.err, done.lines) == (0, "", ["(Actor pid=N) step 1"] * 3)
