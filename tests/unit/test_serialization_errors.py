"""Errors as values: what a task raised arrives as itself, with the user's own lines; what a submitter says is kept."""

from __future__ import annotations

import asyncio
import json
import pickle
import sys
import threading
from collections.abc import Callable
from typing import Any

import golden_values
import pytest

from mobula import exceptions as ex
from mobula._core.ids import TaskID
from mobula._core.pb import rayvalue_pb2 as pb
from mobula._values import header, packing
from mobula.serialization import Serialized, deserialize, error_value, serialize, task_cancelled_value

GOLDEN = json.loads(golden_values.FILE.read_text())["errors"]


def read(written: Serialized) -> Any:
    is_error, error = deserialize(written.to_bytes(), written.metadata)
    assert is_error
    assert isinstance(error, BaseException)
    return error


def caught(function: Callable[[], Any]) -> BaseException:
    try:
        function()
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def arrived(error: BaseException, **more: Any) -> Any:
    return read(error_value(error, function_name="f", **more))


class Shop(Exception):
    def __init__(self, code: int, detail: str) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail


class Mean(Exception):
    """Pickles, but its constructor wants more than its args hold."""

    def __init__(self, code: int, detail: str) -> None:
        super().__init__(f"mean {code}")
        self.code = code


class Slotted(Exception):
    __slots__ = ("code",)

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Stubborn(Exception):
    """Makes instances in a way nobody can repeat."""

    def __new__(cls, *, key: str) -> Stubborn:  # noqa: PYI034 - Self came with Python 3.11
        return super().__new__(cls, key)

    def __init__(self, *, key: str) -> None:
        super().__init__(key)

    def __reduce__(self) -> tuple[Any, ...]:
        return _stubborn, (self.args[0],)


def _stubborn(key: str) -> Stubborn:
    return Stubborn(key=key)


class Final(Exception):
    def __init_subclass__(cls) -> None:
        raise TypeError("this class has no subclasses")


class OwnArgs(Exception):
    @property
    def args(self) -> Any:  # type: ignore[override]
        return ("own",)

    def __reduce__(self) -> tuple[Any, ...]:
        return OwnArgs, ()


def raise_(error: BaseException) -> Any:
    raise error


ERRORS = [
    ValueError("v"),
    KeyError("k"),
    ZeroDivisionError("z"),
    FileNotFoundError(2, "nope", "f.txt"),
    StopIteration("s"),
    AssertionError("a"),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
    TimeoutError("t"),
    NotImplementedError("n"),
    MemoryError("m"),
    ImportError("i", name="mod"),
    SyntaxError("s", ("f.py", 1, 2, "x = ")),
    Shop(404, "sold out"),
    Slotted(7),
    Stubborn(key="k"),
    OwnArgs(),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda e: type(e).__name__)
def test_the_error_is_an_instance_of_both_classes(error: Exception) -> None:
    got = arrived(caught(lambda: raise_(error)))
    assert isinstance(got, type(error))
    assert isinstance(got, ex.RayTaskError)
    assert type(got).__name__ == f"RayTaskError({type(error).__name__})"
    assert type(got.cause) is type(error)
    assert got.cause.args == error.args
    assert "raise_" in str(got)
    again = pickle.loads(pickle.dumps(got))
    assert type(again) is type(got)
    assert str(again) == str(got)


