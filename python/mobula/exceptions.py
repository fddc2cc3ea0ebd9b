"""The exceptions of the API: Ray's names, bases and constructors (ray.exceptions of 2.60), in our words.

``RayError`` is the base of all. An error of user code arrives as an instance of both ``RayTaskError`` and the class that
was raised; errors of the runtime are one of the other classes, each with fields for what is known (task, actor, object,
process) and one sentence that says it. All of them pickle with their fields.

What this module refuses: deciding when to raise what. ``_values.errors`` turns error objects into these.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from mobula._core.ids import TaskID

_CYAN = "\x1b[36m"
_PLAIN = "\x1b[39m"


def _rebuild(cls: type[RayError], args: tuple[Any, ...], state: dict[str, Any]) -> RayError:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class RayError(Exception):
    """Base of everything the runtime raises on its own account."""

    def __reduce__(self) -> tuple[Any, ...]:
        # Exception's own way calls the class with `args`, which fails for whoever was made with keywords or has a
        # constructor that takes other things than it keeps.
        return _rebuild, (type(self), self.args, self.__dict__)


class CrossLanguageError(RayError):
    """A task of another language raised; ``ray_exception`` is what it left."""

    def __init__(self, ray_exception: Any) -> None:
        super().__init__(f"a task in another language raised:\n{getattr(ray_exception, 'formatted', ray_exception)}")


class TaskCancelledError(RayError):
    """The task was canceled. ``task_id`` names it when it is known, ``error_message`` says more when there is more.

    >>> str(TaskCancelledError(error_message="the user pressed stop"))
    'the user pressed stop'
    """

    def __init__(self, task_id: TaskID | None = None, error_message: str | None = None) -> None:
        super().__init__(*(() if task_id is None and error_message is None else (task_id, error_message)))
        self.task_id = task_id
        self.error_message = error_message

    def __str__(self) -> str:
        named = f"Task: {self.task_id.hex()} was cancelled." if self.task_id is not None else ""
        return " ".join(part for part in (named, self.error_message) if part)


class _InterruptedByCancel(TaskCancelledError, KeyboardInterrupt):
    """What a blocked ``get`` or ``wait`` raises in an actor method that is canceled meanwhile.

    Ray interrupts such a call with KeyboardInterrupt, so programs written for it catch that; what happened is that
    the task was canceled, so programs written for what is documented catch TaskCancelledError. This is both, and in
    text, by name and when pickled it is a TaskCancelledError.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (TaskCancelledError, self.args, self.__dict__)


_InterruptedByCancel.__name__ = _InterruptedByCancel.__qualname__ = "TaskCancelledError"


class RayTaskError(RayError):
    """A task or an actor method raised an exception: ``cause``.

    ``get`` raises ``as_instanceof_cause()``, so that ``except ValueError`` catches it as well. ``str`` gives the user's
    own traceback under a line that names function and process.
    """

    def __init__(
        self,
        function_name: str,
        traceback_str: str,
        cause: BaseException,
        proctitle: str | None = None,
        pid: int | None = None,
        ip: str | None = None,
        actor_repr: str | None = None,
        actor_id: str | None = None,
    ) -> None:
        super().__init__(function_name, traceback_str, cause, proctitle, pid, ip)
        self.function_name = function_name
        self.traceback_str = traceback_str
        self.cause = cause
        self.proctitle = proctitle or f"ray::{function_name}"
        self.pid = pid or os.getpid()
        self.ip = ip or "127.0.0.1"
        self.actor_repr = actor_repr
        self._actor_id = actor_id

    def as_instanceof_cause(self) -> RayTaskError:
        """This error as an instance of the cause's class too, or itself where no such class can be made."""
        from mobula._values import dual

        return dual.combine(self)

    def __str__(self) -> str:
        where = f"pid={self.pid}, ip={self.ip}"
        if self.actor_repr:
            where += f", actor_id={self._actor_id}, repr={self.actor_repr}"
        heading = f"{_CYAN}{self.proctitle}(){_PLAIN} ({where})"
        lines = self.traceback_str.strip("\n").split("\n")
        lines = [heading if line.startswith("Traceback (most recent call last)") else line for line in lines]
        if heading not in lines and not lines[0].startswith(_CYAN):  # an exception group's first line is its own
            lines.insert(0, heading)
        return "\n".join(lines)


