"""Ray's identifiers: layout, derivation, text form. Pure: no clock, no session, no I/O.

Every id is bytes of a fixed length; inside the shim ids travel as plain ``bytes`` and the value classes here are what
people see (``ref.task_id()``, ``ctx.get_actor_id()``). An id carries its parents: an object id starts with the id of
the task that made it, a task id ends with an actor id, an actor id ends with a job id. All numbers are little-endian.
The layouts are those of Ray 2.60 (src/ray/common/id.h), so that the ids made here are valid in its clusters.

What this room refuses: making ids unique. Whoever calls a derivation owns the counter (or the clock) that feeds it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, ClassVar, NoReturn

from mobula._core.hashes import sha256 as _sha256
from mobula._core.hashes import shake_128 as _shake_128

if TYPE_CHECKING:
    from typing_extensions import Self

JOB_BYTES = 4
ACTOR_BYTES = 16
TASK_BYTES = 24
OBJECT_BYTES = 28
UNIQUE_BYTES = 28
PLACEMENT_GROUP_BYTES = 18

#: ``put`` number n of a task has the index PUT_INDEX_BASE + n, so that puts and returns of one task never meet.
PUT_INDEX_BASE = 100_000_000

_ActorUnique = ACTOR_BYTES - JOB_BYTES
_TaskUnique = TASK_BYTES - ACTOR_BYTES
_NIL_TASK_UNIQUE = b"\xff" * _TaskUnique
_NIL_ACTOR_UNIQUE = b"\xff" * _ActorUnique


class BaseID:
    """An identifier of fixed length; equal to another of the same class with the same bytes, hashable, picklable.

    Raises ``TypeError`` for anything but bytes and ``ValueError`` for a wrong length.

    >>> JobID(b"\\x01\\x00\\x00\\x00").hex()
    '01000000'
    """

    __slots__ = ("_bytes",)
    _length: ClassVar[int] = UNIQUE_BYTES

    def __init__(self, binary: bytes) -> None:
        if type(binary) is not bytes:
            raise TypeError(f"{type(self).__name__} is made from bytes, got {type(binary).__name__}")
        if len(binary) != self._length:
            raise ValueError(f"{type(self).__name__} has {self._length} bytes, got {len(binary)}")
        self._bytes = binary

    def binary(self) -> bytes:
        """The raw bytes."""
        return self._bytes

    def hex(self) -> str:
        """The bytes in lower-case hexadecimal."""
        return self._bytes.hex()

    def is_nil(self) -> bool:
        """True when every byte is 0xFF, which stands for "none"."""
        return self._bytes == b"\xff" * self._length

    @classmethod
    def size(cls) -> int:
        """Length in bytes."""
        return cls._length

    @classmethod
    def from_binary(cls, binary: bytes) -> Self:
        """The same as calling the class."""
        return cls(binary)

    @classmethod
    def from_hex(cls, text: str) -> Self:
        """The id that ``hex()`` gave this text for; ``ValueError`` when it is not one."""
        return cls(bytes.fromhex(text))

    @classmethod
    def from_random(cls) -> Self:
        """A fresh id of random bytes, parents and all."""
        return cls(os.urandom(cls._length))

    @classmethod
    def nil(cls) -> Self:
        """The id that stands for "none"."""
        return cls(b"\xff" * cls._length)

    def redis_shard_hash(self) -> NoReturn:
        """Refused: there is no Redis whose shards it would choose from."""
        raise NotImplementedError("redis_shard_hash(): there are no shards here; hash(id) or id.binary() identify it")

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._bytes == other._bytes

    def __hash__(self) -> int:
        return hash((type(self).__name__, self._bytes))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._bytes.hex()})"

    def __reduce__(self) -> tuple[type, tuple[bytes]]:
        return type(self), (self._bytes,)


class UniqueID(BaseID):
    """28 random bytes."""

    __slots__ = ()


class WorkerID(UniqueID):
    """One attached process. A driver's is its job id followed by 0xFF bytes."""

    __slots__ = ()


class NodeID(UniqueID):
    """One machine (one core worker host)."""

    __slots__ = ()


class FunctionID(UniqueID):
    """An entry of the function table."""

    __slots__ = ()


class ActorClassID(UniqueID):
    """An entry of the function table that holds a class."""

    __slots__ = ()


