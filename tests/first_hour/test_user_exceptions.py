"""What an exception of a task looks like at its caller: the user's lines, all of them, and none of ours."""

from __future__ import annotations

import builtins
import os
import re
import sys
import threading
from collections.abc import Generator

import pytest

import mobula as ray

PACKAGE = os.path.dirname(ray.__file__)


@pytest.fixture(autouse=True, scope="module")
def _session() -> Generator[None]:
    ray.init(num_cpus=4)
    yield
    ray.shutdown()


class OnlyKeywords(Exception):
    def __init__(self, *, code: int) -> None:
        super().__init__(f"the code was {code}")
        self.code = code


class Keeps(Exception):
    def __init__(self, text: str, extra: int = 0) -> None:
        super().__init__(text)
        self.extra = extra

    def __reduce__(self) -> object:
        return Keeps, (self.args[0], self.extra)


class HoldsALock(Exception):
    def __init__(self) -> None:
        super().__init__("with a lock")
        self.lock = threading.Lock()


def helper() -> None:
    raise ZeroDivisionError("in the helper")


@ray.remote
def plain() -> None:
    helper()


@ray.remote
def chained() -> None:
    try:
        helper()
    except ZeroDivisionError as error:
        raise ValueError("outer") from error


@ray.remote
def in_handling() -> None:
    try:
        helper()
    except ZeroDivisionError:
        raise ValueError("outer")  # noqa: B904


@ray.remote
def suppressed() -> None:
    try:
        helper()
    except ZeroDivisionError:
        raise ValueError("outer") from None


@ray.remote
def nested() -> None:
    ray.get(plain.remote())


@ray.remote
def wrapped() -> None:
    try:
        ray.get(plain.remote())
    except ZeroDivisionError as error:
        raise RuntimeError("wrapped") from error


@ray.remote
def raises(error: BaseException) -> None:
    raise error


@ray.remote
def raises_keywords() -> None:
    raise OnlyKeywords(code=7)


@ray.remote
def raises_a_lock() -> None:
    raise HoldsALock


@ray.remote
def takes(value: object) -> object:
    return value


@ray.remote
def returns(value: int) -> object:
    return threading.Lock() if value else 1


@ray.remote
class Actor:
    def fails(self) -> None:
        helper()

    def returns_a_lock(self) -> object:
        return threading.Lock()


@ray.remote
class Async:
    async def fails(self) -> None:
        helper()


@ray.remote
class Unborn:
    def __init__(self) -> None:
        helper()

    def method(self) -> None: ...


def error_of(ref: object) -> BaseException:
    with pytest.raises(BaseException) as raised:
        ray.get(ref, timeout=30)
    text = str(raised.value)
    assert PACKAGE not in text
    assert "<frozen" not in text
    return raised.value


def code_lines(error: BaseException) -> list[str]:
    """The source lines of a text, in order."""
    lines = str(error).splitlines()
    return [lines[n + 1].strip() for n, line in enumerate(lines) if re.match(r' +File ".*", line \d+', line)]


HELPER = ["helper()", 'raise ZeroDivisionError("in the helper")']


def test_the_users_frames_with_their_source() -> None:
    error = error_of(plain.remote())
    assert isinstance(error, ZeroDivisionError)
    assert isinstance(error, ray.exceptions.RayTaskError)
    assert code_lines(error) == HELPER
    assert "plain()" in str(error).splitlines()[0]
    assert str(error).endswith("ZeroDivisionError: in the helper")


@pytest.mark.parametrize(
    ("task", "kind", "lines", "between"),
    [
        (chained, ValueError, [*HELPER, 'raise ValueError("outer") from error'], "direct cause"),
        (in_handling, ValueError, [*HELPER, 'raise ValueError("outer")  # noqa: B904'], "During handling"),
        (suppressed, ValueError, ['raise ValueError("outer") from None'], ""),
        (nested, ZeroDivisionError, ["ray.get(plain.remote())", *HELPER], "plain()"),
        (
            wrapped,
            RuntimeError,
            ["ray.get(plain.remote())", *HELPER, 'raise RuntimeError("wrapped") from error'],
            "direct cause",
        ),
    ],
    ids=["from", "in handling", "from None", "nested", "wrapped"],
)
def test_chains(task: object, kind: type[Exception], lines: list[str], between: str) -> None:
    error = error_of(task.remote())  # type: ignore[attr-defined]
    assert isinstance(error, kind)
    assert code_lines(error) == lines
    assert between in str(error)


def test_actors() -> None:
    for handle in (Actor.remote(), Async.remote()):
        error = error_of(handle.fails.remote())
        assert isinstance(error, ZeroDivisionError)
        assert code_lines(error) == HELPER
        assert re.search(r"(Actor|Async)\.fails\(\)", str(error).splitlines()[0])


def test_a_constructor_that_raises() -> None:
    error = error_of(Unborn.remote().method.remote())
    assert isinstance(error, ray.exceptions.ActorDiedError)
    assert code_lines(error) == HELPER
    assert "Unborn.__init__()" in str(error)


def test_an_argument_that_failed() -> None:
    error = error_of(takes.remote(plain.remote()))
    assert isinstance(error, ZeroDivisionError)
    assert code_lines(error) == HELPER


def test_custom_exceptions_keep_what_they_carry() -> None:
    error = error_of(raises.remote(Keeps("kept", 5)))
    assert isinstance(error, Keeps)
    assert (error.extra, error.cause.extra) == (5, 5)  # type: ignore[attr-defined]
    assert isinstance(error.cause, Keeps)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("task", "text"), [(raises_keywords, "OnlyKeywords: the code was 7"), (raises_a_lock, "HoldsALock: with a lock")]
)
def test_exceptions_that_do_not_travel_are_told_in_words(task: object, text: str) -> None:
    error = error_of(task.remote())  # type: ignore[attr-defined]
    assert isinstance(error, ray.exceptions.RayError)
    assert text in str(error)


@pytest.mark.parametrize("error", [BaseException("base"), GeneratorExit(), StopIteration("stop")], ids=repr)
def test_unusual_exceptions(error: BaseException) -> None:
    got = error_of(raises.remote(error))
    assert isinstance(got, ray.exceptions.RayTaskError)
    assert type(got.cause) is type(error)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="notes and groups are of 3.11")
def test_notes_and_groups() -> None:
    error = ValueError("x")
    error.add_note("a note")
    assert "a note" in str(error_of(raises.remote(error)))
    groups = builtins.ExceptionGroup  # type: ignore[attr-defined]
    group = error_of(raises.remote(groups("several", [ValueError("one"), TypeError("two")])))
    assert isinstance(group, groups)
    assert "ValueError: one" in str(group)
    assert "TypeError: two" in str(group)


def test_returned_values_that_cannot_be_pickled() -> None:
    actor = Actor.remote()
    for ref in (returns.remote(1), actor.returns_a_lock.remote()):
        error = error_of(ref)
        assert isinstance(error, TypeError)
        sentence = str(error).splitlines()[-1]
        assert "lock" in sentence
        assert "Return what can be pickled" in sentence
    assert ray.get(returns.remote(0)) == 1