class UserCodeException(RayError):
    """For libraries that wrap an exception of user code; retries look at its cause."""


class UnserializableException(RayError):
    """The exception of a task could not be loaded here; its text and traceback are in ``str``."""

    def __init__(self, original_stack_trace: str) -> None:
        super().__init__(original_stack_trace)
        self._original_stack_trace = original_stack_trace

    def __str__(self) -> str:
        return f"the task's exception cannot be rebuilt in this process; it said:\n{self._original_stack_trace}"


# ------------------------------------------------------------------------------------------ processes and actors


class WorkerCrashedError(RayError):
    """The process that ran the task ended before the task did."""

    def __str__(self) -> str:
        return _with_detail("The worker process died while it ran this task.", super().__str__())


class LocalRayletDiedError(RayError):
    """The node's own daemon is gone (clusters only)."""

    def __str__(self) -> str:
        return _with_detail("The raylet of this node died.", super().__str__())


class NodeDiedError(RayError):
    """The node that ran the task is gone or out of reach."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return self.message


class RayActorError(RayError):
    """A call of an actor's method failed because of the actor itself: ``ActorDiedError`` or ``ActorUnavailableError``.

    ``actor_id`` is hexadecimal, or None when it is not known.
    """

    BASE_ERROR_MSG: ClassVar[str] = "The actor failed before this call was finished."

    def __init__(
        self,
        actor_id: str | None = None,
        error_msg: str = BASE_ERROR_MSG,
        actor_init_failed: bool = False,
        preempted: bool = False,
    ) -> None:
        super().__init__(actor_id, error_msg, actor_init_failed, preempted)
        self.actor_id = actor_id
        self.error_msg = error_msg
        self._actor_init_failed = actor_init_failed
        self._preempted = preempted

    def __str__(self) -> str:
        return self.error_msg

    @property
    def preempted(self) -> bool:
        """The actor went because its node was taken away."""
        return self._preempted

    @property
    def actor_init_failed(self) -> bool:
        """The actor's constructor raised."""
        return self._actor_init_failed


class ActorDiedError(RayActorError):
    """The actor is dead and will not come back: its process ended, it was killed, or its constructor raised.

    ``cause`` is the ``RayTaskError`` of the constructor, or the core's record of the death, or None.
    """

    BASE_ERROR_MSG: ClassVar[str] = "The actor died before this call was finished."

    def __init__(self, cause: Any = None) -> None:
        if cause is None:
            super().__init__(None, self.BASE_ERROR_MSG)
        elif isinstance(cause, RayTaskError):
            super().__init__(cause._actor_id, f"The actor died because its constructor raised: {cause}", True)
            self.__cause__ = cause
        else:
            super().__init__(cause.actor_id.hex() or None, _tell_death(self.BASE_ERROR_MSG, cause))

    @staticmethod
    def from_task_error(task_error: RayTaskError) -> ActorDiedError:
        """The error of all calls of an actor whose constructor raised ``task_error``."""
        return ActorDiedError(task_error)


def _tell_death(first: str, cause: Any) -> str:
    known = {
        "class_name": cause.class_name,
        "actor_id": cause.actor_id.hex(),
        "pid": cause.pid,
        "name": cause.name,
        "namespace": cause.ray_namespace,
    }
    lines = [first, *(f"\t{label}: {value}" for label, value in known.items() if value)]
    if cause.error_message:
        lines.append(cause.error_message)
    if cause.never_started:
        lines.append("Its process had not started yet.")
    return "\n".join(lines)


