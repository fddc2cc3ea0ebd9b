"""The directions of imports are the architecture; these tests hold them, and each rule says why it is there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / "python"
PACKAGE = PYTHON / "mobula"
CORE = ROOT / "coreworker"
GO_MODULE = "github.com/mobula/mobula"


# ---------------------------------------------------------------------------------------------------- Python


def _module(path: Path) -> str:
    parts = path.relative_to(PYTHON).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


class _WithoutTypes(ast.NodeTransformer):
    """Takes `if TYPE_CHECKING:` blocks out."""

    def visit_If(self, node: ast.If) -> ast.AST | None:
        return None if ast.unparse(node.test).endswith("TYPE_CHECKING") else self.generic_visit(node)


def _imports(path: Path, types: bool = True) -> Iterator[str]:
    """Full names of everything a file imports, inside functions too; with `types`, also what only annotations need.

    `from mobula import _core` gives `mobula._core`, as `import mobula._core` does.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    if not types:
        tree = _WithoutTypes().visit(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative imports are not used here"
            assert node.module is not None
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _inside(name: str, room: str) -> bool:
    return name == room or name.startswith(room + ".")


def _python_files() -> list[Path]:
    return [path for path in sorted(PACKAGE.rglob("*.py")) if "pb" not in path.parts]


def _offenders(importers: str | None, forbidden: str, allowed: tuple[str, ...] = (), types: bool = True) -> list[str]:
    """`module imports name` for each file of `importers` (None: all), not in `allowed`, that imports `forbidden`."""
    found = set()
    for path in _python_files():
        module = _module(path)
        if importers is not None and not _inside(module, importers):
            continue
        if any(_inside(module, room) for room in allowed):
            continue
        found |= {f"{module} imports {name}" for name in _imports(path, types) if _inside(name, forbidden)}
    return sorted(found)


def test_the_lane_imports_nothing_of_ours() -> None:
    # It knows HTTP/2 and bytes only, so that it can be read, tested and fuzzed by itself.
    assert not [text for text in _offenders("mobula._lane", "mobula") if " imports mobula._lane" not in text]


def test_only_the_core_client_uses_lanes() -> None:
    # One place decides what order, numbering and re-sending mean; a second user of lanes would have to know them again.
    assert not _offenders(None, "mobula._lane", allowed=("mobula._core", "mobula._lane"))


def test_the_public_modules_do_not_use_the_worker() -> None:
    # A driver never loads what runs in workers. The type of the config that a worker attaches with is no load.
    assert not _offenders(None, "mobula._worker", allowed=("mobula._worker",), types=False)


def test_environments_on_disk_know_nothing_of_the_core() -> None:
    # The driver, workers and the helper process that has no token use them alike.
    own = ("mobula._env", "mobula.exceptions", "mobula.serialization")
    found = _offenders("mobula._env", "mobula")
    assert not [text for text in found if not any(_inside(text.split(" imports ")[1], name) for name in own)]


def test_importing_the_package_loads_no_native_rpc_library() -> None:
    # The zygote forks, and gRPC's C core does not survive that. Stock grpcio is a transport of the tests, on demand.
    assert not _offenders(None, "grpc", allowed=("mobula._core.grpcio_stream",))


def test_nothing_waits_by_the_clock_on_the_wall() -> None:
    # It may be set back, and then a wait would last for ever. time_ns() makes an id and a mark, which wait for nothing.
    wall = re.compile(r"\btime\.time(?:_ns)?\(|\bdatetime\.(?:now|utcnow|today)\(|\bfrom time import\b")
    found = {_module(path) for path in _python_files() if wall.search(path.read_text(encoding="utf-8"))}
    assert found <= {"mobula._core.process", "mobula.testing.machine"}


# ---------------------------------------------------------------------------------------------------- Go

_GO_IMPORT = re.compile(r'^(?:import\s+)?(?:[\w.]+\s+)?"([^"]+)"$')


def _go_imports(path: Path) -> Iterator[str]:
    block = False
    for line in path.read_text(encoding="utf-8").splitlines():
        text = line.split("//")[0].strip() if '"' not in line else re.sub(r'("\S*?")\s*//.*', r"\1", line.strip())
        if text == "import (":
            block = True
        elif block and text == ")":
            block = False
        elif block or text.startswith("import "):
            match = _GO_IMPORT.match(text)
            if match:
                yield match[1]


def _go_files(room: Path) -> list[Path]:
    return [path for path in sorted(room.rglob("*.go")) if not path.name.endswith("_test.go")]


def _is_standard(name: str) -> bool:
    return "." not in name.split("/")[0]


# What each pure room may import besides the standard library and ids. The rooms decide without clock, goroutine or I/O.
_PURE_ROOMS: dict[str, tuple[str, ...]] = {
    "ids": (),
    "sched": (),
    "refs": (),
    "cancel": (),
    # An event names a type and an outcome of tasks.
    "events": (f"{GO_MODULE}/coreworker/task",),
    # A task spec holds argument values and asks for resources: it needs those two types and nothing else of the rooms.
    "task": (f"{GO_MODULE}/coreworker/objects", f"{GO_MODULE}/coreworker/sched"),
}
_NO_IO = ("net", "net/http", "os/exec", "os/signal", "syscall")


@pytest.mark.parametrize("room", sorted(_PURE_ROOMS))
def test_the_pure_rooms_import_ids_and_the_standard_library_only(room: str) -> None:
    allowed = (f"{GO_MODULE}/coreworker/ids", f"{GO_MODULE}/coreworker/internal/invariants", *_PURE_ROOMS[room])
    found = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in _go_files(CORE / room)
        for name in _go_imports(path)
        if (not _is_standard(name) and not any(name == one or name.startswith(one + "/") for one in allowed)) or name in _NO_IO
    ]
    assert not found


