"""Handles of actors and calls of their methods, on the caller's side.

Owns `ActorHandle` (counted: an actor without handles ends), `ActorMethod`, and how a handle travels inside values. A handle
is counted by actor id through `_core.refcount`; while it lies pickled inside a value, that value contains the actor's handle
object, so the actor cannot end between the sender's last handle and the receiver's first.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable
from functools import partial
from types import MethodType
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar, Union

from mobula import arguments, session
from mobula._core import ids, refcount
from mobula._core.together import together
from mobula.class_description import Description, decode
from mobula.object_ref import ObjectRef
from mobula.options import check_call_options
from mobula.returns import Returns, returns_of
from mobula.serialization import note_contained
from mobula.task_spec import call_fields, retries, retry_exceptions

if TYPE_CHECKING:
    from mobula._core.pb import boundary_pb2 as pb
    from mobula._core.process import Process
    from mobula._values.rayhandle import RayHandle

T = TypeVar("T")

_note_added = refcount.handles_added.append
_note_dropped = refcount.handles_dropped.append
_note_unsure = refcount.handles_unsure.append

#: Handles that were pickled by hand, by actor id: the pickle may be loaded at any time, so they stay.
_pinned: dict[bytes, ActorHandle[Any]] = {}


class ActorHandle(Generic[T]):
    """A reference to an actor: `handle.method.remote(...)` calls a method of it.

    Handles of one actor are equal and hash alike. They may be passed to tasks and actors, alone or inside other values. An
    actor that is not detached ends when its last handle goes. Names that are no method give AttributeError.
    """

    __slots__ = ("__del__", "__weakref__", "_actor", "_description", "_pending", "_templates")

    #: What notes the end of this handle, where it counts (together.py).
    __del__: Callable[[], object]

    def __init__(self, actor_id: bytes, description: Description) -> None:
        self._take(actor_id, description)
        together(partial(_note_added, actor_id), partial(_set_end, self, MethodType(_note_dropped, actor_id)))

    @classmethod
    def _called(cls, actor_id: bytes, description: Description) -> ActorHandle[Any]:
        """A handle whose count the caller is about to tell the core itself; `_counted` says that it has."""
        handle = cls.__new__(cls)
        handle._take(actor_id, description)
        handle.__del__ = MethodType(_note_unsure, actor_id)
        return handle

    @classmethod
    def _taken_over(cls, actor_id: bytes, description: Description, step: Callable[[], object]) -> ActorHandle[Any]:
        """A handle that takes over a count; `step` (together.py) lets go of it on the other side, at the same moment."""
        handle = cls.__new__(cls)
        handle._take(actor_id, description)
        together(step, partial(_set_end, handle, MethodType(_note_dropped, actor_id)))
        return handle

    def _counted(self) -> None:
        self.__del__ = MethodType(_note_dropped, self._actor)

    def _take(self, actor_id: bytes, description: Description) -> None:
        self._description = description
        self._templates: dict[str, tuple[bytes, Returns]] = {}
        self._pending: deque[ObjectRef[Any]] | None = deque() if description.max_pending_calls > 0 else None
        self._actor = actor_id

    @property
    def _actor_id(self) -> ids.ActorID:
        return ids.ActorID(self._actor)

    @property
    def _ray_actor_id(self) -> ids.ActorID:
        return ids.ActorID(self._actor)

    def __getattr__(self, name: str) -> ActorMethod:
        if name in ActorHandle.__slots__:
            raise AttributeError(name)  # half-made
        if name in self._description.methods:
            return ActorMethod(self, name)
        raise AttributeError(f"{self!r} has no method {name!r}; attributes of an actor are reached through its methods only")

    def __dir__(self) -> list[str]:
        return sorted(self._description.methods)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ActorHandle):
            return NotImplemented
        return bool(self._actor == other._actor)

    def __hash__(self) -> int:
        return hash(self._actor)

    def __repr__(self) -> str:
        return f"Actor({self._description.class_name}, {self._actor.hex()})"

    def __reduce__(self) -> tuple[Any, ...]:
        if not note_contained(ids.actor_handle_id(self._actor), self):
            _pinned.setdefault(self._actor, self)
        return restore, (self._actor, self._description.encode())

    def __copy__(self) -> ActorHandle[T]:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> ActorHandle[T]:
        return self


if TYPE_CHECKING:

    class _OnlyMethods(ActorHandle[T]):
        """Has no names of its own, so that in a union with the class every name is the class's."""

        def __getattr__(self, name: str) -> NoReturn: ...

    Handle = _OnlyMethods
else:
    Handle = ActorHandle

#: What a checker sees of the handle of an actor whose class it knows: `ActorProxy[Counter]`. A method of the class that is marked
#: with `@method` has a typed `.remote` there.
ActorProxy = Union[Handle[T], type[T]]  # noqa: UP007 - a class and a name in quotes cannot be joined by | in Python 3.10

_set_end = ActorHandle.__dict__["__del__"].__set__


def restore(actor_id: bytes, description: bytes) -> ActorHandle[Any]:
    """Called by pickles to make the handle again."""
    return ActorHandle(actor_id, decode(description))