class ActorUnavailableError(RayActorError):
    """The actor cannot be reached now and may be reachable later; whether the call ran is not known."""

    def __init__(self, error_message: str, actor_id: bytes | None) -> None:
        named = actor_id.hex() if actor_id else None
        super().__init__(
            named, f"The actor {named or '(unknown)'} is unavailable: {error_message}. The call may or may not have run."
        )


class ActorUnschedulableError(RayError):
    """No node can ever hold the actor."""

    def __init__(self, error_message: str) -> None:
        super().__init__(error_message)
        self.error_message = error_message

    def __str__(self) -> str:
        return f"The actor cannot be scheduled: {self.error_message}"


class TaskUnschedulableError(RayError):
    """No node can ever run the task."""

    def __init__(self, error_message: str) -> None:
        super().__init__(error_message)
        self.error_message = error_message

    def __str__(self) -> str:
        return f"The task cannot be scheduled: {self.error_message}"


class TaskPlacementGroupRemoved(RayError):
    """The placement group that the task was to run in is gone."""

    def __str__(self) -> str:
        return _with_detail("The placement group of this task was removed.", super().__str__())


class ActorPlacementGroupRemoved(RayError):
    """The placement group that the actor was to live in is gone."""

    def __str__(self) -> str:
        return _with_detail("The placement group of this actor was removed.", super().__str__())


class PendingCallsLimitExceeded(RayError):
    """The handle has ``max_pending_calls`` calls under way; this one was not submitted."""


class AsyncioActorExit(RayError):
    """Raised inside an asyncio actor that exits on purpose."""


class RuntimeEnvSetupError(RayError):
    """The environment that the task or actor asked for could not be made."""

    def __init__(self, error_message: str | None = None) -> None:
        super().__init__(*(() if error_message is None else (error_message,)))
        self.error_message = error_message

    def __str__(self) -> str:
        return _with_detail("The runtime environment could not be set up.", self.error_message or "")


class ActorAlreadyExistsError(ValueError, RayError):
    """The name is taken by a living actor of the namespace."""

    def __init__(self, error_message: str) -> None:
        super().__init__(error_message)
        self.error_message = error_message

    def __str__(self) -> str:
        return self.error_message


class ActorHandleNotFoundError(ValueError, RayError):
    """The handle leads to no actor of this session, for example because it was made before ``shutdown()``."""

    def __init__(self, error_message: str) -> None:
        super().__init__(error_message)
        self.error_message = error_message

    def __str__(self) -> str:
        return self.error_message


# --------------------------------------------------------------------------------------------------- the system


class RaySystemError(RayError):
    """The runtime itself failed. ``client_exc`` is the exception or the sentence, ``traceback_str`` where it came from."""

    def __init__(self, client_exc: Any, traceback_str: str | None = None) -> None:
        super().__init__(client_exc, traceback_str)
        self.client_exc = client_exc
        self.traceback_str = traceback_str

    def __str__(self) -> str:
        text = f"System error: {self.client_exc}"
        return f"{text}\n{self.traceback_str}" if self.traceback_str else text


class AuthenticationError(RayError):
    """The token is missing or not the cluster's."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
        self.__suppress_context__ = True


class RpcError(RayError):
    """A call between processes failed; ``rpc_code`` is gRPC's number, when there is one."""

    def __init__(self, message: str, rpc_code: int | None = None) -> None:
        super().__init__(message, rpc_code)
        self.message = message
        self.rpc_code = rpc_code

    def __str__(self) -> str:
        return self.message


class GetTimeoutError(RayError, TimeoutError):
    """``get`` was given a timeout, and it ran out; the task goes on."""


