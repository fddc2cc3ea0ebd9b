"""Error objects: the number in the metadata, the body behind it, and the exceptions both stand for.

Two kinds of body. An executor leaves a TaskException (the pickled ``RayTaskError`` and its text), a submitter leaves an
ErrorInfo (a sentence and, for actors, a record of the death); TASK_CANCELLED comes in both. Either is msgpack bytes
after the usual header. Unknown numbers and empty bodies still give an exception that says what is known.
"""

from __future__ import annotations

import re
from typing import Any, Final

from mobula import exceptions as ex
from mobula._core.ids import TASK_BYTES, TaskID
from mobula._core.pb import rayvalue_pb2 as pb
from mobula._values import contained, dual, header, packing, pickling, tracebacks
from mobula.serialization import Serialized

WORKER_DIED: Final = 0
ACTOR_DIED: Final = 1
TASK_EXECUTION_EXCEPTION: Final = 3
TASK_CANCELLED: Final = 5
ACTOR_UNAVAILABLE: Final = 25
_LANGUAGE_PYTHON: Final = 0

#: The sentence a submitter starts with when it names the canceled task.
_NAMED_TASK = re.compile(rf"Task: ([0-9a-f]{{{2 * TASK_BYTES}}}) was cancelled\.\s*")

#: Errors that are nothing but a class and, where it takes one, a sentence.
_BY_SENTENCE: Final[dict[int, type[ex.RayError]]] = {
    WORKER_DIED: ex.WorkerCrashedError,
    7: ex.RuntimeEnvSetupError,
    15: ex.LocalRayletDiedError,
    16: ex.TaskPlacementGroupRemoved,
    17: ex.ActorPlacementGroupRemoved,
    18: ex.TaskUnschedulableError,
    19: ex.ActorUnschedulableError,
    20: ex.OutOfDiskError,
    22: ex.OutOfMemoryError,
    23: ex.NodeDiedError,
    24: ex.ObjectRefStreamEndOfStreamError,
    34: ex.StreamingGeneratorReplayInconsistentError,
}
#: Errors about an object that is gone.
_BY_OBJECT: Final[dict[int, type[ex.ObjectLostError]]] = {
    8: ex.ObjectLostError,
    9: ex.OwnerDiedError,
    10: ex.ReferenceCountingAssertionError,
    14: ex.ObjectFetchTimedOutError,
    21: ex.ObjectFreedError,
}
#: Errors without a class of their own.
_NAMES: Final = {
    4: "an object was asked for where only its place is known",
    6: "the actor could not be created",
    11: "an argument of the task could not be resolved",
    26: "a generator task failed while its items were made again",
    33: "no worker process could be started",
}


# ------------------------------------------------------------------------------------------------------ reading


def load(kind: int, data: bytes | memoryview, object_id: bytes | None) -> BaseException:
    """The exception of an error object, ready to be raised. Raises for a body that is none."""
    if kind == TASK_CANCELLED and len(data) == _CANCELLED_BYTES:
        named = _CANCELLED.fullmatch(data)
        if named is not None:
            return ex.TaskCancelledError(TaskID(bytes.fromhex(named[1].decode())))
    body = _body(data)
    raised = _task_exception(body) if kind in (TASK_EXECUTION_EXCEPTION, TASK_CANCELLED) else None
    if raised is not None:
        return _from_executor(raised)
    return _from_submitter(kind, pb.ErrorInfo.FromString(body), object_id)


def _body(data: bytes | memoryview) -> bytes:
    if len(data) == 0:
        return b""
    end = header.HEADER_BYTES + header.decode(data)
    body = packing.unpack(bytes(data[header.HEADER_BYTES : end]), [])
    if not isinstance(body, bytes):
        raise ValueError(f"the body of an error object is {type(body).__name__}, not bytes")
    return body


def _task_exception(body: bytes) -> pb.TaskException | None:
    """The body as an executor's, or None when a submitter made it.

    Both have a field 2. A submitter's is a message, whose first byte is the tag of one of its fields; a pickle of
    protocol 2 or later starts with 0x80, which no such tag does.
    """
    try:
        raised = pb.TaskException.FromString(body)
    except Exception:  # noqa: BLE001 - protobuf's DecodeError: a string of the other message that is no UTF-8
        return None
    return raised if raised.serialized_exception[:1] == b"\x80" else None


def _from_executor(raised: pb.TaskException) -> BaseException:
    error = _load_pickled(raised)
    return dual.combine(error) if type(error) is ex.RayTaskError else error


def _load_pickled(raised: pb.TaskException) -> BaseException:
    if raised.language != _LANGUAGE_PYTHON:
        return ex.CrossLanguageError(raised)
    try:
        error = pickling.loads(raised.serialized_exception, ())
    except Exception:  # noqa: BLE001 - the user's class is not here, or its constructor wants more than its args hold
        error = None
    if isinstance(error, BaseException):
        return error
    return ex.RayTaskError("", raised.formatted, ex.UnserializableException(raised.formatted))


