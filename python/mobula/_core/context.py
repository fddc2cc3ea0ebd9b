"""Which task the calling code belongs to, and whether that task was canceled.

Owns the context variable `current` and the fast path of `is_canceled()`. The executor sets the variable around user code;
it follows asyncio tasks and `contextvars.copy_context()`, and a plain thread has none, which is Ray's answer too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from itertools import count
from types import MappingProxyType
from typing import Final

_NOTHING: Final[Mapping[str, float]] = MappingProxyType({})
#: Outside of all placement groups.
NO_GROUP: Final = (b"", False)


class TaskContext:
    """The running task. `epoch` and `slot` name its word in the cancel page: (epoch << 1 | 1) once it is canceled."""

    __slots__ = (
        "actor_id",
        "attempt",
        "canceled_word",
        "children",
        "epoch",
        "function_name",
        "is_async",
        "job_id",
        "placement",
        "puts",
        "resources",
        "slot",
        "task_id",
        "task_name",
        "told",
        "word",
    )

    def __init__(
        self,
        task_id: bytes,
        task_name: str = "",
        actor_id: bytes | None = None,
        attempt: int = 0,
        slot: int = 0,
        epoch: int = 0,
        is_async: bool = False,
        function_name: str = "",
        job_id: bytes = b"",
        resources: Mapping[str, float] = _NOTHING,
        placement: tuple[bytes, bool] = NO_GROUP,
        word: Sequence[int] | None = None,
    ) -> None:
        self.task_id = task_id
        self.task_name = task_name
        self.actor_id = actor_id
        self.attempt = attempt
        self.slot = slot
        self.epoch = epoch
        self.is_async = is_async
        self.function_name = function_name
        self.job_id = job_id
        self.resources = resources
        #: The placement group it runs in, b"" for none, and whether what it submits without saying where runs there too.
        self.placement = placement
        #: It was told of its cancel by other means than its flag; see `knows_canceled`.
        self.told = False
        self.canceled_word = epoch << 1 | 1
        #: A view of that one word, for who asks without end; None where the question is refused or takes longer.
        self.word = word
        # Numbers of puts and of submitted tasks. Iterators, because threads that copied the context share them.
        self.puts = count(1)
        self.children = count(1)

    def internal_id(self) -> bytes:
        """The task id with the attempt in its first byte: what ids of puts and children are derived from, so that a
        retried task never meets what its first run made."""
        return bytes((self.attempt & 0xFF,)) + self.task_id[1:]


current: ContextVar[TaskContext | None] = ContextVar("mobula_task", default=None)
current_task = current

_get = current.get
# The place of this process's actor, for code of it that belongs to no task.
_of_actor = NO_GROUP
#: Whether anything that came here to be run captures what it submits: in most processes nothing ever does, and no call asks.
may_capture = False
# Set by the process when it attaches and when it closes. `_words` is the cancel page; without one the question is asked.
_words: memoryview | None = None
_ask: Callable[[TaskContext], bool] | None = None
_is_worker = False
_async_actor = False


def is_canceled(_self: object = None) -> bool:
    """Whether the task of the calling code was canceled. The method of the runtime context, too: one call, and one word read.

    Raises RuntimeError in the driver and in async actors (Ray 2.60, python/ray/runtime_context.py, same wording). False
    in a plain thread of a worker, which belongs to no task.
    """
    context = _get()
    try:
        return context.word[0] == context.canceled_word  # type: ignore[union-attr, index]
    except (AttributeError, TypeError):  # no task, or no word
        return _slowly(context)


def knows_canceled(context: TaskContext) -> bool:
    """Whether the task was told by now that it is canceled: by its flag, by an interrupt, in its loop, or by the core.

    The core learns this with what the task submits and what it waits for, because a cancel may overtake both. The flag of a
    normal task does not count: it goes up before the interrupt, and the call that is being made then is one that the
    cancel has to reach.
    """
    if context.told:
        return True
    if context.actor_id is None or context.is_async or _words is None:
        return False
    return _words[context.slot] == context.canceled_word


def asking() -> tuple[bytes, bool]:
    """The task in whose name this code waits (empty in the driver and in plain threads), and whether it knows of its cancel."""
    context = _get()
    return (b"", False) if context is None else (context.task_id, knows_canceled(context))


def note_canceled() -> None:
    """The calling code is being told that its task is canceled."""
    context = _get()
    if context is not None:
        context.told = True


def _slowly(context: TaskContext | None) -> bool:
    if not _is_worker:
        raise RuntimeError("This method is only available when the process is a worker. Current mode: 0")
    if _async_actor or (context is not None and context.is_async):
        raise RuntimeError("This method is not supported in an async actor.")
    if context is None:
        return False
    if _words is not None:
        return bool(_words[context.slot] == context.canceled_word)
    if _ask is None:
        raise RuntimeError("This method is only available while the process is attached to mobula-core")
    if _ask(context):
        context.told = True
    return context.told


def placement() -> tuple[bytes, bool]:
    """The placement group of the calling code, b"" for none, and whether it captures what is submitted here."""
    context = _get()
    return _of_actor if context is None else context.placement


def note_capture() -> None:
    """Says that what runs here may capture what it submits in its placement group."""
    global may_capture
    may_capture = True


def set_actor_placement(place: tuple[bytes, bool]) -> None:
    """Says that this process hosts an actor, and where that lives."""
    global _of_actor
    _of_actor = place


def attach_page(words: memoryview | None, ask: Callable[[TaskContext], bool] | None, *, is_worker: bool) -> None:
    """Says where cancel flags are read: the page, or else the core itself. For Process alone."""
    global _words, _ask, _is_worker
    _words, _ask, _is_worker = words, ask, is_worker


def set_async_actor(value: bool) -> None:
    """Says that this process hosts an async actor, where no code may ask is_canceled()."""
    global _async_actor
    _async_actor = value
