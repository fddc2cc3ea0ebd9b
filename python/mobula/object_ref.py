"""``ObjectRef``: the handle of a value that exists somewhere or will.

A ref counts: the object lives while a handle of it lives in any process. Making one by hand or by unpickling notes an
addition, the end of one notes a drop (``_core.refcount``); the session client tells the core. Waiting and loading are
the session client's as well; this module imports it only when somebody waits.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import partial
from types import MethodType
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from mobula._core import refcount
from mobula._core.ids import OBJECT_BYTES, JobID, ObjectID, TaskID
from mobula._core.together import together
from mobula._values import contained

if TYPE_CHECKING:
    import asyncio
    import concurrent.futures

T = TypeVar("T", covariant=True)  # a ref of a bool is a ref of an int: what it refers to never changes

_note_added = refcount.added.append
_note_dropped = refcount.dropped.append
_note_unsure = refcount.unsure.append

#: Refs that were pickled by hand, by id: the pickle may be loaded at any time, so they stay (as in Ray).
_pinned: dict[bytes, ObjectRef[Any]] = {}


class ObjectRef(Generic[T]):
    """A reference to the result of a task or to a value that was put.

    Give it to ``get``, ``wait`` or ``cancel``, pass it to tasks, or ``await`` it. Refs of the same object are equal and
    hash alike. ``ObjectRef(id)`` makes a counted handle from 28 bytes; ``TypeError`` and ``ValueError`` for others.

    >>> import mobula
    >>> mobula.get(mobula.put(1))
    1
    """

    __slots__ = ("__del__", "__weakref__", "_id", "_value")

    #: What notes the end of this handle, where it counts; a C function, as no interrupt may come in between (together.py).
    __del__: Callable[[], object]

    #: (data, metadata) of a small value this process has seen already, or None; the session client's.
    _value: tuple[bytes, bytes] | None

    def __init__(self, id: bytes) -> None:
        if type(id) is not bytes:
            raise TypeError(f"an ObjectRef is made from bytes, got {type(id).__name__}")
        if len(id) != OBJECT_BYTES:
            raise ValueError(f"an object id has {OBJECT_BYTES} bytes, got {len(id)}")
        self._value = None
        self._id = id
        # The drop may be noted from here on. One without its addition, after an interrupt in between, is passed over.
        count = [id]
        self.__del__ = MethodType(_note_dropped, count)
        _note_added(count)

    @classmethod
    def _owned(cls, id: bytes) -> ObjectRef[Any]:
        """The handle that a submit or a put stands for: the core counts it with the mutation itself."""
        ref = cls.__new__(cls)
        ref._value = None
        ref._id = id
        ref.__del__ = MethodType(_note_dropped, id)
        return ref

    @classmethod
    def _called(cls, id: bytes) -> ObjectRef[Any]:
        """The handle of a submit or a put that is about to be written; `_counted` says that it was."""
        ref = cls.__new__(cls)
        ref._value = None
        ref._id = id
        ref.__del__ = MethodType(_note_unsure, id)
        return ref

    @classmethod
    def _taken_over(
        cls, id: bytes, value: tuple[bytes, bytes] | None, step: Callable[[], object], keep: Callable[[ObjectRef[Any]], object]
    ) -> None:
        """A handle that takes over a count. In one step (together.py) `step` lets go of it on the other side, the handle counts,
        and `keep` is given it."""
        ref = cls.__new__(cls)
        ref._value = value
        ref._id = id
        together(step, partial(_set_end, ref, MethodType(_note_dropped, id)), partial(keep, ref))

    def _counted(self) -> None:
        self.__del__ = MethodType(_note_dropped, self._id)

    # ------------------------------------------------------------------------------------------------ identity

    def hex(self) -> str:
        """The id in lower-case hexadecimal."""
        return self._id.hex()

    def binary(self) -> bytes:
        """The 28 bytes of the id."""
        return self._id

    def task_id(self) -> TaskID:
        """The task whose result (or put) this is."""
        return ObjectID(self._id).task_id()

    def job_id(self) -> JobID:
        """The job of that task."""
        return ObjectID(self._id).job_id()

    def is_nil(self) -> bool:
        """True for the ref that stands for "none"."""
        return ObjectID(self._id).is_nil()

    @classmethod
    def size(cls) -> int:
        """Length of an id in bytes."""
        return OBJECT_BYTES

    @classmethod
    def nil(cls) -> ObjectRef[Any]:
        """The ref that stands for "none"."""
        return cls(b"\xff" * OBJECT_BYTES)

    @classmethod
    def from_random(cls) -> ObjectRef[Any]:
        """A ref with a random id, to which there is no object: nobody counts it."""
        import os

        ref = cls.__new__(cls)
        ref._value = None
        ref._id = os.urandom(OBJECT_BYTES)
        return ref

    @classmethod
    def from_hex(cls, text: str) -> ObjectRef[Any]:
        """The ref that ``hex()`` gave this text for."""
        return cls(bytes.fromhex(text))

    @classmethod
    def from_binary(cls, binary: bytes) -> ObjectRef[Any]:
        """The same as calling the class."""
        return cls(binary)

    def call_site(self) -> str:
        """Where the ref was made, as text: "", for that is not recorded (Ray's answer, too, unless it is told to)."""
        return ""

    def tensor_transport(self) -> None:
        """What carries the value: None, the object store."""

    def owner_address(self) -> NoReturn:
        """Refused: the core owns what the processes of its session made, and nobody else can be asked."""
        raise NotImplementedError("owner_address(): the session's core owns every object; there is no address to ask")

    def redis_shard_hash(self) -> NoReturn:
        """Refused, as of ids."""
        ObjectID(self._id).redis_shard_hash()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ObjectRef):
            return NotImplemented
        return bool(self._id == other._id)

    def __hash__(self) -> int:
        return hash(self._id)

    def __repr__(self) -> str:
        return f"ObjectRef({self._id.hex()})"

    # ------------------------------------------------------------------------------------------------- copies

    def __copy__(self) -> ObjectRef[T]:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> ObjectRef[T]:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        if not contained.note(self._id, self):
            _pinned.setdefault(self._id, self)
        return restore, (self._id,)

    # ------------------------------------------------------------------------------------------------- waiting

    def future(self) -> concurrent.futures.Future[T]:
        """A ``concurrent.futures.Future`` of the value. Canceling the future does not cancel the task."""
        from mobula._core import process

        future: concurrent.futures.Future[T] = process.require().future(self)
        return future

    def as_future(self) -> asyncio.Future[T]:
        """An ``asyncio.Future`` of the value, for the running loop. Canceling it does not cancel the task."""
        import asyncio

        return asyncio.ensure_future(self)

    def __await__(self) -> Generator[Any, None, T]:
        from mobula._values import awaiting

        return awaiting.value_of(self).__await__()


_set_end = ObjectRef.__dict__["__del__"].__set__


def restore(
    id: bytes,
    call_site: str = "",
    owner_address: bytes = b"",
    object_status: bytes = b"",
    tensor_transport: Any = None,
) -> ObjectRef[Any]:
    """Called by pickles to make the handle again. The parameters are those of the pickles that Ray writes; only the
    id matters on one machine."""
    return ObjectRef(id)


def _forget_pinned() -> None:
    """The session is over: whatever was pickled by hand leads nowhere now."""
    _pinned.clear()