def _from_submitter(kind: int, info: pb.ErrorInfo, object_id: bytes | None) -> BaseException:
    text = info.error_message
    if kind == TASK_CANCELLED:
        named = _NAMED_TASK.match(text)
        if named is None:
            return ex.TaskCancelledError(error_message=text)
        return ex.TaskCancelledError(TaskID.from_hex(named[1]), text[named.end() :] or None)
    if kind == ACTOR_DIED:
        return _actor_died(info)
    if kind == ACTOR_UNAVAILABLE:
        return ex.ActorUnavailableError(text, info.actor_unavailable.actor_id or None)
    if kind in _BY_SENTENCE:
        return _BY_SENTENCE[kind](*([text] if text or _needs_text(kind) else []))
    name = object_id.hex() if object_id else ""
    if kind in _BY_OBJECT:
        lost = _BY_OBJECT[kind](name)
        lost.error_message = text
        return lost
    if kind in ex.ObjectReconstructionFailedError.REASON_MESSAGES:
        failed = ex.ObjectReconstructionFailedError(name, kind)
        failed.error_message = text
        return failed
    return ex.RaySystemError(": ".join(part for part in (_NAMES.get(kind, f"error number {kind}"), text) if part))


def _needs_text(kind: int) -> bool:
    return kind in (18, 19, 22, 23, 34)


def _actor_died(info: pb.ErrorInfo) -> BaseException:
    cause = info.actor_died
    if cause.HasField("creation_failed"):
        error = _load_pickled(cause.creation_failed)
        return ex.ActorDiedError(error) if isinstance(error, ex.RayTaskError) else error
    if cause.HasField("died"):
        return ex.ActorDiedError(cause.died)
    if info.error_message:
        return ex.ActorDiedError(pb.ActorDied(error_message=info.error_message))
    return ex.ActorDiedError()


# ------------------------------------------------------------------------------------------------------ writing


def _cancelled_data(named: str) -> bytes:
    return write_task_cancelled(None, f"Task: {named} was cancelled.").to_bytes()


def write_task_cancelled(task_id: bytes | None, text: str) -> Serialized:
    """See ``serialization.task_cancelled_value``."""
    return _write(TASK_CANCELLED, _cancelled_info(task_id, text).SerializeToString(), None)


def _cancelled_info(task_id: bytes | None, text: str) -> pb.ErrorInfo:
    named = f"Task: {task_id.hex()} was cancelled." if task_id else ""
    return pb.ErrorInfo(error_type=TASK_CANCELLED, error_message=" ".join(part for part in (named, text) if part))


def write_task_error(
    exception: BaseException,
    *,
    function_name: str,
    title: str | None,
    pid: int | None,
    ip: str,
    actor_repr: str | None,
    actor_id: str | None,
    argument_failed: bool,
) -> Serialized:
    """See ``serialization.error_value``."""
    text = tracebacks.text(exception)
    if argument_failed:
        text = _with_argument_note(text)
    # The error of a nested task is not nested again: the cause stays the original one, the text has both.
    cause = exception.cause if isinstance(exception, ex.RayTaskError) else exception

    def with_cause(what: BaseException) -> ex.RayTaskError:
        return ex.RayTaskError(function_name, text, what, title, pid, ip, actor_repr, actor_id)

    error = with_cause(cause)
    found, outer = contained.begin()
    try:
        try:
            pickled = pickling.dumps(error)
        except Exception as failure:  # noqa: BLE001 - a lock in the exception, a __reduce__ that raises
            stand_in = ex.RayError(f"{_name(cause)} cannot be pickled ({failure}); it said:\n{text}")
            pickled = pickling.dumps(with_cause(stand_in))
    finally:
        contained.end(outer)
    kind = TASK_CANCELLED if isinstance(cause, ex.TaskCancelledError) else TASK_EXECUTION_EXCEPTION
    formatted = str(error).encode("utf-8", "backslashreplace").decode()
    body = pb.TaskException(language=_LANGUAGE_PYTHON, serialized_exception=pickled, formatted=formatted)
    return _write(kind, body.SerializeToString(), found)


def _write(kind: int, body: bytes, found: contained.Found | None) -> Serialized:
    packed, _ = packing.pack(body)
    data = header.encode(len(packed)) + packed
    return Serialized(str(kind).encode(), [data], len(data), found)


def _with_argument_note(text: str) -> str:
    first, line_end, rest = text.partition("\n")
    return f"{first}{line_end}  At least one argument of this task has no value, because what was to make it failed:\n{rest}"


def _name(cause: Any) -> str:
    return f"{type(cause).__module__}.{type(cause).__qualname__}"


_HEX_TASK: Final = "0" * (2 * TASK_BYTES)
_CANCELLED_BYTES: Final = len(_cancelled_data(_HEX_TASK))
#: What a submitter writes of a canceled task, and nothing else: read at one look, for who cancels many gets many.
_CANCELLED: Final = re.compile(
    re.escape(_cancelled_data(_HEX_TASK)).replace(_HEX_TASK.encode(), b"([0-9a-f]{%d})" % len(_HEX_TASK))
)