def stock_of_session() -> Any:
    """The module that writes for a cluster's workers, where the session is one in a cluster; else None."""
    module = sys.modules.get("mobula._values.stock")
    return module if module is not None and module.current() is not None else None


def handle_bytes(process: Process, creation: Any, actor_id: bytes, digest: str) -> bytes:
    """What is kept with an actor for those who find it by its name: our description of its class, in a cluster inside Ray's."""
    description = creation.description
    stock = stock_of_session()
    if stock is None:
        encoded: bytes = description.encode()
        return encoded
    from mobula._values import rayhandle

    options, here = creation.options, stock.current()
    message = rayhandle.write(
        actor_id=actor_id,
        caller=ids.driver_task_id(process.job_id),
        owner=here.owner,
        job_id=process.job_id,
        module=description.module,
        class_name=description.class_name,
        function_hash=digest,
        cursor=ids.actor_handle_id(actor_id),
        is_async=description.is_async,
        max_task_retries=description.max_task_retries,
        name=creation.name,
        namespace=options.get("namespace") or process.namespace,
        out_of_order=creation.out_of_order,
        max_pending_calls=description.max_pending_calls,
        events=description.events,
        detached=options.get("lifetime") == "detached",
        description=description.encode(),
    )
    here.handles[actor_id] = message
    return message


def described(actor_id: bytes, handle: bytes) -> Description:
    """The description in what `handle_bytes` wrote, or what stands for it where stock Ray wrote the handle."""
    stock = stock_of_session()
    if stock is None:
        return decode(handle)
    from mobula._values import rayhandle

    said = rayhandle.read(handle)
    stock.current().handles[actor_id] = handle
    return _description_in(said)


def _description_in(said: RayHandle) -> Description:
    if said.ours:
        return decode(said.ours)
    from mobula.foreign_actor import ForeignDescription

    return ForeignDescription(said)


def restore_stock(message: bytes, weak: bool) -> ActorHandle[Any]:
    """Called by pickles that a cluster's workers have written."""
    from mobula._values import rayhandle

    said = rayhandle.read(message)
    stock = stock_of_session()
    if stock is None:
        raise ValueError(f"the handle of actor {said.actor_id.hex()} is of a cluster, which this session has not joined")
    known = stock.current().handles
    if said.actor_id not in known:
        from mobula._core.pb import boundary_pb2 as pb

        met = pb.MeetActor(
            actor_id=said.actor_id,
            module=said.module,
            class_name=said.class_name,
            function_hash=said.function_hash,
            out_of_order=said.out_of_order,
        )
        session.process().mutate(pb.Mutation(meet_actor=met))
        known[said.actor_id] = message
    return ActorHandle(said.actor_id, _description_in(said))


def requested(process: Process, request: pb.Request, created: Description | None = None) -> ActorHandle[Any]:
    """The handle that comes with the answer to a request for an actor by its name; `created` is the description of one that the
    request creates. Whoever is interrupted while he waits has no handle, and the core none for him.

    Raises what the core's refusal stands for.
    """
    from mobula._core.replies import check

    encoded = request.SerializeToString()

    def take(reply: pb.Reply, settle: Callable[[], object]) -> tuple[pb.Reply, ActorHandle[Any] | None]:
        if reply.WhichOneof("kind") != "actor":
            settle()
            return reply, None
        found = reply.actor
        try:
            description = created if created is not None and found.created else described(found.actor_id, found.handle)
        except BaseException:
            settle()
            _note_dropped(found.actor_id)  # the answer came with a handle
            raise
        return reply, ActorHandle._taken_over(found.actor_id, description, settle)

    reply, handle = process.call_and_take(lambda: encoded, take)
    check(reply)
    assert handle is not None, "an answer without an actor is a refusal"
    return handle


def _forget_pinned() -> None:
    """The session is over: whatever was pickled by hand leads nowhere now."""
    forgotten = dict(_pinned)
    _pinned.clear()
    forgotten.clear()