class OutOfMemoryError(RayError):
    """The process that ran the task was killed to free memory."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return self.message


class ObjectStoreFullError(RayError):
    """There is no room for the object: all that is stored is still referred to."""

    def __str__(self) -> str:
        return _with_detail(
            super().__str__() or "The object store is full.",
            "Drop references that are no longer needed, or give init() a larger object_store_memory.",
        )


class OutOfDiskError(RayError):
    """There is no room for the object, on disk either."""

    def __str__(self) -> str:
        return _with_detail(super().__str__(), "The object store and the disk it spills to are full; free some disk space.")


class RayChannelError(RaySystemError):
    """A channel of a compiled graph failed."""


class RayChannelTimeoutError(RayChannelError, TimeoutError):
    """A channel of a compiled graph did not answer in time."""


class RayCgraphCapacityExceeded(RaySystemError):
    """A channel of a compiled graph holds as much as it can."""


class RayDirectTransportError(RaySystemError):
    """A direct transfer between processes failed."""


class StreamingGeneratorReplayInconsistentError(RaySystemError):
    """A generator task that ran again gave another number of items than the first time."""


# --------------------------------------------------------------------------------------------------- lost objects


class ObjectLostError(RayError):
    """The object existed and is gone. ``object_ref_hex`` names it; subclasses say how it went."""

    _how: ClassVar[str] = "All copies of it are lost."

    def __init__(self, object_ref_hex: str, owner_address: bytes | None = None, call_site: str = "") -> None:
        super().__init__(object_ref_hex, owner_address, call_site)
        self.object_ref_hex = object_ref_hex
        self.owner_address = owner_address
        self.call_site = call_site
        #: What the core knows beyond the kind of the error.
        self.error_message = ""

    def __str__(self) -> str:
        parts = [f"The object {self.object_ref_hex} cannot be retrieved." if self.object_ref_hex else "", self._how]
        if self.call_site:
            parts.append(f"Its reference was made at {self.call_site}.")
        return " ".join(part for part in (*parts, self.error_message) if part)


class ObjectFetchTimedOutError(ObjectLostError):
    """No place was found that has the object."""

    _how = "No process that has it was found in time."


class ReferenceCountingAssertionError(ObjectLostError, AssertionError):
    """The object was deleted although somebody refers to it: a fault of the runtime."""

    _how = "It was deleted although it is referred to, which is a fault of mobula."


class ObjectFreedError(ObjectLostError):
    """The object was freed although somebody refers to it."""

    _how = "It was freed although it is referred to."


class OwnerDiedError(ObjectLostError):
    """The process that made the reference is gone, and the object with it."""

    _how = "The process that owned it (by .remote() or put()) has exited."


class ObjectReconstructionFailedError(ObjectLostError):
    """The object is lost and its task cannot be run again; ``reason`` is the number of the error, with its words."""

    REASON_MESSAGES: ClassVar[dict[int, str]] = {
        12: "its task has used up its retries (max_retries)",
        13: "the record of its task was dropped to save memory",
        27: "it was made by put(), which no task can repeat",
        28: "its task has max_retries=0",
        29: "only its owner could run the task again, and this process borrowed it",
        30: "nothing is known of its reference, which is a fault of mobula",
        31: "its task was canceled",
        32: "reconstruction is switched off",
    }

    def __init__(
        self,
        object_ref_hex: str,
        reason: int | None = None,
        reason_message: str | None = None,
        owner_address: Any = None,
        call_site: str = "",
    ) -> None:
        super().__init__(object_ref_hex, owner_address, call_site)
        self.reason = reason
        self.reason_message = reason_message or self.REASON_MESSAGES.get(reason or 0, "the reason is not known")

    def __str__(self) -> str:
        return f"{super().__str__()} It cannot be made again: {self.reason_message}."


class PlasmaObjectNotAvailable(RayError):
    """The object was not in the store within the time given."""


class ObjectRefStreamEndOfStreamError(RayError):
    """A generator task has no more items."""


class OufOfBandObjectRefSerializationException(RayError):
    """A reference was pickled by hand where that was forbidden. (The name is Ray's.)"""


def _with_detail(sentence: str, detail: str) -> str:
    return f"{sentence} {detail}".strip()


RAY_EXCEPTION_TYPES = [
    cls
    for cls in list(globals().values())
    if isinstance(cls, type) and issubclass(cls, RayError) and cls.__name__[0] != "_" and cls is not _InterruptedByCancel
]