def test_attributes_of_the_original_are_reachable() -> None:
    got = arrived(Shop(404, "sold out"))
    assert (got.code, got.detail, got.cause.code) == (404, "sold out", 404)
    assert arrived(Slotted(7)).code == 7
    file = arrived(FileNotFoundError(2, "nope", "f.txt"))
    assert (file.errno, file.strerror, file.filename) == (2, "nope", "f.txt")
    assert arrived(StopIteration("s")).value == "s"
    assert arrived(ImportError("i", name="mod")).name == "mod"
    decode = arrived(UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"))
    assert (decode.object, decode.start, decode.end, decode.reason) == (b"\xff", 0, 1, "bad")
    with pytest.raises(AttributeError):
        _ = arrived(ValueError()).nothing_of_the_kind


def test_args_are_the_cause_as_in_ray() -> None:
    got = arrived(KeyError("the key", 7))
    assert got.args == (got.cause,)
    assert got.cause.args == ("the key", 7)
    assert arrived(OwnArgs()).args == ("own",)


def test_each_reading_gives_a_new_exception() -> None:
    written = error_value(ValueError("x"), function_name="f")
    first, second = read(written), read(written)
    assert first is not second
    assert type(first) is type(second)


def test_the_text_names_function_process_and_the_users_lines_only() -> None:
    def calculate() -> float:
        numerator = 1
        return numerator / 0  # the line that fails

    text = str(arrived(caught(calculate), pid=4711, ip="10.1.2.3"))
    assert text.startswith("\x1b[36mray::f()\x1b[39m (pid=4711, ip=10.1.2.3)\n  File ")
    assert "return numerator / 0  # the line that fails" in text
    assert text.endswith("ZeroDivisionError: division by zero")
    assert "Traceback" not in text


def test_frames_of_this_package_are_left_out() -> None:
    class Loads:
        def __reduce__(self) -> tuple[Any, ...]:
            raise LookupError("deep inside")

    text = str(arrived(caught(lambda: serialize(Loads()))))
    assert "deep inside" in text
    assert "__reduce__" in text
    assert "mobula/" not in text
    assert "pickling.py" not in text


def test_an_actor_is_named() -> None:
    got = arrived(ValueError("x"), title="ray::Counter.add", actor_repr="<Counter>", actor_id="ab12", pid=5)
    assert str(got).startswith("\x1b[36mray::Counter.add()\x1b[39m (pid=5, ip=127.0.0.1, actor_id=ab12, repr=<Counter>)")


def test_chained_causes_contexts_and_notes_are_shown() -> None:
    def fail() -> None:
        try:
            {}["missing key"]
        except KeyError as error:
            raise RuntimeError("while looking") from error

    text = str(arrived(caught(fail)))
    assert "missing key" in text
    assert "direct cause" in text
    assert text.count("ray::f()") == 2
    assert text.endswith("RuntimeError: while looking")
    if sys.version_info >= (3, 11):
        error = ValueError("v")
        error.add_note("look here")
        assert "look here" in str(arrived(error))


def test_nested_errors_show_both_functions_and_keep_the_first_cause() -> None:
    inner = read(error_value(caught(lambda: raise_(ArithmeticError("inner trouble"))), function_name="inner_function"))
    outer = read(error_value(caught(lambda: raise_(inner)), function_name="outer_function"))
    assert isinstance(outer, ArithmeticError)
    assert type(outer.cause) is ArithmeticError
    text = str(outer)
    assert text.index("ray::outer_function") < text.index("RayTaskError(ArithmeticError)") < text.index("ray::inner_function")
    assert "inner trouble" in text


def test_the_error_of_an_argument_says_so() -> None:
    inner = read(error_value(ValueError("bad input"), function_name="first"))
    text = str(read(error_value(inner, function_name="second", argument_failed=True)))
    assert "argument" in text.split("\n")[1]
    assert "bad input" in text


def test_an_exception_that_cannot_be_pickled_arrives_as_text() -> None:
    error = ValueError("holds a lock")
    error.lock = threading.Lock()  # type: ignore[attr-defined]
    got = arrived(error)
    assert isinstance(got, ex.RayTaskError)
    assert not isinstance(got, ValueError)
    assert "holds a lock" in str(got)
    assert "builtins.ValueError cannot be pickled" in str(got.cause)


def test_an_exception_that_cannot_be_rebuilt_arrives_as_text() -> None:
    got = arrived(caught(lambda: raise_(Mean(13, "x"))), pid=99)
    assert isinstance(got, ex.RayTaskError)
    assert isinstance(got.cause, ex.UnserializableException)
    assert str(got).startswith("\x1b[36mray::f()\x1b[39m (pid=99")
    assert "mean 13" in str(got)


def test_a_class_that_cannot_be_combined_is_raised_as_a_task_error(caplog: pytest.LogCaptureFixture) -> None:
    got = arrived(Final("x"))
    assert type(got) is ex.RayTaskError
    assert type(got.cause) is Final
    assert "Final" in caplog.text


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(0), GeneratorExit(), asyncio.CancelledError()])
def test_what_stops_interpreters_and_loops_stops_only_the_task(error: BaseException) -> None:
    got = arrived(error)
    assert type(got) is ex.RayTaskError
    assert type(got.cause) is type(error)


