"""The exception classes: Ray's names and bases, pickling with their fields, and the one class that is two things."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from mobula import exceptions as ex
from mobula._core.ids import TaskID

#: Every public class of ray.exceptions 2.60 with its bases.
RAY = {
    "ActorAlreadyExistsError": "ValueError RayError",
    "ActorDiedError": "RayActorError",
    "ActorHandleNotFoundError": "ValueError RayError",
    "ActorPlacementGroupRemoved": "RayError",
    "ActorUnavailableError": "RayActorError",
    "ActorUnschedulableError": "RayError",
    "AsyncioActorExit": "RayError",
    "AuthenticationError": "RayError",
    "CrossLanguageError": "RayError",
    "GetTimeoutError": "RayError TimeoutError",
    "LocalRayletDiedError": "RayError",
    "NodeDiedError": "RayError",
    "ObjectFetchTimedOutError": "ObjectLostError",
    "ObjectFreedError": "ObjectLostError",
    "ObjectLostError": "RayError",
    "ObjectReconstructionFailedError": "ObjectLostError",
    "ObjectRefStreamEndOfStreamError": "RayError",
    "ObjectStoreFullError": "RayError",
    "OufOfBandObjectRefSerializationException": "RayError",
    "OutOfDiskError": "RayError",
    "OutOfMemoryError": "RayError",
    "OwnerDiedError": "ObjectLostError",
    "PendingCallsLimitExceeded": "RayError",
    "PlasmaObjectNotAvailable": "RayError",
    "RayActorError": "RayError",
    "RayCgraphCapacityExceeded": "RaySystemError",
    "RayChannelError": "RaySystemError",
    "RayChannelTimeoutError": "RayChannelError TimeoutError",
    "RayDirectTransportError": "RaySystemError",
    "RayError": "Exception",
    "RaySystemError": "RayError",
    "RayTaskError": "RayError",
    "ReferenceCountingAssertionError": "ObjectLostError AssertionError",
    "RpcError": "RayError",
    "RuntimeEnvSetupError": "RayError",
    "StreamingGeneratorReplayInconsistentError": "RaySystemError",
    "TaskCancelledError": "RayError",
    "TaskPlacementGroupRemoved": "RayError",
    "TaskUnschedulableError": "RayError",
    "UnserializableException": "RayError",
    "UserCodeException": "RayError",
    "WorkerCrashedError": "RayError",
}

MADE: list[Exception] = [
    ex.RayError("x"),
    ex.TaskCancelledError(),
    ex.TaskCancelledError(TaskID(bytes(24)), "why"),
    ex.TaskCancelledError(error_message="why"),
    ex.RayTaskError("f", "Traceback (most recent call last):\nValueError: v", ValueError("v"), pid=3),
    ex.RayActorError(actor_id="ab", error_msg="broken"),
    ex.ActorDiedError(),
    ex.ActorUnavailableError(error_message="away", actor_id=b"a" * 16),
    ex.ActorUnavailableError("away", None),
    ex.ActorAlreadyExistsError("taken"),
    ex.ActorUnschedulableError(error_message="too large"),
    ex.RaySystemError(client_exc="broken", traceback_str="somewhere"),
    ex.RpcError("no answer", rpc_code=14),
    ex.RuntimeEnvSetupError(error_message="no pip"),
    ex.RuntimeEnvSetupError(),
    ex.ObjectLostError("ab", b"", "here.py:3"),
    ex.OwnerDiedError("ab", owner_address=None, call_site=""),
    ex.ObjectReconstructionFailedError("ab", reason=12),
    ex.ObjectStoreFullError("no room for 3 GB"),
    ex.WorkerCrashedError("exit status 3"),
    ex.GetTimeoutError("late"),
    ex.UnserializableException("the text"),
    ex.AuthenticationError("wrong token"),
    ex.NodeDiedError("gone"),
    ex.OutOfMemoryError(message="killed"),
]


@pytest.mark.parametrize("name", RAY)
def test_names_and_bases_are_rays(name: str) -> None:
    cls = getattr(ex, name)
    assert [base.__name__ for base in cls.__bases__] == RAY[name].split()
    assert cls.__module__ == "mobula.exceptions"
    assert cls.__doc__


def test_the_list_of_types_holds_them_all() -> None:
    assert {cls.__name__ for cls in ex.RAY_EXCEPTION_TYPES} == set(RAY)


@pytest.mark.parametrize("error", MADE, ids=lambda e: type(e).__name__)
def test_they_pickle_and_copy_with_their_fields(error: Exception) -> None:
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(again) is type(error)
        assert str(again) == str(error)
        assert repr(again) == repr(error)
        fields: list[dict[str, Any]] = [vars(again), vars(error)]
        for one in fields:
            one.pop("cause", None)
        assert fields[0] == fields[1]


def test_the_canceled_error_says_which_task_and_why() -> None:
    task = TaskID(bytes(range(24)))
    assert str(ex.TaskCancelledError()) == ""
    assert str(ex.TaskCancelledError(task)) == f"Task: {task.hex()} was cancelled."
    assert str(ex.TaskCancelledError(task, "Enough.")) == f"Task: {task.hex()} was cancelled. Enough."
    assert ex.TaskCancelledError().task_id is None


def test_a_get_woken_by_a_cancel_is_both() -> None:
    error = ex._InterruptedByCancel(TaskID(bytes(24)), "Its actor method was canceled.")
    assert isinstance(error, ex.TaskCancelledError)
    assert isinstance(error, KeyboardInterrupt)
    assert isinstance(error, Exception)
    assert type(error).__name__ == type(error).__qualname__ == "TaskCancelledError"
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is ex.TaskCancelledError
    assert str(again) == str(error)


def test_a_subclass_of_a_user_pickles() -> None:
    error = OfUser("a", flag=True)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.args, again.flag) == (OfUser, ("a",), True)


class OfUser(ex.UserCodeException):
    def __init__(self, text: str, *, flag: bool) -> None:
        super().__init__(text)
        self.flag = flag


def test_a_task_error_whose_cause_is_a_ray_error_is_that_too() -> None:
    error = ex.RayTaskError("f", "Traceback (most recent call last):\nx", ex.ObjectStoreFullError("no room"))
    combined = error.as_instanceof_cause()
    assert isinstance(combined, ex.ObjectStoreFullError)
    assert combined.as_instanceof_cause() is combined
    plain = ex.RayTaskError("f", "Traceback (most recent call last):\nx", ex.RayError("x"))
    assert plain.as_instanceof_cause() is plain


def test_the_constructor_of_an_actor() -> None:
    cause = ex.RayTaskError("A.__init__", "Traceback (most recent call last):\nValueError: v", ValueError("v"), actor_id="ab")
    error = ex.ActorDiedError.from_task_error(cause)
    assert error.actor_init_failed
    assert error.actor_id == "ab"
    assert "ValueError: v" in str(error)
    assert pickle.loads(pickle.dumps(error)).actor_init_failed
