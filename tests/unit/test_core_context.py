"""is_canceled(): what the word of the page means, and where the question is refused."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Iterator

import pytest

from mobula._core import context
from mobula._core.context import TaskContext, current
from mobula.runtime_context import RuntimeContext


@pytest.fixture
def words() -> Iterator[memoryview]:
    page = memoryview(bytearray(8 * 64)).cast("Q")
    context.attach_page(page, None, is_worker=True)
    yield page
    context.attach_page(None, None, is_worker=False)
    context.set_async_actor(False)
    current.set(None)


def test_only_the_word_of_this_very_run_counts(words: memoryview) -> None:
    current.set(TaskContext(b"t", slot=5, epoch=9))
    assert context.is_canceled() is False
    words[5] = 9 << 1 | 1
    assert context.is_canceled() is True
    current.set(TaskContext(b"u", slot=5, epoch=10))
    assert context.is_canceled() is False
    current.set(TaskContext(b"v", slot=6, epoch=9))
    assert context.is_canceled() is False


def test_a_thread_of_the_task_asks_for_it_only_with_its_context(words: memoryview) -> None:
    current.set(TaskContext(b"t", slot=5, epoch=9))
    words[5] = 9 << 1 | 1
    answers: list[bool] = []
    copied = contextvars.copy_context()
    for target in (lambda: answers.append(context.is_canceled()), lambda: answers.append(copied.run(context.is_canceled))):
        thread = threading.Thread(target=target)
        thread.start()
        thread.join()
    assert answers == [False, True]


def test_refused_in_async_actors(words: memoryview) -> None:
    current.set(TaskContext(b"t", slot=5, epoch=9, is_async=True))
    with pytest.raises(RuntimeError, match="not supported in an async actor"):
        context.is_canceled()
    current.set(None)
    context.set_async_actor(True)
    with pytest.raises(RuntimeError, match="async actor"):
        context.is_canceled()


def test_refused_in_the_driver() -> None:
    with pytest.raises(RuntimeError, match="only available when the process is a worker"):
        context.is_canceled()


def test_without_a_page_the_core_is_asked() -> None:
    asked: list[bytes] = []

    def ask(task: TaskContext) -> bool:
        asked.append(task.task_id)
        return True

    context.attach_page(None, ask, is_worker=True)
    try:
        current.set(TaskContext(b"t"))
        assert context.is_canceled() is True
        assert asked == [b"t"]
    finally:
        current.set(None)
        context.attach_page(None, None, is_worker=False)


def test_numbers_of_puts_and_children_are_shared_by_copied_contexts() -> None:
    task = TaskContext(b"\xff" * 24, attempt=2)
    assert [next(task.puts), next(task.puts), next(task.children)] == [1, 2, 1]
    assert task.internal_id()[0] == 2


def test_a_view_of_the_one_word_says_the_same(words: memoryview) -> None:
    current.set(TaskContext(b"t", slot=5, epoch=9, word=words[5:6]))
    assert context.is_canceled() is RuntimeContext().is_canceled() is False
    words[5] = 9 << 1 | 1
    assert context.is_canceled() is RuntimeContext().is_canceled() is True
    words[5] = 10 << 1 | 1
    assert context.is_canceled() is RuntimeContext().is_canceled() is False


def test_it_is_fast(words: memoryview) -> None:
    current.set(TaskContext(b"t", slot=5, epoch=9, word=words[5:6]))
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(20_000):
            context.is_canceled()
        best = min(best, time.perf_counter() - start)
    # 52 ns where it was written; the bound only notices an accident such as a lock or a call into the core.
    assert best / 20_000 < 1e-6
