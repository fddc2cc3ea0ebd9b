"""What a refusal of the core means in Python.

Owns the table from ErrorKind to exception classes. It refuses to decide anything else about a reply.
"""

from __future__ import annotations

from mobula import exceptions
from mobula._core.context import note_canceled
from mobula._core.pb import boundary_pb2 as pb


def check(reply: pb.Reply) -> pb.Reply:
    """The reply itself, or the exception that its error kind stands for."""
    kind = reply.error_kind
    if not kind and not reply.error:
        return reply
    text = reply.error
    if kind == pb.ERROR_CANCELED:
        note_canceled()
        raise exceptions._InterruptedByCancel(error_message=text)
    raise _CLASSES.get(kind, exceptions.RaySystemError)(text)


_CLASSES: dict[pb.ErrorKind, type[Exception]] = {
    pb.ERROR_VALUE: ValueError,
    pb.ERROR_STORE_FULL: exceptions.ObjectStoreFullError,
    pb.ERROR_OUT_OF_DISK: exceptions.OutOfDiskError,
    pb.ERROR_NOT_FOUND: ValueError,
    pb.ERROR_NAME_TAKEN: exceptions.ActorAlreadyExistsError,
    pb.ERROR_INTERNAL: exceptions.RaySystemError,
}
