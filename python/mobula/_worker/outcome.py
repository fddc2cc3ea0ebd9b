"""What became of a run: its return values or its exception, as a TaskDone.

Ray's answers, each seen on Ray 2.60: a wrong number of returned values is a ValueError, longer generators are cut; a
CancelledError that user code raised itself arrives as TaskCancelledError; `sys.exit(0)` in an actor method is
exit_actor(), any other SystemExit ends the process as a crash. Not Ray's: a KeyboardInterrupt that user code raised itself
stays one, as the cause of a RayTaskError.
"""

from __future__ import annotations

import os
import pickle
import sys
import traceback
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Final, Protocol, TypeAlias

from mobula._core import refcount, wire
from mobula._core.ids import TaskID, split_objects
from mobula._core.pb import boundary_pb2 as pb
from mobula._core.values import INLINE_BYTES
from mobula._values import tracebacks
from mobula._worker import printing
from mobula._worker.actor import Actor
from mobula._worker.exiting import ActorExit, AsyncActorExit
from mobula._worker.trampoline import Taken
from mobula.exceptions import TaskCancelledError
from mobula.serialization import Serialized, error_value, loads, serialize

_PACKAGE: Final = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_LINE_LIMIT: Final = 500  # characters of error_text


Report: TypeAlias = pb.TaskDone | bytes
"""What is told of a run. As bytes: the whole encoded mutation, of one small value that contains no refs."""


class Store(Protocol):
    """What turns serialized values into what the core understands: the attached process."""

    def store(self, serialized: Any) -> pb.Value: ...


def split_returns(result: Any, count: int) -> Sequence[Any]:
    """The `count` values of a result. Raises ValueError, or TypeError for what has no length, in Ray's words."""
    if count == 1 and not isinstance(result, Taken):
        return (result,)
    if count == 0:
        return ()
    try:
        found = len(result)
    except TypeError as error:
        # Ray's own words, and what to do.
        raise TypeError(f"{error}: with num_returns={count} a task returns a tuple or list of {count} values") from None
    if found != count:
        raise ValueError(f"Task returned {found} objects, but num_returns={count}.")
    return list(result)


def done_ok(process: Store, task_id: bytes, attempt: int, result: Any, count: int) -> Report:
    """The report of a run that returned. Raises what serializing or storing a value raises."""
    if count == 1 and not isinstance(result, Taken):
        serialized = _serialized(result)
        if serialized.size <= INLINE_BYTES and not serialized.contained:
            return wire.done_one(task_id, attempt, serialized.to_bytes(), serialized.metadata)
        return pb.TaskDone(task_id=task_id, attempt=attempt, returns=(_packed(process, serialized),))
    values: list[pb.Value] = []
    try:
        for value in split_returns(result, count):
            values.append(pack(process, value))  # noqa: PERF401 - what was packed before a failure must be known
    except BaseException:
        for packed in values:
            refcount.dropped.extend(split_objects(packed.contained))
        raise
    return pb.TaskDone(task_id=task_id, attempt=attempt, returns=values)


def pack(process: Store, value: Any) -> pb.Value:
    """A return value, with a hold on the refs inside it until the report is on its way:

    this thread:   packs [ref], and the list goes with its last name
    helper thread: tells the core that the ref is gone     <- nothing else refers to it yet
    this thread:   reports the value that contains it
    """
    return _packed(process, _serialized(value))


def _packed(process: Store, serialized: Serialized) -> pb.Value:
    packed = process.store(serialized)
    if packed.contained:
        refcount.added.extend(split_objects(packed.contained))
    return packed


def _serialized(value: Any) -> Serialized:
    try:
        return serialize(value)
    except (TypeError, pickle.PicklingError) as error:
        kind = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
        sentence = f"Could not serialize the returned value, a {kind}: {error}. Return what can be pickled"
        raise type(error)(sentence) from None