def test_other_base_exceptions_are_caught_by_their_class() -> None:
    class Stop(BaseException):
        pass

    assert isinstance(arrived(Stop("x")), Stop)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="exception groups came with Python 3.11")
def test_exception_groups_keep_their_parts() -> None:
    group = ExceptionGroup("several", [ValueError("a"), KeyError("b")])  # noqa: F821 - Python 3.11
    got = arrived(caught(lambda: raise_(group)))
    assert isinstance(got, ExceptionGroup)  # noqa: F821
    assert [type(part) for part in got.exceptions] == [ValueError, KeyError]
    assert got.message == "several"
    assert got.split(ValueError)[0].exceptions[0].args == ("a",)
    text = str(got)
    assert "ray::f()" in text.split("\n")[0]
    assert "KeyError: 'b'" in text
    assert str(pickle.loads(pickle.dumps(got))) == text


def test_text_that_is_no_utf_8_and_a_str_that_raises() -> None:
    class Silent(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no text from me")

    assert "\ud800" in str(arrived(ValueError("\ud800")))
    assert "Silent" in str(arrived(Silent()))


def test_the_error_may_hold_references() -> None:
    from mobula.object_ref import ObjectRef

    ref = ObjectRef(b"r" * 28)
    written = error_value(ValueError([ref]), function_name="f")
    assert written.contained == [b"r" * 28]
    assert read(written).cause.args == ([ref],)


# ------------------------------------------------------------------------------------------------ from submitters


def info(kind: int, **fields: Any) -> tuple[bytes, bytes]:
    body, _ = packing.pack(pb.ErrorInfo(error_type=kind, **fields).SerializeToString())
    return header.encode(len(body)) + body, str(kind).encode()


def told(kind: int, object_id: bytes | None = None, **fields: Any) -> Any:
    data, metadata = info(kind, **fields)
    is_error, error = deserialize(data, metadata, object_id)
    assert is_error
    return error


SENTENCES = [
    (0, ex.WorkerCrashedError),
    (7, ex.RuntimeEnvSetupError),
    (8, ex.ObjectLostError),
    (9, ex.OwnerDiedError),
    (10, ex.ReferenceCountingAssertionError),
    (11, ex.RaySystemError),
    (12, ex.ObjectReconstructionFailedError),
    (14, ex.ObjectFetchTimedOutError),
    (15, ex.LocalRayletDiedError),
    (16, ex.TaskPlacementGroupRemoved),
    (17, ex.ActorPlacementGroupRemoved),
    (18, ex.TaskUnschedulableError),
    (19, ex.ActorUnschedulableError),
    (20, ex.OutOfDiskError),
    (21, ex.ObjectFreedError),
    (22, ex.OutOfMemoryError),
    (23, ex.NodeDiedError),
    (25, ex.ActorUnavailableError),
    (32, ex.ObjectReconstructionFailedError),
    (33, ex.RaySystemError),
    (34, ex.StreamingGeneratorReplayInconsistentError),
    (77, ex.RaySystemError),
]


@pytest.mark.parametrize(("kind", "cls"), SENTENCES)
def test_every_number_has_its_class_and_keeps_its_text(kind: int, cls: type[Exception]) -> None:
    error = told(kind, error_message="what the core knows")
    assert type(error) is cls
    assert "what the core knows" in str(error)
    assert type(pickle.loads(pickle.dumps(error))) is cls


@pytest.mark.parametrize("kind", [*range(26), *range(27, 36)])
def test_an_empty_body_gives_an_exception_too(kind: int) -> None:
    is_error, error = deserialize(b"", str(kind).encode())
    assert is_error
    assert isinstance(error, ex.RayError)
    str(error)


def test_lost_objects_are_named() -> None:
    assert ("ab" * 28) in str(told(8, object_id=b"\xab" * 28))


def test_a_canceled_task() -> None:
    task = bytes(range(24))
    error = read(task_cancelled_value(task, "It was still queued."))
    assert type(error) is ex.TaskCancelledError
    assert error.task_id == TaskID(task)
    assert str(error) == f"Task: {task.hex()} was cancelled. It was still queued."
    plain = read(task_cancelled_value(task))
    assert (str(plain), plain.task_id) == (f"Task: {task.hex()} was cancelled.", TaskID(task))
    unnamed = told(5, error_message="our text")
    assert (unnamed.task_id, str(unnamed)) == (None, "our text")
    assert task_cancelled_value().metadata == b"5"


def test_a_canceled_child_fails_its_parent_as_canceled() -> None:
    written = error_value(ex.TaskCancelledError(TaskID(bytes(24))), function_name="parent")
    assert written.metadata == b"5"
    error = read(written)
    assert isinstance(error, ex.TaskCancelledError)
    assert isinstance(error, ex.RayTaskError)
    assert error.task_id == TaskID(bytes(24))
    assert "parent" in str(error)
    assert bytes(24).hex() in str(error)


def test_a_dead_actor() -> None:
    died = pb.ActorDied(
        actor_id=b"\x0a" * 16,
        class_name="Counter",
        pid=77,
        name="main",
        ray_namespace="ns",
        error_message="It was killed by mobula.kill().",
    )
    error = told(1, actor_died=pb.ActorDeathCause(died=died))
    assert type(error) is ex.ActorDiedError
    assert error.actor_id == "0a" * 16
    assert not error.actor_init_failed
    for part in ("class_name: Counter", "pid: 77", "name: main", "namespace: ns", "killed by mobula.kill()", "0a" * 16):
        assert part in str(error)
    assert str(told(1, error_message="only a text")).endswith("only a text")


def test_an_actor_whose_constructor_raised() -> None:
    raised = error_value(caught(lambda: raise_(ValueError("init went wrong"))), function_name="Bad.__init__", actor_id="ab")
    inner = packing.unpack(raised.to_bytes()[9:], [])
    error = told(1, actor_died=pb.ActorDeathCause(creation_failed=pb.TaskException.FromString(inner)))
    assert type(error) is ex.ActorDiedError
    assert error.actor_init_failed
    assert error.actor_id == "ab"
    assert "init went wrong" in str(error)
    assert "Bad.__init__" in str(error)


def test_an_actor_that_cannot_be_reached() -> None:
    error = told(25, error_message="it restarts", actor_unavailable=pb.ActorUnavailable(actor_id=b"\x0b" * 16))
    assert error.actor_id == "0b" * 16
    assert "it restarts" in str(error)


@pytest.mark.parametrize("name", GOLDEN)
def test_errors_that_ray_wrote_are_read(name: str) -> None:
    one = GOLDEN[name]
    is_error, error = deserialize(bytes.fromhex(one["data"]), one["metadata"].encode())
    assert is_error
    expected: dict[str, tuple[type[Exception], str]] = {
        "task error": (ValueError, "ray::f()\x1b[39m (pid=12, ip=10.0.0.1)"),
        "task canceled in python": (ex.TaskCancelledError, "ray::f()"),
        "task canceled": (ex.TaskCancelledError, "our text"),
        "actor died": (ex.ActorDiedError, "it was killed"),
        "actor unavailable": (ex.ActorUnavailableError, "restarting"),
        "out of memory": (ex.OutOfMemoryError, "killed"),
    }
    assert isinstance(error, expected[name][0])
    assert expected[name][1] in str(error)
