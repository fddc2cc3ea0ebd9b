"""A program of several files: what the driver can import, its workers can."""

from __future__ import annotations

from pathlib import Path

import pytest
from driver_kit import HEAD, program, python, write

HELPER = "def double(x):\n    return 2 * x\n"
USE = HEAD + "import helper\n@ray.remote\ndef task(x):\n    return helper.double(x)\nprint(ray.get(task.remote(4)))\n"
LAZY = HEAD + "@ray.remote\ndef task(x):\n    import helper\n    return helper.double(x)\nprint(ray.get(task.remote(4)))\n"


@pytest.mark.parametrize("source", [USE, LAZY], ids=["at the top", "lazily"])
def test_a_module_beside_the_script_from_another_folder(tmp_path: Path, source: str) -> None:
    write(tmp_path / "app", {"helper.py": HELPER, "script.py": source})
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = python(["../app/script.py"], cwd=elsewhere)
    assert (done.code, done.out, done.err) == (0, "8\n", "")


PACKAGE_FILES = {
    "pkg/__init__.py": "from pkg.work import job\n",
    "pkg/tools.py": HELPER,
    "pkg/work.py": """
import mobula as ray
from .tools import double

@ray.remote
def job(x):
    return double(x)

@ray.remote
class Counter:
    n = 0
    def add(self, k):
        self.n += double(k)
        return self.n
""",
}


def test_a_package_beside_the_script_with_modules_that_import_each_other(tmp_path: Path) -> None:
    script = """
import pkg
from pkg.work import Counter
c = Counter.remote()
if __name__ == "__main__":
    print(ray.get([pkg.job.remote(1), c.add.remote(2)]))
"""
    write(tmp_path, {**PACKAGE_FILES, "script.py": HEAD + script})
    done = python([tmp_path / "script.py"], cwd=Path("/"))
    assert (done.code, done.out, done.err) == (0, "[2, 4]\n", "")


def test_a_module_run_with_m(tmp_path: Path) -> None:
    script = """
from .tools import double
from pkg import tools
@ray.remote
def task(x):
    from pkg.tools import double as again
    return double(x), again(x), tools.double(x)
if __name__ == "__main__":
    print(ray.get(task.remote(4)))
"""
    write(tmp_path, {"pkg/__init__.py": "", "pkg/tools.py": HELPER, "pkg/main.py": HEAD + script})
    done = python(["-m", "pkg.main"], cwd=tmp_path)
    assert (done.code, done.out, done.err) == (0, "(8, 8, 8)\n", "")


def test_a_path_added_before_init_and_code_from_c_and_stdin(tmp_path: Path) -> None:
    write(tmp_path / "lib", {"helper.py": HELPER})
    done = program(tmp_path, f"import sys; sys.path.insert(0, {str(tmp_path / 'lib')!r})\n" + LAZY)
    assert (done.code, done.out) == (0, "8\n")
    done = python(["-c", LAZY], cwd=tmp_path / "lib")
    assert (done.code, done.out) == (0, "8\n")


def test_classes_and_data_of_main(tmp_path: Path) -> None:
    done = program(
        tmp_path,
        """
        from collections import namedtuple
        from dataclasses import dataclass
        from enum import Enum
        import os

        LIMIT = 3
        Pair = namedtuple("Pair", "a b")

        class Colour(Enum):
            RED = 1

        @dataclass
        class Point:
            x: int
            def moved(self): return Point(self.x + LIMIT)

        class Base:
            def who(self): return type(self).__name__

        @ray.remote
        class Actor(Base):
            def __init__(self, point: Point): self.point = point
            def get(self): return self.point.moved(), Colour.RED, Pair(1, 2)

        @ray.remote
        def whoami(p): return __name__, isinstance(p, Point), os.path.basename(__file__)

        if __name__ == "__main__":
            actor = Actor.remote(Point(1))
            point, colour, pair = ray.get(actor.get.remote())
            assert point == Point(4) and colour is Colour.RED and pair == Pair(1, 2), (point, colour, pair)
            assert ray.get(actor.who.remote()) == "Actor"
            print(ray.get(whoami.remote(Point(1))))
        """,
    )
    assert (done.code, done.err) == (0, "")
    assert done.out == "('__main__', True, 'program.py')\n"


def test_the_working_directory_and_arguments_are_the_drivers(tmp_path: Path) -> None:
    script = """
import sys
@ray.remote
def task():
    return open("data.txt").read(), sys.argv[1:]
print(ray.get(task.remote()))
"""
    write(tmp_path, {"data.txt": "found", "app/script.py": HEAD + script})
    done = python([tmp_path / "app" / "script.py", "--flag", "x"], cwd=tmp_path)
    assert (done.code, done.out, done.err) == (0, "('found', ['--flag', 'x'])\n", "")


def test_a_module_that_is_not_there(tmp_path: Path) -> None:
    done = program(
        tmp_path,
        """
        @ray.remote
        def task():
            import not_there_at_all
        try:
            ray.get(task.remote())
        except ImportError as error:
            print(type(error).__name__, isinstance(error, ModuleNotFoundError), "not_there_at_all" in str(error))
        """,
    )
    assert (done.code, done.out) == (0, "RayTaskError(ModuleNotFoundError) True True\n")