class PlacementGroupID(BaseID):
    """14 unique bytes and the job id."""

    __slots__ = ()
    _length = PLACEMENT_GROUP_BYTES

    @classmethod
    def of(cls, job_id: JobID) -> Self:
        """A fresh id of a group of this job."""
        return cls(os.urandom(cls._length - JOB_BYTES) + job_id.binary())


class JobID(BaseID):
    """One driver: a 32-bit number."""

    __slots__ = ()
    _length = JOB_BYTES

    @classmethod
    def from_int(cls, number: int) -> JobID:
        """The id of job ``number``."""
        return cls(job_id(number))

    def int(self) -> int:
        """The number of the job."""
        return int.from_bytes(self._bytes, "little")


class ActorID(BaseID):
    """12 unique bytes and the job id."""

    __slots__ = ()
    _length = ACTOR_BYTES

    def job_id(self) -> JobID:
        """The job that created the actor."""
        return JobID(self._bytes[_ActorUnique:])

    @classmethod
    def of(cls, job_id: JobID, parent_task_id: TaskID, parent_task_counter: int) -> Self:
        """A fresh id of an actor that this task creates: another one at each call, as in Ray, where the time is part of it."""
        once = int.from_bytes(os.urandom(8), "little")
        return cls(new_actor_id(job_id.binary(), parent_task_id.binary(), parent_task_counter, once))


class TaskID(BaseID):
    """8 unique bytes and an actor id, which is nil but for its job when no actor runs the task."""

    __slots__ = ()
    _length = TASK_BYTES

    def actor_id(self) -> ActorID:
        """The actor that runs the task."""
        return ActorID(self._bytes[_TaskUnique:])

    def job_id(self) -> JobID:
        """The job that submitted the task."""
        return JobID(self._bytes[-JOB_BYTES:])

    @classmethod
    def for_driver_task(cls, job_id: JobID) -> Self:
        """What the code of a driver counts as."""
        return cls(driver_task_id(job_id.binary()))

    @classmethod
    def for_normal_task(cls, job_id: JobID, parent_task_id: TaskID, parent_task_counter: int) -> Self:
        """The task that a task submits as its so-and-so-manieth."""
        return cls(normal_task_id(job_id.binary(), parent_task_id.binary(), parent_task_counter))

    @classmethod
    def for_actor_creation_task(cls, actor_id: ActorID) -> Self:
        """The task that creates an actor."""
        return cls(actor_creation_task_id(actor_id.binary()))

    @classmethod
    def for_actor_task(cls, job_id: JobID, parent_task_id: TaskID, parent_task_counter: int, actor_id: ActorID) -> Self:
        """A call of a method that a task submits as its so-and-so-manieth."""
        return cls(actor_task_id(actor_id.binary(), job_id.binary(), parent_task_id.binary(), parent_task_counter))

    @classmethod
    def for_fake_task(cls, job_id: JobID) -> Self:
        """A random one of this job."""
        return cls(os.urandom(TASK_BYTES - JOB_BYTES) + job_id.binary())


class ObjectID(BaseID):
    """The id of the task that made the object, and a 32-bit index within the task."""

    __slots__ = ()
    _length = OBJECT_BYTES

    def task_id(self) -> TaskID:
        """The task that made the object."""
        return TaskID(self._bytes[:TASK_BYTES])

    def job_id(self) -> JobID:
        """The job of that task."""
        return self.task_id().job_id()

    def index(self) -> int:
        """1, 2, … for a return value; PUT_INDEX_BASE + n for the n-th put."""
        return int.from_bytes(self._bytes[TASK_BYTES:], "little")


# ------------------------------------------------------------------------------------ layouts, bytes to bytes


def job_id(number: int) -> bytes:
    """The id of job ``number``."""
    return number.to_bytes(JOB_BYTES, "little")


def driver_worker_id(job: bytes) -> bytes:
    """The worker id of the driver of a job."""
    return job + b"\xff" * (UNIQUE_BYTES - JOB_BYTES)


def driver_task_id(job: bytes) -> bytes:
    """The task id that the driver's own code counts as."""
    return _NIL_TASK_UNIQUE + _NIL_ACTOR_UNIQUE + job


def task_of_object(object_id: bytes) -> bytes:
    """The task that made the object."""
    return object_id[:TASK_BYTES]


def actor_of_task(task_id: bytes) -> bytes:
    """The actor that runs the task; see ``has_actor``."""
    return task_id[_TaskUnique:]