class ActorMethod:
    """A method of an actor: call it with `.remote(...)`, or change options for one call with `.options(...)`."""

    __slots__ = ("_handle", "_name")

    def __init__(self, handle: ActorHandle[Any], name: str) -> None:
        self._handle = handle
        self._name = name

    def remote(self, /, *args: Any, **kwargs: Any) -> Any:
        """Submits the call and returns its ref at once (a list of refs with num_returns above 1, None with 0).

        Raises TypeError when the arguments do not fit the method or cannot be pickled.
        """
        handle = self._handle
        name = self._name
        template = handle._templates.get(name)
        if template is None:
            template = handle._templates[name] = _template(handle, name, {})
        return _submit(handle, name, template[0], template[1], args, kwargs)

    def options(self, **call_options: Any) -> OptionedMethod:
        """The same method with some options changed: name, num_returns, concurrency_group, max_task_retries, retry_exceptions.

        Raises TypeError for an unknown option or a wrong type, ValueError for a wrong value, NotImplementedError for what
        mobula does not have yet.
        """
        method = self._handle._description.methods[self._name]
        check_call_options(call_options, is_generator=method.is_generator)
        group = call_options.get("concurrency_group")
        groups = self._handle._description.groups
        if group and groups is not None and group not in groups:
            raise ValueError(f"{self._handle!r} has no concurrency group {group!r}; it has {list(groups)}")
        return OptionedMethod(self._handle, self._name, call_options)

    def bind(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused: graphs of calls (Ray's DAG API) are not built into mobula."""
        raise NotImplementedError(f"{self._name}.bind(): graphs of calls are not built into mobula; use .remote()")

    def _remote(self, args: Any = None, kwargs: Any = None, **call_options: Any) -> Any:
        """Ray's old form of `.options(...).remote(...)`."""
        target = self.options(**call_options) if call_options else self
        return target.remote(*(args or ()), **(kwargs or {}))

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError(
            f"Actor methods cannot be called directly. Instead of running 'object.{self._name}()', "
            f"try 'object.{self._name}.remote()'."
        )

    def __repr__(self) -> str:
        return f"<method {self._name} of {self._handle!r}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return ActorMethod, (self._handle, self._name)


class OptionedMethod:
    """A method with options of its own: what `ActorMethod.options(...)` returns."""

    __slots__ = ("_handle", "_name", "_options", "_returns", "_template")

    def __init__(self, handle: ActorHandle[Any], name: str, options: dict[str, Any]) -> None:
        self._handle = handle
        self._name = name
        self._options = options
        self._template, self._returns = _template(handle, name, options)

    def remote(self, /, *args: Any, **kwargs: Any) -> Any:
        """Submits the call, as ActorMethod.remote does."""
        return _submit(self._handle, self._name, self._template, self._returns, args, kwargs)

    def bind(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused, as ActorMethod.bind is."""
        ActorMethod(self._handle, self._name).bind()

    def __reduce__(self) -> tuple[Any, ...]:
        return OptionedMethod, (self._handle, self._name, self._options)


def _template(handle: ActorHandle[Any], name: str, options: dict[str, Any]) -> tuple[bytes, Returns]:
    """The constant part of a call's spec, and what the call returns."""
    from mobula._core.pb import boundary_pb2 as pb

    description = handle._description
    method = description.methods[name]
    retry, allowlist = method.retry, method.retry_allowlist
    if options.get("retry_exceptions") is not None:
        retry, allowlist = retry_exceptions(options["retry_exceptions"])
    default = description.max_task_retries if method.max_task_retries is None else method.max_task_retries
    num_returns, backpressure = options.get("num_returns"), options.get("_generator_backpressure_num_objects")
    returns = returns_of(
        method.num_returns if num_returns is None else num_returns,
        method.backpressure if backpressure is None else backpressure,
        method.per_yield,
        is_generator=method.is_generator,
        together=description.stream_limit,
    )
    events = options.get("enable_task_events")
    if events is None:
        events = description.events if method.events is None else method.events
    spec = pb.TaskSpec(
        type=pb.ACTOR_TASK,
        name=options.get("name") or f"{description.class_name}.{name}",
        code_name=f"{description.class_name}.{name}" if options.get("name") else "",
        method=name,
        **returns.fields(),
        max_retries=retries(options, keyword="max_task_retries", default=default),
        retry_exceptions=retry,
        retry_allowlist=allowlist,
        actor_id=handle._actor,
        concurrency_group=options.get("concurrency_group") or method.concurrency_group,
        depth=1,
        no_events=not events,
    )
    return spec.SerializeToString(), returns


def _submit(
    handle: ActorHandle[Any], name: str, template: bytes, returns: Returns, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    description = handle._description
    description.fitting(name).check(args, kwargs)
    process = session.process()
    if handle._pending is not None:
        _count_pending(process, handle)
    if args or kwargs:
        fields, keep = arguments.encode(process, args, kwargs, f"{description.class_name}.{name}")
    else:
        fields, keep = b"", None
    task_id = process.new_task_id(handle._actor)
    made = returns.handles(process, task_id)
    spec = call_fields(process, task_id) + template + fields
    if returns.single:
        process.submit_one(spec, made._id)
    else:
        process.submit_encoded(spec)
    del keep
    returns.counted(made)
    if handle._pending is not None and made is not None:
        if returns.streaming:
            handle._pending.append(made.completed())
        else:
            handle._pending.append(made[0] if isinstance(made, list) else made)
    return made


def _count_pending(process: Process, handle: ActorHandle[Any]) -> None:
    """Refuses a call beyond max_pending_calls. Asks what has ended only when the limit seems reached."""
    pending, limit = handle._pending, handle._description.max_pending_calls
    if pending is None or len(pending) < limit:
        return
    asked = list(pending)
    _, rest = process.wait(asked, len(asked), 0)
    handle._pending = deque(rest)
    if len(rest) >= limit:
        from mobula.exceptions import PendingCallsLimitExceeded

        raise PendingCallsLimitExceeded(
            f"{handle!r} has {len(rest)} calls of this handle under way, and max_pending_calls={limit}: "
            "get() some results before calling again"
        )