def done_canceled(task_id: bytes, attempt: int) -> pb.TaskDone:
    """The report of a run that its cancel ended, or that never began."""
    return pb.TaskDone(task_id=task_id, attempt=attempt, outcome=pb.OUTCOME_CANCELED)


def done_exit(task_id: bytes, attempt: int) -> pb.TaskDone:
    """The report of the method that called exit_actor()."""
    return pb.TaskDone(task_id=task_id, attempt=attempt, outcome=pb.OUTCOME_EXIT_ACTOR)


def done_error(process: Store, spec: pb.TaskSpec, attempt: int, error: BaseException, actor: Actor | None = None) -> pb.TaskDone:
    """The report of a run that raised."""
    retryable = spec.retry_exceptions and _matches(error, spec.retry_allowlist)
    # Where nobody has imported asyncio, this is none of its errors.
    if isinstance(error, getattr(sys.modules.get("asyncio.exceptions"), "CancelledError", ())):
        # Not an Exception: no RayTaskError can be one as well and still be caught by `except Exception`.
        cause = error
        error = TaskCancelledError(task_id=TaskID(spec.task_id))
        error.__cause__ = cause
        error.__traceback__ = cause.__traceback__
    error.__traceback__ = user_part(error.__traceback__)
    extra = _actor_part(actor)
    if spec.type == pb.ACTOR_CREATION_TASK:
        # As Ray does: nobody may ever call the actor, and then this is all that is seen of it.
        printing.tell(f"Exception raised in creation task: {tracebacks.text(error).rstrip()}")
    try:
        value = process.store(error_value(error, function_name=spec.name, **extra))
    except Exception as refused:  # noqa: BLE001 - a full store, mostly: the error does not fit, but that fact does
        refused.__traceback__ = refused.__context__ = None  # the context is the error that does not fit
        value = process.store(error_value(refused, function_name=spec.name, **extra))
    return pb.TaskDone(
        task_id=spec.task_id,
        attempt=attempt,
        outcome=pb.OUTCOME_ERROR,
        error=value,
        retryable=retryable,
        error_text=one_line(error),
        creation_failed=spec.type == pb.ACTOR_CREATION_TASK,
    )


def is_stop(error: BaseException) -> bool:
    """Whether this is how a cancel shows: what to call "canceled" when it leaves the body of a canceled run."""
    return isinstance(error, (KeyboardInterrupt, TaskCancelledError))


def is_exit(error: BaseException) -> bool:
    """Whether this ends an actor by intent."""
    return isinstance(error, (ActorExit, AsyncActorExit)) or (isinstance(error, SystemExit) and error.code == 0)


def user_part(trace: TracebackType | None) -> TracebackType | None:
    """A traceback without the shim's frames at its head."""
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(_PACKAGE):
        trace = trace.tb_next
    return trace


def one_line(error: BaseException) -> str:
    """The exception in one line, for logs."""
    text = traceback.format_exception_only(type(error), error)[-1].strip()
    return " ".join(text.split())[:_LINE_LIMIT]


def _actor_part(actor: Actor | None) -> dict[str, Any]:
    if actor is None:
        return {}
    part: dict[str, Any] = {"actor_id": actor.actor_id.hex()}
    if actor.instance is not None:
        try:
            part["actor_repr"] = repr(actor.instance)
        except Exception as error:  # noqa: BLE001 - user code
            # A broken __repr__ must not hide the error that is being told.
            part["actor_repr"] = f"<{actor.class_name}, whose __repr__ raised {type(error).__name__}>"
    return part


def _matches(error: BaseException, allowlist: bytes) -> bool:
    if not isinstance(error, Exception):
        return False
    if not allowlist:
        return True
    try:
        classes = tuple(loads(allowlist))
    except Exception:  # noqa: BLE001 - user code
        # The classes live in a module this worker has not: none of them can have been raised here.
        return False
    return isinstance(error, classes)
