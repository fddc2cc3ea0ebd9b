"""Row 20, an addition. Ray 2.60: the callback of `Pool.map_async` gets its results in the order in which they came, and an
`error_callback` gets a wrapper of the exception. Here: both as `multiprocessing.Pool` has it.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import mobula
from mobula.util.multiprocessing import Pool, TimeoutError  # noqa: A004 - its name there


@pytest.fixture
def pool() -> Iterator[Pool]:
    with Pool(2) as made:
        yield made


class Refused(Exception):
    """Of this module, so that the type is the same in every process."""


def refuse(number: int) -> int:
    if number % 2:
        raise Refused(number)
    return number


def wait_for(path: Path, number: int) -> int:
    while number == 0 and not path.exists():
        pass
    return number


def test_the_callback_gets_the_values_in_the_order_of_the_items(pool: Pool, tmp_path: Path) -> None:
    got: list[Any] = []
    gate = tmp_path / "gate"
    result = pool.map_async(lambda number: wait_for(gate, number), range(6), chunksize=1, callback=got.append)
    with pytest.raises(TimeoutError):
        result.get(timeout=0.3)  # the first is held up, the others are done
    gate.touch()
    assert result.get(timeout=30) == [0, 1, 2, 3, 4, 5]
    assert got == [[0, 1, 2, 3, 4, 5]]


def test_a_callback_has_been_called_when_get_returns_and_only_once(pool: Pool) -> None:
    got: list[Any] = []
    for number in range(50):
        pool.apply_async(abs, (-number,), callback=got.append).get(timeout=30)
        assert got[-1] == number
    assert len(got) == 50


@pytest.mark.parametrize("chunksize", [1, 2, 10])
def test_the_error_callback_gets_the_exception_itself(pool: Pool, chunksize: int) -> None:
    got: list[BaseException] = []
    never: list[Any] = []
    result = pool.map_async(refuse, range(10), chunksize=chunksize, callback=never.append, error_callback=got.append)
    with pytest.raises(Refused):
        result.get(timeout=30)
    assert [type(one) for one in got] == [Refused]
    assert not never


def test_a_callback_that_raises_holds_up_nobody(pool: Pool) -> None:
    assert pool.apply_async(abs, (-1,), callback=lambda _: 1 // 0).get(timeout=30) == 1
    assert pool.apply(abs, (-2,)) == 2


def test_a_process_that_dies_fails_its_own_call_and_is_replaced(pool: Pool) -> None:
    with pytest.raises(mobula.exceptions.RayActorError):
        pool.apply(lambda: os.kill(os.getpid(), signal.SIGKILL))
    assert pool.map(abs, range(8), chunksize=1) == list(range(8))


def test_what_a_terminated_pool_had_not_finished_raises() -> None:
    pool = Pool(1)
    blocked = pool.apply_async(threading.Event().wait)
    waiting = pool.apply_async(abs, (-1,))
    values = pool.imap(abs, range(100))
    pool.terminate()
    pool.join()
    for result in (blocked, waiting):
        with pytest.raises((RuntimeError, TypeError)):
            result.get(timeout=30)
    with pytest.raises(RuntimeError):
        list(values)


def test_close_finishes_an_imap_that_was_not_read() -> None:
    pool = Pool(1)
    values = pool.imap(abs, iter(range(20)), chunksize=3)
    pool.close()
    pool.join()
    assert list(values) == list(range(20))


def test_imap_draws_items_as_it_is_read(pool: Pool) -> None:
    drawn: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            drawn.append(number)
            yield number

    values = pool.imap_unordered(abs, items())
    assert len(drawn) <= 4
    assert sorted(values) == list(range(100))