def has_actor(task_id: bytes) -> bool:
    """False for normal tasks and for the driver's."""
    return task_id[_TaskUnique:-JOB_BYTES] != _NIL_ACTOR_UNIQUE


def job_of_task(task_id: bytes) -> bytes:
    """The job of a task."""
    return task_id[-JOB_BYTES:]


def return_id(task_id: bytes, number: int) -> bytes:
    """Object id of return value ``number`` (1, 2, …) of a task."""
    return task_id + number.to_bytes(4, "little")


def generator_item_id(task_id: bytes, number: int) -> bytes:
    """Object id of item ``number`` (0, 1, …) that a generator task yields; the generator itself is return 1."""
    return return_id(task_id, number + 2)


def put_id(task_id: bytes, number: int, attempt: int = 0) -> bytes:
    """Object id of the ``number``-th put (1, 2, …) of a task.

    The attempt goes into the first byte, so that a retried task cannot meet the puts of its first run.
    """
    return bytes((attempt & 0xFF,)) + task_id[1:] + (PUT_INDEX_BASE + number).to_bytes(4, "little")


def is_put(object_id: bytes) -> bool:
    """True for what ``put`` made, false for what a task returns or yields."""
    return int.from_bytes(object_id[TASK_BYTES:], "little") > PUT_INDEX_BASE


def actor_handle_id(actor_id: bytes) -> bytes:
    """The object id under which the handles of an actor are counted."""
    return return_id(actor_creation_task_id(actor_id), 1)


def actor_of_handle(object_id: bytes) -> bytes:
    """The actor of an ``actor_handle_id``."""
    return object_id[_TaskUnique:TASK_BYTES]


# -------------------------------------------------------------------------------------------------- derivation


def _unique(job: bytes, parent_task: bytes, counter: int, extra: int, length: int) -> bytes:
    seed = job + parent_task + counter.to_bytes(8, "little")
    if extra > 0:
        seed += extra.to_bytes(8, "little")
    return _sha256(seed).digest()[:length]


def family(job: bytes, parent_task: bytes) -> bytes:
    """What the ids of all children of a task begin to be derived from."""
    return job + parent_task


def child_unique(of_family: bytes, counter: int) -> bytes:
    """What is unique in the id of the ``counter``-th task of a family: the beginning of ``normal_task_id`` and of
    ``actor_task_id``, for whoever makes many."""
    return _sha256(of_family + counter.to_bytes(8, "little")).digest()[:_TaskUnique]


def no_actor(job: bytes) -> bytes:
    """How the ids of normal tasks of a job end."""
    return _NIL_ACTOR_UNIQUE + job


def normal_task_id(job: bytes, parent_task: bytes, counter: int) -> bytes:
    """Id of the ``counter``-th task that ``parent_task`` submits.

    A retried parent counts anew and so gives its children the same ids: what lineage needs.
    """
    return _unique(job, parent_task, counter, 0, _TaskUnique) + _NIL_ACTOR_UNIQUE + job


def actor_task_id(actor_id: bytes, job: bytes, parent_task: bytes, counter: int) -> bytes:
    """Id of the ``counter``-th task of ``parent_task``, which is a method call on ``actor_id``."""
    return _unique(job, parent_task, counter, 0, _TaskUnique) + actor_id


def actor_creation_task_id(actor_id: bytes) -> bytes:
    """Id of the task that creates the actor."""
    return _NIL_TASK_UNIQUE + actor_id


def new_actor_id(job: bytes, parent_task: bytes, counter: int, time_ns: int) -> bytes:
    """Id of an actor that ``parent_task`` creates as its ``counter``-th task.

    The time is part of it: unlike a task, an actor that a retried parent creates is another one.
    """
    return _unique(job, parent_task, counter, time_ns, _ActorUnique) + job


def function_id(module: str, function_name: str, class_name: str, function_hash: str) -> bytes:
    """Key of a function or class in the function table (Ray's, of the four texts joined without a separator)."""
    text = module + function_name + class_name + function_hash
    return _shake_128(text.encode()).digest(UNIQUE_BYTES)


def split_objects(joined: bytes) -> list[bytes]:
    """The object ids of a concatenated list.

    >>> split_objects(bytes(56)) == [bytes(28), bytes(28)]
    True
    """
    return [joined[i : i + 28] for i in range(0, len(joined), 28)]