@pytest.mark.parametrize(("one", "other"), [("embedded", "cluster"), ("cluster", "embedded")])
def test_the_two_back_ends_never_import_each_other(one: str, other: str) -> None:
    # They are two implementations of one interface; what both need belongs to neither.
    found = [path for path in _go_files(CORE / one) if f"{GO_MODULE}/coreworker/{other}" in _go_imports(path)]
    assert not found


def test_spilling_knows_objects_only() -> None:
    # It does what the object store decided; it must not be able to look at the state, whose lock it does not hold.
    found = {name for path in _go_files(CORE / "spill") for name in _go_imports(path) if name.startswith(GO_MODULE)}
    assert found <= {f"{GO_MODULE}/coreworker/objects", f"{GO_MODULE}/coreworker/faults"}


def test_faults_know_nothing_of_the_core() -> None:
    # Everything may ask it whether to fail, down to the lowest room; what happens then is the asker's.
    assert not [name for path in _go_files(CORE / "faults") for name in _go_imports(path) if name.startswith(GO_MODULE)]


def test_only_tests_start_stock_clusters() -> None:
    # The helper imports `testing` and runs programs out of tests/.
    helper = f"{GO_MODULE}/coreworker/cluster/internal/stock"
    rooms = ("cmd", "coreworker", "pyshim")
    assert not [path for room in rooms for path in _go_files(ROOT / room) if helper in _go_imports(path)]


def test_the_core_does_not_import_the_python_boundary() -> None:
    # cmd -> coreworker <- pyshim: the core could serve a shim of another language.
    found = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in _go_files(CORE)
        for name in _go_imports(path)
        if name.startswith((f"{GO_MODULE}/pyshim", f"{GO_MODULE}/cmd"))
    ]
    assert not found


def test_the_core_tells_the_wall_clock_and_never_reckons_with_it() -> None:
    # Go's time.Now() has a monotonic reading, which differences and deadlines use until it is stripped. What an event's time
    # counts from is told once; time.Unix(1, 0) is a deadline that is over.
    strips = re.compile(r"\.Round\(0\)|\.Unix(?:Nano|Micro|Milli)?\(\)|\.UTC\(\)|\.Truncate\(")
    rooms = ("cmd", "coreworker", "pyshim")
    found = {
        str(path.relative_to(ROOT))
        for room in rooms
        for path in _go_files(ROOT / room)
        if strips.search(path.read_text(encoding="utf-8"))
    }
    assert found <= {"pyshim/events.go", "coreworker/cluster/history/buffer.go"}


def test_nothing_uses_cgo() -> None:
    files = [path for room in ("cmd", "coreworker", "pyshim") for path in _go_files(ROOT / room)]
    assert not [path for path in files if "C" in _go_imports(path)]


def test_the_core_never_unpickles() -> None:
    # A value is code to whoever unpickles it. The core hands values on and reads of an error its protobuf part alone, so what
    # a worker made can run nothing in it. Every module that the product may use is named here: a reader of pickles is none.
    allowed = (
        f"{GO_MODULE}/",
        "github.com/google/flatbuffers/go",
        "github.com/spf13/pflag",
        "github.com/vmihailenco/msgpack/v5",
        "golang.org/x/net/http2/hpack",
        "golang.org/x/sys/",
        "google.golang.org/grpc",
        "google.golang.org/protobuf/",
    )
    files = [
        path
        for room in ("cmd", "coreworker", "pyshim", "proto")
        for path in _go_files(ROOT / room)
        if not path.is_relative_to(CORE / "internal" / "golden") and not path.is_relative_to(CORE / "cluster" / "internal")
    ]
    assert len(files) > 100
    imported = {name for path in files for name in _go_imports(path) if not _is_standard(name)}
    assert {name for name in imported if not name.startswith(allowed)} == set()
    assert not [name for name in imported if "pickle" in name]
